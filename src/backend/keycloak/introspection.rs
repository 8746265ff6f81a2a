//! Whether a token is still active, asked from Keycloak (RFC 7662): its session may have been ended.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use serde::Deserialize;
use sha2::{Digest, Sha256};
// Tokio's clock instead of std's: tests move it.
use tokio::time::Instant;

use super::http::{fetch, of_client};
use super::{Client, Error};
use crate::auth::Secret;

const CALL: &str = "the introspection of a token";
/// Most tokens whose answer is remembered, at about 100 bytes each.
const MAX_REMEMBERED: NonZeroUsize = NonZeroUsize::new(16_384).unwrap();

/// What Keycloak says about a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// It can be used.
    Active,
    /// It cannot, or we are not among those whom it is for.
    Inactive,
}

/// Tokens that were active a moment ago, by their digests. Nothing is remembered of others.
#[derive(Debug)]
pub(super) struct ActiveTokens(Mutex<LruCache<[u8; 32], Instant>>);

impl Default for ActiveTokens {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MAX_REMEMBERED)))
    }
}

impl ActiveTokens {
    fn was_active(&self, digest: &[u8; 32], now: Instant) -> bool {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(digest).is_some_and(|&until| now < until)
    }

    fn remember(&self, digest: [u8; 32], until: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(digest, until);
    }
}

impl Client {
    /// Whether Keycloak lets this token be used. That it does is remembered for `keep`.
    ///
    /// # Errors
    /// Nobody can tell.
    pub async fn introspect(&self, token: &Secret, keep: Duration) -> Result<Activity, Error> {
        #[derive(Deserialize)]
        struct Answer {
            active: bool,
        }
        let digest: [u8; 32] = Sha256::digest(token.expose()).into();
        let asked = Instant::now();
        if self.active.was_active(&digest, asked) {
            return Ok(Activity::Active);
        }
        let (client_id, secret) = self.tokens.client();
        let text = |secret: &'_ Secret| String::from_utf8_lossy(secret.expose()).into_owned();
        let (secret, text) = (zeroize::Zeroizing::new(text(secret)), zeroize::Zeroizing::new(text(token)));
        let form = [("client_id", client_id), ("client_secret", secret.as_str()), ("token", text.as_str())];
        let request = self.http.post(self.address.introspection_url()).form(&form);
        let body = self.guard(async { fetch(CALL, request).await.map_err(of_client) }).await?;
        let what = || "something that is no introspection".to_owned();
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|_| Error::BadAnswer { call: CALL, what: what() })?;
        if !answer.active {
            return Ok(Activity::Inactive);
        }
        self.active.remember(digest, asked + keep);
        Ok(Activity::Active)
    }

    /// Whom Keycloak must have made a token for, so that it answers us about it.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.tokens.client().0
    }
}
