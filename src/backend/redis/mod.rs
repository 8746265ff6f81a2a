//! Redis or Valkey: fields of hashes, a list and a channel of mailcow's, and what several keydoves share (`stream.rs`).
//!
//! What the fields mean is the caller's business. There is one connection, made when it is needed; one that the
//! server has closed is replaced at the next command. Where Sentinels watch several servers (`sentinel.rs`), they are
//! asked for the master before each new connection.

mod bounded;
mod config;
mod error;
mod link;
mod passwords;
mod sentinel;
mod stream;
mod wakeups;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::{
    Cmd, ErrorKind, FromRedisValue, ProtocolVersion, RedisConnectionInfo, RedisError, ServerErrorKind,
};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::settings::Section;
use link::{Address, Link};
use passwords::{describe, signed_in};
use sentinel::Sentinels;

pub use config::Config;
pub use error::Error;
pub use passwords::Passwords;
pub use sentinel::SentinelAnswer;
pub use stream::StreamEntry;

/// A server and the connection to it.
pub struct Redis {
    place: Place,
    settings: RedisConnectionInfo,
    server: String,
    passwords: Passwords,
    timeout: Duration,
    ban_channel: Option<Box<str>>,
    link: Option<Link>,
    /// Told when something comes on a channel that is listened to.
    heard: Arc<Notify>,
}

/// Where the server is.
enum Place {
    Fixed(Address),
    Sentinels(Sentinels),
}

impl Redis {
    /// Prepares a connection; the server is not contacted yet.
    ///
    /// # Errors
    /// [`Error::Settings`]: settings contradict each other, or a password is not UTF-8.
    pub fn new(config: &Config, passwords: Passwords) -> Result<Self, Error> {
        if let Some(fault) = config.faults().into_iter().next() {
            return Err(Error::Settings(fault.sentence));
        }
        let settings = RedisConnectionInfo::default()
            // With it the server's close is noticed while nothing is asked.
            .set_protocol(ProtocolVersion::RESP3)
            .set_db(config.database.into())
            // Users who may do nothing but the few commands of this module are let alone with it.
            .set_skip_set_lib_name();
        let settings = signed_in(settings, config.username.as_ref(), passwords.server.as_ref())?;
        let timeout = config.timeout.get();
        let place = match (&config.socket, &config.host) {
            (Some(socket), _) => Place::Fixed(Address::Socket(socket.clone())),
            (None, Some(host)) => Place::Fixed(Address::Host(host.clone(), config.port)),
            (None, None) => Place::Sentinels(Sentinels::new(config, passwords.sentinels.as_ref())?),
        };
        Ok(Self {
            place,
            settings,
            server: config.place(),
            passwords,
            timeout,
            ban_channel: config.ban_channel.as_deref().map(Box::from),
            link: None,
            heard: Arc::default(),
        })
    }

    /// Where refused logins are published, if anywhere.
    #[must_use]
    pub fn ban_channel(&self) -> Option<&str> {
        self.ban_channel.as_deref()
    }

    /// Sets a field of a hash.
    ///
    /// # Errors
    /// The server cannot be asked or does not do it. After [`Error::Timeout`] and [`Error::Unreachable`] it may
    /// have done it all the same.
    pub async fn set_field(&mut self, hash: &str, field: &str, value: &str) -> Result<(), Error> {
        let mut command = redis::cmd("HSET");
        command.arg(hash).arg(field).arg(value);
        self.ask("setting a field", &command).await
    }

    /// Takes a field out of a hash; it need not be there.
    ///
    /// # Errors
    /// As [`set_field`](Self::set_field).
    pub async fn delete_field(&mut self, hash: &str, field: &str) -> Result<(), Error> {
        let mut command = redis::cmd("HDEL");
        command.arg(hash).arg(field);
        self.ask("deleting a field", &command).await
    }

    /// Puts texts before a list, the last one first, and cuts the list behind the first `keep`.
    ///
    /// # Errors
    /// As [`set_field`](Self::set_field).
    pub async fn push(&mut self, list: &str, texts: &[String], keep: usize) -> Result<(), Error> {
        if texts.is_empty() {
            return Ok(());
        }
        let mut command = redis::cmd("LPUSH");
        command.arg(list).arg(texts);
        self.ask("writing into a list", &command).await?;
        let mut command = redis::cmd("LTRIM");
        command.arg(list).arg(0).arg(keep.saturating_sub(1));
        self.ask("cutting a list", &command).await
    }

    /// The newest texts of a list that is written by [`push`](Self::push), the newest first.
    ///
    /// # Errors
    /// As [`set_field`](Self::set_field).
    pub async fn newest(&mut self, list: &str, count: usize) -> Result<Vec<String>, Error> {
        let mut command = redis::cmd("LRANGE");
        command.arg(list).arg(0).arg(count.saturating_sub(1));
        self.query("reading a list", &command).await
    }

