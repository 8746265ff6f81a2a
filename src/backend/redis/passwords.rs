//! The passwords of Redis and of the Sentinels that watch it.

use redis::{RedisConnectionInfo, RedisError};

use super::error::Error;
use crate::auth::Secret;

/// Each where there is one.
#[derive(Debug, Default)]
pub struct Passwords {
    /// Of the server's user.
    pub server: Option<Secret>,
    /// Of the Sentinels' user.
    pub sentinels: Option<Secret>,
}

impl Passwords {
    /// A copy for a part that keeps it.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        let copy = |password: &Option<Secret>| password.as_ref().map(Secret::duplicate);
        Self { server: copy(&self.server), sentinels: copy(&self.sentinels) }
    }
}

/// The same settings with a user and a password, as far as there are any.
pub(super) fn signed_in(
    mut settings: RedisConnectionInfo,
    username: Option<&String>,
    password: Option<&Secret>,
) -> Result<RedisConnectionInfo, Error> {
    if let Some(username) = username {
        settings = settings.set_username(username);
    }
    if let Some(password) = password {
        let text = str::from_utf8(password.expose());
        let text = text.map_err(|_| Error::Settings("a Redis password is not UTF-8".to_owned()))?;
        settings = settings.set_password(text);
    }
    Ok(settings)
}

/// What a server answered, in its own words, unless it repeats a password: one that does not know a command does, with its
/// arguments, and at the begin of a connection the password is one of them.
pub(super) fn describe(error: &RedisError, password: Option<&Secret>) -> String {
    let text = error.to_string();
    let password = password.and_then(|password| str::from_utf8(password.expose()).ok());
    match password.is_some_and(|password| text.contains(password)) {
        true => error.category().to_owned(),
        false => text,
    }
}
