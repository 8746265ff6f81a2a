//! The settings of Redis.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::settings::{Period, Section, SettingFault};

const DEFAULT_PORT: u16 = 6379;
const DEFAULT_TIMEOUT: Period = Period::from_secs(1);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// mailcow's Redis, or another Redis (6 or later) or Valkey. Without this table keydove uses none.
///
/// keydove does not contact it at the start, and no login waits for it. Connections over TCP are not encrypted: use
/// the socket, or a network that you trust.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The server's Unix socket. Default: this or `host` is required.
    pub socket: Option<PathBuf>,
    /// The server's name or address. Default: this or `socket` is required.
    pub host: Option<String>,
    /// The server's TCP port, with `host`. Default `6379`.
    #[serde(default = "default_port")]
    pub port: u16,
    /// The user of the server's access list. It needs `HSET`, `HDEL` and `PUBLISH`; with `[throttle] shared` also
    /// `XADD`, `XRANGE` and `DEL`; for the log of the sync `LPUSH` and `LTRIM`. Default: the server's `default`
    /// user.
    pub username: Option<String>,
    /// A file with the password; at most one of this and `password_credential`.
    pub password_file: Option<PathBuf>,
    /// The name of a systemd credential with the password.
    pub password_credential: Option<String>,
    /// The number of the database; mailcow's is 0. Default `0`.
    #[serde(default)]
    pub database: u16,
    /// How long one command may take, connecting included; more than 0, at most `"1m"`. Default `"1s"`.
    #[serde(default = "default_timeout")]
    pub timeout: Period,
    /// Where keydove publishes refused guesses, each once in `[throttle] forget_after`; mailcow's is `F2B_CHANNEL`.
    /// Default: it publishes none.
    pub ban_channel: Option<String>,
}

impl Config {
    /// Where the server is, for messages.
    pub(super) fn place(&self) -> String {
        match (&self.socket, &self.host) {
            (Some(socket), _) => socket.display().to_string(),
            (None, host) => format!("{}:{}", host.as_deref().unwrap_or_default(), self.port),
        }
    }
}

impl Section for Config {
    fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        let mut complain =
            |keys: &[&str], sentence, advice| faults.push(SettingFault::at(keys, sentence, advice));
        if self.socket.is_some() == self.host.is_some() {
            complain(
                &[],
                "one of `socket` and `host` must be set, and not both",
                "set socket to the path of Redis' socket, or host to its name or address",
            );
        }
        if self.username.is_some() && self.password_file.is_none() && self.password_credential.is_none() {
            complain(
                &["username"],
                "`username` needs `password_file` or `password_credential`",
                "add one of them, or take this line out for the server's `default` user",
            );
        }
        if self.timeout.get().is_zero() || self.timeout.get() > LONGEST_TIMEOUT {
            complain(&["timeout"], "`timeout` must be more than 0 and at most `1m`", "1s is a good value");
        }
        if self.ban_channel.as_deref() == Some("") {
            complain(&["ban_channel"], "`ban_channel` must not be empty", "take it out to publish nothing");
        }
        faults
    }
}

fn default_port() -> u16 {
    DEFAULT_PORT
}

fn default_timeout() -> Period {
    DEFAULT_TIMEOUT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        let config: Config = toml::from_str(text).map_err(|error| error.to_string())?;
        match config.faults().into_iter().next() {
            Some(fault) => Err(fault.sentence),
            None => Ok(config),
        }
    }

    #[test]
    fn a_place_is_enough() {
        let config = read("host = 'redis'").unwrap();
        assert_eq!((config.place().as_str(), config.database), ("redis:6379", 0));
        assert_eq!(config.timeout.get(), Duration::from_secs(1));
        assert!(config.ban_channel.is_none());
        assert_eq!(read("socket = '/run/redis.sock'").unwrap().place(), "/run/redis.sock");
    }

    #[test]
    fn contradictions_are_errors() {
        for broken in [
            "",
            "host = 'h'\nsocket = '/s'",
            "host = 'h'\nusername = 'u'",
            "host = 'h'\ntimeout = '0'",
            "host = 'h'\ntimeout = '61s'",
            "host = 'h'\nban_channel = ''",
            "host = 'h'\npassword = 'p'",
            "host = 'h'\ndatabase = -1",
        ] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }
}
