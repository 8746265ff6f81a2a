//! The settings of Redis.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::settings::{HostPort, Period, Section, SettingFault};

const DEFAULT_PORT: u16 = 6379;
const DEFAULT_SENTINEL_PORT: u16 = 26_379;
const DEFAULT_SERVICE: &str = "mymaster";
const DEFAULT_TIMEOUT: Period = Period::from_secs(1);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// mailcow's Redis, or another Redis (6 or later) or Valkey. Without this table keydove uses none.
///
/// keydove does not contact it at the start, and no login waits for it. Connections over TCP are not encrypted: use
/// the socket, or a network that you trust.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The server's Unix socket. Default: this, `host` or `sentinels` is required.
    pub socket: Option<PathBuf>,
    /// The server's name or address. Default: this, `socket` or `sentinels` is required.
    pub host: Option<String>,
    /// The Sentinels that know which server is the master: `"10.0.0.1:26379"`; the port may be left out if it is
    /// 26379. keydove asks them in turn whenever it connects. Default: this, `socket` or `host` is required.
    #[serde(default)]
    pub sentinels: Vec<HostPort>,
    /// The name by which the Sentinels know the master. Default: the usual one, `"mymaster"`.
    pub service: Option<String>,
    /// The user of the Sentinels' access list. Default: their `default` user.
    pub sentinel_username: Option<String>,
    /// A file with the password of the Sentinels, where they want one (`requirepass` in their configuration); at most one of
    /// this and `sentinel_password_credential`.
    pub sentinel_password_file: Option<PathBuf>,
    /// The name of a systemd credential with the password of the Sentinels.
    pub sentinel_password_credential: Option<String>,
    /// The server's TCP port, with `host`. Default `6379`.
    #[serde(default = "default_port")]
    pub port: u16,
    /// The user of the server's access list. It needs `HSET`, `HDEL`, `PUBLISH` and
    /// `SUBSCRIBE`, with all channels or `keydove:changes` and `ban_channel`; with `[throttle] shared` also
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
            (None, Some(host)) => format!("{host}:{}", self.port),
            (None, None) => {
                let sentinels: Vec<_> = self.sentinels.iter().map(HostPort::to_string).collect();
                format!("the master `{}` of Sentinel {}", self.service(), sentinels.join(", "))
            }
        }
    }

    /// The master's name among Sentinels.
    pub(super) fn service(&self) -> &str {
        self.service.as_deref().unwrap_or(DEFAULT_SERVICE)
    }

    /// Names and ports, in order.
    pub(super) fn sentinels(&self) -> Vec<(String, u16)> {
        let port = |sentinel: &HostPort| sentinel.port.unwrap_or(DEFAULT_SENTINEL_PORT);
        self.sentinels.iter().map(|sentinel| (sentinel.host.clone(), port(sentinel))).collect()
    }
}

impl Section for Config {
    fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        let mut complain =
            |keys: &[&str], sentence, advice| faults.push(SettingFault::at(keys, sentence, advice));
        let places = [self.socket.is_some(), self.host.is_some(), !self.sentinels.is_empty()];
        if places.into_iter().filter(|is_set| *is_set).count() != 1 {
            complain(
                &[],
                "one of `socket`, `host` and `sentinels` must be set, and only one",
                "set socket to the path of Redis' socket, host to its name or address, or sentinels to those that watch it",
            );
        }
        match self.service.as_deref() {
            Some("") => {
                complain(
                    &["service"],
                    "`service` must not be empty",
                    "take it out for Sentinel's usual mymaster",
                );
            }
            Some(_) if self.sentinels.is_empty() => complain(
                &["service"],
                "`service` is the name of a master that Sentinels watch, and there are no `sentinels`",
                "set sentinels to their addresses, or take this line out",
            ),
            _ => {}
        }
        if self.username.is_some() && self.password_file.is_none() && self.password_credential.is_none() {
            complain(
                &["username"],
                "`username` needs `password_file` or `password_credential`",
                "add one of them, or take this line out for the server's `default` user",
            );
        }
        let has_sentinel_password =
            self.sentinel_password_file.is_some() || self.sentinel_password_credential.is_some();
        if self.sentinel_username.is_some() && !has_sentinel_password {
            complain(
                &["sentinel_username"],
                "`sentinel_username` needs `sentinel_password_file` or `sentinel_password_credential`",
                "add one of them, or take this line out for the Sentinels' `default` user",
            );
        }
        for (key, is_set) in [
            ("sentinel_password_file", self.sentinel_password_file.is_some()),
            ("sentinel_password_credential", self.sentinel_password_credential.is_some()),
        ] {
            if is_set && self.sentinels.is_empty() {
                complain(
                    &[key],
                    "a password of Sentinels is set, and there are no `sentinels`",
                    "set sentinels to their addresses, or take this line out",
                );
            }
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
    fn sentinels_are_a_place_too() {
        let config = read("sentinels = ['s1', '[2001:db8::1]:26380']").unwrap();
        assert_eq!(config.place(), "the master `mymaster` of Sentinel s1, [2001:db8::1]:26380");
        assert_eq!(config.sentinels(), [("s1".to_owned(), 26_379), ("2001:db8::1".to_owned(), 26_380)]);
        assert_eq!(read("sentinels = ['s1']\nservice = 'mail'").unwrap().service(), "mail");
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
            "host = 'h'\nservice = 's'",
            "host = 'h'\nsentinels = ['s']",
            "sentinels = []",
            "sentinels = ['s']\nservice = ''",
            "sentinels = ['s:x']",
            "sentinels = ['s']\nsentinel_username = 'u'",
            "host = 'h'\nsentinel_password_file = '/p'",
            "host = 'h'\nsentinel_password_credential = 'p'",
            "host = 'h'\ndatabase = -1",
        ] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }
}
