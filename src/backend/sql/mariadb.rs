//! A MariaDB or MySQL server, through a pool of connections that are opened when they are needed.
//!
//! The tables are mailcow's, or those of `migrations/mariadb/0001_mailboxes.sql`, which an administrator loads.
//! Nothing here alters a table, and none is created but keydove's own, whose names begin with `keydove_`.

mod own_tables;
mod pool;
mod servers;
mod work;

use std::time::Duration;

use mysql_async::{Error as DriverError, Opts, OptsBuilder, ServerError};
use tokio::time::timeout;

use super::config::MariadbConfig;
use super::error::Error;
use super::own_tables::TableSet;
use super::retry::{Fault, Trouble};
use super::session::Asker;
use crate::auth::Secret;
use own_tables::OwnTables;
use pool::{ConnectionPool, Lease, NoConnection};
pub use servers::{Server, ServerState};

/// A server and the connections to it.
pub(super) struct Mariadb {
    name: String,
    pool: ConnectionPool,
    timeout: Duration,
    connect_timeout: Duration,
    own_tables: [OwnTables; TableSet::ALL.len()],
}

impl Mariadb {
    /// Prepares connections; none is opened yet.
    ///
    /// # Errors
    /// [`Error::Settings`]: the password or the socket's path is not UTF-8.
    pub(super) fn new(config: &MariadbConfig, password: Option<Secret>) -> Result<Self, Error> {
        let (name, servers) = connection_options(config, password)?;
        let connect_timeout = config.connect_timeout.get();
        Ok(Self {
            name,
            pool: ConnectionPool::new(servers, config.max_connections.get(), connect_timeout),
            timeout: config.timeout.get(),
            connect_timeout,
            own_tables: TableSet::ALL.map(|set| OwnTables::new(set.tables())),
        })
    }

    pub(super) async fn close(self) {
        // What does not close in time, the server closes itself.
        let _ = timeout(self.timeout, self.pool.disconnect()).await;
    }

    fn own(&self, set: TableSet) -> &OwnTables {
        &self.own_tables[set as usize]
    }

    async fn lease(&self, asker: Asker, attempt: &'static str) -> Result<Lease<'_>, Fault> {
        self.pool.lease(asker).await.map_err(|why| {
            let database = self.name.clone();
            let error = match why {
                NoConnection::TooLate => {
                    Error::Timeout { attempt, database, detail: "no connection", limit: self.connect_timeout }
                }
                NoConnection::Refused(error) => Error::Unreachable { database, detail: error.to_string() },
            };
            Fault { trouble: Trouble::NoConnection, error }
        })
    }

    fn explain(&self, attempt: &'static str, error: DriverError) -> Fault {
        let (trouble, database) = (trouble_of(&error), self.name.clone());
        let error = match (trouble, error) {
            (Trouble::NoLock, _) => {
                Error::Timeout { attempt, database, detail: "no lock", limit: self.timeout }
            }
            (Trouble::DoesNotFit, DriverError::Server(ServerError { message, .. })) => {
                Error::Schema { database, detail: message }
            }
            (Trouble::ConnectionLost, error) => Error::Unreachable { database, detail: error.to_string() },
            (_, error) => Error::Refused { attempt, database, detail: error.to_string() },
        };
        Fault { trouble, error }
    }

    fn too_late(&self, attempt: &'static str) -> Error {
        Error::Timeout { attempt, database: self.name.clone(), detail: "no answer", limit: self.timeout }
    }
}

fn trouble_of(error: &DriverError) -> Trouble {
    match error {
        DriverError::Server(error) => Trouble::of_server(error.code),
        DriverError::Driver(_) | DriverError::Io(_) | DriverError::Other(_) => Trouble::ConnectionLost,
        DriverError::Url(_) => Trouble::Refused,
    }
}

/// Each server's, in order.
fn connection_options(
    config: &MariadbConfig,
    password: Option<Secret>,
) -> Result<(String, Vec<Opts>), Error> {
    let password = password
        .map(|password| String::from_utf8(password.expose().to_vec()))
        .transpose()
        .map_err(|_| Error::Settings("the database password is not UTF-8".to_owned()))?;
    // A question that we gave up must not wait on in the server.
    let lock_wait = config.timeout.get().as_secs().max(1);
    let builder = OptsBuilder::default()
        .user(Some(&config.user))
        .pass(password)
        .db_name(Some(&config.database))
        .prefer_socket(false)
        // A process that is stopped within a transaction must not keep its locks. MySQL has no such variable.
        .setup(vec![format!(
            "SET SESSION lock_wait_timeout = {lock_wait}, innodb_lock_wait_timeout = {lock_wait} \
             /*M!100300 , idle_transaction_timeout = {lock_wait} */"
        )]);
    let mut places = Vec::new();
    let mut servers = Vec::new();
    if let Some(socket) = &config.socket {
        let path = socket.to_str().ok_or_else(|| {
            Error::Settings(format!("the path of `socket` is not UTF-8: {}", socket.display()))
        })?;
        places.push(path.to_owned());
        servers.push(Opts::from(builder.clone().socket(Some(path))));
    }
    for (host, port) in config.servers() {
        places.push(format!("{host}:{port}"));
        servers.push(Opts::from(builder.clone().ip_or_hostname(host).tcp_port(port)));
    }
    Ok((format!("MariaDB database {} at {}", config.database, places.join(", ")), servers))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::auth::{TempFailReason, Username};
    use crate::backend::sql::{Config, open};
    use crate::settings::Period;

    fn nowhere() -> MariadbConfig {
        MariadbConfig {
            socket: Some("/nonexistent/mysqld.sock".into()),
            host: None,
            hosts: Vec::new(),
            port: 3306,
            user: "keydove".to_owned(),
            password_file: None,
            password_credential: None,
            database: "mailcow".to_owned(),
            max_connections: NonZeroUsize::MIN,
            timeout: Period::from_millis(500),
            connect_timeout: Period::from_millis(200),
        }
    }

    #[tokio::test]
    async fn a_server_that_is_down_is_unreachable_and_no_more() {
        let config = Config::Mariadb(nowhere());
        let database = open(&config, Some(Secret::from("hunter2"))).await.unwrap();
        let user = Username::parse(b"alice@example.org").unwrap();
        for _ in 0..3 {
            let Err(error) = database.find_mailbox(&user).await else { panic!("it answered") };
            assert_eq!(error.temp_fail().reason, TempFailReason::SqlUnreachable);
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_server_that_does_not_greet_is_a_timeout() {
        let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut config = nowhere();
        config.socket = None;
        config.host = Some("127.0.0.1".to_owned());
        config.port = mute.local_addr().unwrap().port();
        let database = open(&Config::Mariadb(config), None).await.unwrap();
        let Err(error) = database.check().await else { panic!("it answered") };
        assert_eq!(error.temp_fail().reason, TempFailReason::SqlTimeout);
        assert!(error.to_string().ends_with("no connection within 200ms"), "{error}");
    }
}