    /// Publishes a text once. It is never sent a second time, whatever happens: whoever counts would count twice.
    ///
    /// # Errors
    /// As [`set_field`](Self::set_field).
    pub async fn publish(&mut self, channel: &str, text: &str) -> Result<(), Error> {
        let mut command = redis::cmd("PUBLISH");
        command.arg(channel).arg(text);
        self.ask("publishing", &command).await
    }

    async fn ask(&mut self, attempt: &'static str, command: &Cmd) -> Result<(), Error> {
        self.query(attempt, command).await
    }

    async fn query<T: FromRedisValue>(&mut self, attempt: &'static str, command: &Cmd) -> Result<T, Error> {
        let limit = self.timeout;
        let asked = timeout(limit, self.ask_patiently(attempt, command)).await;
        let end =
            asked.unwrap_or_else(|_| Err(Error::Timeout { attempt, server: self.server.clone(), limit }));
        if matches!(end, Err(Error::Timeout { .. } | Error::Unreachable { .. })) {
            self.link = None;
        }
        end
    }

    async fn ask_patiently<T: FromRedisValue>(
        &mut self,
        attempt: &'static str,
        command: &Cmd,
    ) -> Result<T, Error> {
        let link = self.take_link(attempt).await?;
        let (mut connection, overrun) = (link.connection.clone(), Arc::clone(&link.overrun));
        self.link = Some(link);
        let end = command.query_async(&mut connection).await;
        if overrun.load(Ordering::Relaxed) {
            self.link = None;
            return Err(Error::TooLong { attempt, server: self.server.clone() });
        }
        end.map_err(|error| self.explain(attempt, &error))
    }

    /// The connection, made if there is none that lasts.
    async fn take_link(&mut self, attempt: &'static str) -> Result<Link, Error> {
        match self.link.take() {
            Some(link) if !link.closed.load(Ordering::Relaxed) => Ok(link),
            _ => self.connect(attempt).await,
        }
    }

    async fn connect(&mut self, attempt: &'static str) -> Result<Link, Error> {
        let address = match &mut self.place {
            Place::Fixed(address) => address.clone(),
            Place::Sentinels(sentinels) => {
                let (host, port) = sentinels.find_master(attempt).await?;
                Address::Host(host, port)
            }
        };
        let link = link::connect(&address, &self.settings, Arc::clone(&self.heard)).await;
        link.map_err(|error| self.explain(attempt, &error))
    }

    fn explain(&self, attempt: &'static str, error: &RedisError) -> Error {
        let (server, detail) = (self.server.clone(), describe(error, self.passwords.server.as_ref()));
        // A master that is none any more; the Sentinels know the new one.
        let is_replica = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
        if is_replica || error.is_io_error() || error.is_unrecoverable_error() && error.code().is_none() {
            return Error::Unreachable { attempt, server, detail };
        }
        Error::Refused { attempt, server, detail }
    }
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis").field("server", &self.server).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;
    use crate::auth::Secret;

    fn at(port: u16, timeout: &str) -> Redis {
        let text = format!("host = '127.0.0.1'\nport = {port}\ntimeout = '{timeout}'");
        let server = Some(Secret::from("hunter2"));
        Redis::new(&toml::from_str(&text).unwrap(), Passwords { server, sentinels: None }).unwrap()
    }

    #[tokio::test]
    async fn a_server_that_is_down_is_named() {
        // Bound, so that nobody else gets the port, and nobody listens there.
        let bound = TcpSocket::new_v4().unwrap();
        bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = bound.local_addr().unwrap().port();
        let error = at(port, "1s").set_field("h", "f", "v").await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        let begin = format!("setting a field: cannot reach Redis at 127.0.0.1:{port}: ");
        assert!(error.to_string().starts_with(&begin), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_a_timeout() {
        let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let error = at(mute.local_addr().unwrap().port(), "50ms").publish("c", "t").await.unwrap_err();
        assert!(error.to_string().ends_with("within 50ms"), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_repeats_the_password_does_not_get_it_into_the_error() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut redis = at(server.local_addr().unwrap().port(), "2s");
        let answer = async {
            let (mut stream, _) = server.accept().await.unwrap();
            let mut asked = [0; 1024];
            let length = stream.read(&mut asked).await.unwrap();
            assert!(String::from_utf8_lossy(&asked[..length]).contains("hunter2"));
            stream.write_all(b"-WRONGPASS not right, `AUTH`, `default`, `hunter2`\r\n").await.unwrap();
            stream
        };
        let (end, _stream) = tokio::join!(redis.delete_field("h", "f"), answer);
        let error = end.unwrap_err();
        assert!(!format!("{error} {error:?} {redis:?}").contains("hunter2"), "{error}");
        assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    }
}
