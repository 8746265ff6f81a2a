//! The settings of the database.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::settings::{HostPort, Period, Section, SettingFault};

const DEFAULT_PATH: &str = "/var/lib/keydove/keydove.sqlite";
const DEFAULT_BUSY_TIMEOUT: Period = Period::from_secs(1);
const DEFAULT_PORT: u16 = 3306;
const DEFAULT_MAX_CONNECTIONS: NonZeroUsize = NonZeroUsize::new(8).expect("8 is not 0");
const DEFAULT_TIMEOUT: Period = Period::from_secs(2);
const DEFAULT_CONNECT_TIMEOUT: Period = Period::from_secs(2);
/// A login waits for the database; nobody waits longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Which database, named by its table: `[storage.sqlite]` or `[storage.mariadb]`, never both.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Config {
    /// An embedded file; the default.
    Sqlite(SqliteConfig),
    /// MariaDB or MySQL, mailcow's for instance.
    Mariadb(MariadbConfig),
}

/// The embedded database. It is the default; this table or `[storage.mariadb]`, not both.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SqliteConfig {
    /// The database file. keydove creates it with mode 0600 and migrates it at the start; its folder must exist, on
    /// a local file system. Default `"/var/lib/keydove/keydove.sqlite"`.
    pub path: PathBuf,
    /// How long a query waits while another process locks the file; at most `"1m"`. Default `"1s"`.
    pub busy_timeout: Period,
}

/// MariaDB or MySQL, mailcow's for instance. docs/database.md says which rights the database user needs.
///
/// Connections over TCP are not encrypted: use the socket, or a network that you trust.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MariadbConfig {
    /// The server's Unix socket. Default: this, `host` or `hosts` is required.
    pub socket: Option<PathBuf>,
    /// The server's name or address, or that of a proxy before a cluster. One that runs with Galera is treated as one of
    /// `hosts`. Default: this, `socket` or `hosts` is required.
    pub host: Option<String>,
    /// The servers of a Galera cluster, as `"name"` or `"name:port"`, the preferred one first. All connections lead to one
    /// of them; keydove goes to the next when that one fails or is not ready (`wsrep_ready`), and stays there. Reads
    /// see all that was committed before them (`wsrep_sync_wait`). Default: none.
    #[serde(default)]
    pub hosts: Vec<HostPort>,
    /// The server's TCP port, with `host`, and with `hosts` of those that name none. Default `3306`.
    #[serde(default = "default_port")]
    pub port: u16,
    /// The database user.
    pub user: String,
    /// A file with the password; at most one of this and `password_credential`.
    pub password_file: Option<PathBuf>,
    /// The name of a systemd credential with the password.
    pub password_credential: Option<String>,
    /// The database with the tables; `mailcow` in mailcow.
    pub database: String,
    /// How many connections keydove opens at most, for everything it does; further queries wait for one. The sync,
    /// housekeeping and what is written down after logins get a quarter of them (at least one), the rest is kept for
    /// logins. Default `8`.
    #[serde(default = "default_max_connections")]
    pub max_connections: NonZeroUsize,
    /// How long one query may take in all, connecting and retries included; more than 0, at most `"1m"`. Default
    /// `"2s"`.
    #[serde(default = "default_timeout")]
    pub timeout: Period,
    /// How long a query may wait for a connection; more than 0, at most `"1m"`. Default `"2s"`.
    #[serde(default = "default_connect_timeout")]
    pub connect_timeout: Period,
}

impl MariadbConfig {
    /// The servers' names and ports, in order; none where there is a socket.
    pub(super) fn servers(&self) -> Vec<(String, u16)> {
        let of_cluster = self.hosts.iter().map(|host| (host.host.clone(), host.port.unwrap_or(self.port)));
        self.host.iter().map(|host| (host.clone(), self.port)).chain(of_cluster).collect()
    }
}

impl Section for Config {
    fn faults(&self) -> Vec<SettingFault> {
        let (table, faults) = match self {
            Self::Sqlite(config) => ("sqlite", config.faults()),
            Self::Mariadb(config) => ("mariadb", config.faults()),
        };
        faults.into_iter().map(|fault| fault.under(table)).collect()
    }
}

impl Section for SqliteConfig {
    fn faults(&self) -> Vec<SettingFault> {
        too_long("busy_timeout", self.busy_timeout).into_iter().collect()
    }
}

impl Section for MariadbConfig {
    fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        let places = [self.socket.is_some(), self.host.is_some(), !self.hosts.is_empty()];
        if places.into_iter().filter(|is_set| *is_set).count() != 1 {
            let advice = "set socket to the path of the server's socket, host to its name or address, or hosts to those of a cluster";
            faults.push(SettingFault::at(
                &[],
                "one of `socket`, `host` and `hosts` must be set, and only one",
                advice,
            ));
        }
        for (key, period) in [("timeout", self.timeout), ("connect_timeout", self.connect_timeout)] {
            faults.extend(too_long(key, period));
            if period.get().is_zero() {
                faults.push(SettingFault::new(
                    key,
                    format!("`{key}` must be more than 0"),
                    "2s is a good value",
                ));
            }
        }
        faults
    }
}

fn too_long(key: &str, period: Period) -> Option<SettingFault> {
    (period.get() > LONGEST_WAIT)
        .then(|| SettingFault::new(key, format!("`{key}` must be at most `1m`"), "1s or 2s is a good value"))
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(config) => write!(f, "SQLite in {}", config.path.display()),
            Self::Mariadb(MariadbConfig { socket: Some(socket), database, .. }) => {
                write!(f, "MariaDB database `{database}` on {}", socket.display())
            }
            Self::Mariadb(config) => {
                let servers = config.servers().into_iter().map(|(host, port)| format!("{host}:{port}"));
                let servers: Vec<String> = servers.collect();
                write!(f, "MariaDB database `{}` on {}", config.database, servers.join(", "))
            }
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::Sqlite(SqliteConfig::default())
    }
}

impl Default for SqliteConfig {
    fn default() -> Self {
        Self { path: PathBuf::from(DEFAULT_PATH), busy_timeout: DEFAULT_BUSY_TIMEOUT }
    }
}

fn default_port() -> u16 {
    DEFAULT_PORT
}

fn default_max_connections() -> NonZeroUsize {
    DEFAULT_MAX_CONNECTIONS
}

fn default_timeout() -> Period {
    DEFAULT_TIMEOUT
}

fn default_connect_timeout() -> Period {
    DEFAULT_CONNECT_TIMEOUT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct File {
        storage: Config,
    }

    fn read(text: &str) -> Result<Config, String> {
        let config = toml::from_str::<File>(text).map_err(|e| e.to_string())?.storage;
        match config.faults().into_iter().next() {
            Some(fault) => Err(fault.sentence),
            None => Ok(config),
        }
    }

    #[test]
    fn an_empty_sqlite_table_is_the_default() {
        let Ok(Config::Sqlite(config)) = read("[storage.sqlite]") else { panic!("not SQLite") };
        assert_eq!(config.path, PathBuf::from(DEFAULT_PATH));
        assert_eq!(config.busy_timeout.get(), Duration::from_secs(1));
    }

    #[test]
    fn a_mariadb_table_needs_a_place_a_user_and_a_database() {
        let text = "[storage.mariadb]\nsocket = '/run/mysqld/mysqld.sock'\nuser = 'u'\ndatabase = 'd'";
        let Ok(Config::Mariadb(config)) = read(text) else { panic!("not MariaDB") };
        assert_eq!((config.port, config.max_connections.get()), (3306, 8));
        assert_eq!(config.timeout.get(), Duration::from_secs(2));
        for broken in [
            "[storage.mariadb]\nuser = 'u'\ndatabase = 'd'",
            "[storage.mariadb]\nsocket = '/s'\nhost = 'h'\nuser = 'u'\ndatabase = 'd'",
            "[storage.mariadb]\nhosts = ['h']\nhost = 'h'\nuser = 'u'\ndatabase = 'd'",
            "[storage.mariadb]\nhosts = []\nuser = 'u'\ndatabase = 'd'",
            "[storage.mariadb]\nsocket = '/s'\nuser = 'u'",
            "[storage.mariadb]\nsocket = '/s'\ndatabase = 'd'",
            "[storage.mariadb]\nsocket = '/s'\nuser = 'u'\ndatabase = 'd'\nmax_connections = 0",
            "[storage.mariadb]\nsocket = '/s'\nuser = 'u'\ndatabase = 'd'\ntimeout = '0'",
            "[storage.mariadb]\nsocket = '/s'\nuser = 'u'\ndatabase = 'd'\ntimeout = '2m'",
            "[storage.mariadb]\nsocket = '/s'\nuser = 'u'\ndatabase = 'd'\npassword = 'p'",
        ] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn servers_of_a_cluster_are_tried_in_their_order() {
        let text = "[storage.mariadb]\nhosts = ['db1', 'db2:3307', '[2001:db8::1]:3308', '2001:db8::2']\nport = 3309\n\
                    user = 'u'\ndatabase = 'd'";
        let Ok(Config::Mariadb(config)) = read(text) else { panic!("not MariaDB") };
        let servers = [("db1", 3309), ("db2", 3307), ("2001:db8::1", 3308), ("2001:db8::2", 3309)];
        assert_eq!(config.servers(), servers.map(|(host, port)| (host.to_owned(), port)));
        for broken in ["", "db1:", "db1:0", "db1:65536", "db1:x", "[::1", "[::1]3306", "a b", "mysql://db1"] {
            assert!(HostPort::try_from(broken.to_owned()).is_err(), "{broken}");
        }
    }

    #[test]
    fn two_databases_at_once_and_unknown_keys_are_errors() {
        for broken in [
            "[storage.sqlite]\n[storage.mariadb]\nsocket = '/s'\nuser = 'u'\ndatabase = 'd'",
            "[storage.postgres]",
            "[storage.sqlite]\nfile = '/x'",
            "[storage.sqlite]\nbusy_timeout = '2h'",
        ] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }
}
