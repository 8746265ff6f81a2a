//! A MariaDB or MySQL server, through a pool of connections that are opened when they are needed.
//!
//! The tables are mailcow's, or those of `migrations/mariadb/0001_mailboxes.sql`, which an administrator loads.
//! Nothing here alters a table, and none is created but keydove's own, whose names begin with `keydove_`.

mod work;

use std::time::Duration;

use futures_util::FutureExt;
use mysql_async::prelude::Queryable;
use mysql_async::{
    Conn, Error as DriverError, Opts, OptsBuilder, Params, Pool, PoolConstraints, PoolOpts, Row, ServerError,
    Value,
};
use tokio::time::timeout;

use super::rows::{Cells, Found, Listed};
use super::statements::{FIND_MAILBOX, LIST_MAILBOXES_MARIADB, find_mailbox_parameters};
use super::{Error, MariadbConfig, counted};
use crate::auth::{Secret, Username};
use crate::observe::metrics::Calls;
use work::OwnTables;

/// Connections that nobody used for so long are closed; idle ones may sit behind a firewall that forgets them.
const IDLE_LIMIT: Duration = Duration::from_secs(300);

/// A server and the connections to it.
pub struct Mariadb {
    name: String,
    options: Opts,
    pool: Pool,
    timeout: Duration,
    connect_timeout: Duration,
    own_tables: OwnTables,
    questions: Calls,
}

impl Mariadb {
    /// Prepares connections; none is opened yet.
    ///
    /// # Errors
    /// [`Error::Settings`]: the password or the socket's path is not UTF-8.
    pub fn new(config: &MariadbConfig, password: Option<Secret>) -> Result<Self, Error> {
        let (name, options) = connection_options(config, password)?;
        Ok(Self {
            name,
            pool: Pool::new(options.clone()),
            options,
            timeout: config.timeout.get(),
            connect_timeout: config.connect_timeout.get(),
            own_tables: OwnTables::default(),
            questions: Calls::default(),
        })
    }

    pub(super) async fn check(&self) -> Result<(), Error> {
        // Executed, not only prepared: a statement that this connection prepared before would not be prepared again.
        let attempt = "checking the tables";
        let names = vec![Value::from(""); 6];
        self.ask(attempt, FIND_MAILBOX, Params::Positional(names)).await?;
        self.ask(attempt, LIST_MAILBOXES_MARIADB, ("", 1).into()).await.map(drop)
    }

    pub(super) async fn find_mailbox(&self, user: &Username) -> Result<Vec<Found>, Error> {
        let names = find_mailbox_parameters(user).map(Value::from).to_vec();
        let rows = self.ask("looking a mailbox up", FIND_MAILBOX, Params::Positional(names)).await?;
        rows.into_iter().map(|row| Found::read(&mut MariadbCells(row), user.as_str())).collect()
    }

    pub(super) async fn list_mailboxes(&self, after: &str, limit: usize) -> Result<Vec<Listed>, Error> {
        let parameters = (after, limit as u64).into();
        let rows = self.ask("listing mailboxes", LIST_MAILBOXES_MARIADB, parameters).await?;
        rows.into_iter().map(|row| Listed::read(&mut MariadbCells(row), after)).collect()
    }

    pub(super) fn questions(&self) -> &Calls {
        &self.questions
    }

    pub(super) async fn close(self) {
        // What does not close in time, the server closes itself.
        let _ = timeout(self.timeout, self.pool.disconnect()).await;
    }

    async fn ask(
        &self,
        attempt: &'static str,
        statement: &'static str,
        parameters: Params,
    ) -> Result<Vec<Row>, Error> {
        let asked = self.ask_twice(attempt, statement, parameters);
        let in_time =
            async { timeout(self.timeout, asked).await.unwrap_or_else(|_| Err(self.too_late(attempt))) };
        counted(&self.questions, in_time).await
    }

    /// Asks on a pooled connection and, if that one turns out to be dead, once more on a new one.
    ///
    /// The pool may hold more dead connections after a server's restart, hence the second try is not from it.
    async fn ask_twice(
        &self,
        attempt: &'static str,
        statement: &'static str,
        parameters: Params,
    ) -> Result<Vec<Row>, Error> {
        let mut lease = self.lease(attempt).await?;
        match lease.connection().exec(statement, parameters.clone()).await {
            Ok(rows) => {
                lease.give_back();
                return Ok(rows);
            }
            Err(error) if is_lost(&error) => drop(lease),
            Err(error) => {
                lease.give_back();
                return Err(self.explain(attempt, error));
            }
        }
        let connected = timeout(self.connect_timeout, Conn::new(self.options.clone())).await;
        let connection = connected.map_err(|_| self.no_connection(attempt))?;
        let mut lease = Lease(Some(connection.map_err(|error| self.unreachable(&error))?));
        let rows = lease.connection().exec(statement, parameters).await;
        rows.map_err(|error| self.explain(attempt, error))
    }

    async fn lease(&self, attempt: &'static str) -> Result<Lease, Error> {
        let connected = timeout(self.connect_timeout, self.pool.get_conn()).await;
        let connection = connected.map_err(|_| self.no_connection(attempt))?;
        Ok(Lease(Some(connection.map_err(|error| self.unreachable(&error))?)))
    }

    fn explain(&self, attempt: &'static str, error: DriverError) -> Error {
        let database = self.name.clone();
        match error {
            DriverError::Server(ServerError { code, .. }) if GAVE_UP_WAITING.contains(&code) => {
                Error::Timeout { attempt, database, detail: "no lock", limit: self.timeout }
            }
            DriverError::Server(ServerError { code, message, .. }) if DOES_NOT_FIT.contains(&code) => {
                Error::Schema { database, detail: message }
            }
            error if is_lost(&error) => self.unreachable(&error),
            error => Error::Refused { attempt, database, detail: error.to_string() },
        }
    }

    fn unreachable(&self, error: &DriverError) -> Error {
        Error::Unreachable { database: self.name.clone(), detail: error.to_string() }
    }

    fn no_connection(&self, attempt: &'static str) -> Error {
        let database = self.name.clone();
        Error::Timeout { attempt, database, detail: "no connection", limit: self.connect_timeout }
    }

    fn too_late(&self, attempt: &'static str) -> Error {
        Error::Timeout { attempt, database: self.name.clone(), detail: "no answer", limit: self.timeout }
    }
}

/// Lock wait timeout; statement time exceeded in MariaDB and in MySQL.
const GAVE_UP_WAITING: [u16; 3] = [1205, 1969, 3024];
/// No such column; no such table; no right to a table, to a column, to the database.
const DOES_NOT_FIT: [u16; 5] = [1054, 1146, 1142, 1143, 1044];
/// Killed; server shutting down; statement interrupted by either; dropped for idling (MySQL).
const LOST: [u16; 4] = [1927, 1053, 1317, 4031];

/// Whether the connection is at fault, so that another may have the answer.
fn is_lost(error: &DriverError) -> bool {
    match error {
        DriverError::Server(error) => LOST.contains(&error.code),
        DriverError::Driver(_) | DriverError::Io(_) | DriverError::Other(_) => true,
        DriverError::Url(_) => false,
    }
}

fn connection_options(config: &MariadbConfig, password: Option<Secret>) -> Result<(String, Opts), Error> {
    let password = password
        .map(|password| String::from_utf8(password.expose().to_vec()))
        .transpose()
        .map_err(|_| Error::Settings("the database password is not UTF-8".to_owned()))?;
    let max = config.max_connections.get();
    let pool = PoolOpts::default()
        .with_constraints(PoolConstraints::new(1, max).unwrap_or_default())
        .with_inactive_connection_ttl(IDLE_LIMIT)
        // A reset between questions forgets the prepared statements: two more round trips for each question.
        .with_reset_connection(false);
    // A question that we gave up must not wait on in the server.
    let lock_wait = config.timeout.get().as_secs().max(1);
    let builder = OptsBuilder::default()
        .user(Some(&config.user))
        .pass(password)
        .db_name(Some(&config.database))
        .prefer_socket(false)
        .setup(vec![format!(
            "SET SESSION lock_wait_timeout = {lock_wait}, innodb_lock_wait_timeout = {lock_wait}"
        )])
        .pool_opts(pool);
    let (place, builder) = match (&config.socket, &config.host) {
        (Some(socket), _) => {
            let path = socket.to_str().ok_or_else(|| {
                Error::Settings(format!("the path of `socket` is not UTF-8: {}", socket.display()))
            })?;
            (path.to_owned(), builder.socket(Some(path)))
        }
        (None, host) => {
            let host = host.as_deref().unwrap_or("localhost");
            let place = format!("{host}:{}", config.port);
            (place, builder.ip_or_hostname(host).tcp_port(config.port))
        }
    };
    Ok((format!("MariaDB database {} at {place}", config.database), Opts::from(builder)))
}

/// A connection that goes back to the pool only when it is known to be idle.
///
/// Dropped in the middle of a question, it is thrown away: the late answer to one question must not be read as
/// the answer to the next. The driver guards against that too, but it may wait for the late answer meanwhile.
struct Lease(Option<Conn>);

impl Lease {
    fn connection(&mut self) -> &mut Conn {
        self.0.as_mut().expect("only `give_back` and `drop` take it, and both end the lease")
    }

    fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            // Polled once, it marks the connection as closed, and the pool forgets it; the farewell is optional.
            let _ = connection.disconnect().now_or_never();
        }
    }
}

struct MariadbCells(Row);

impl Cells for MariadbCells {
    fn integer(&mut self, column: usize) -> Result<Option<i64>, String> {
        let not_a_number = || "a number was expected".to_owned();
        match self.0.take(column) {
            Some(Value::NULL) => Ok(None),
            Some(Value::Int(number)) => Ok(Some(number)),
            Some(Value::UInt(number)) => i64::try_from(number).map(Some).map_err(|_| not_a_number()),
            _ => Err(not_a_number()),
        }
    }

    fn bytes(&mut self, column: usize) -> Result<Option<Vec<u8>>, String> {
        match self.0.take(column) {
            Some(Value::NULL) => Ok(None),
            Some(Value::Bytes(bytes)) => Ok(Some(bytes)),
            _ => Err("a text was expected".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::auth::TempFailReason;
    use crate::settings::Period;

    fn nowhere() -> MariadbConfig {
        MariadbConfig {
            socket: Some("/nonexistent/mysqld.sock".into()),
            host: None,
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
        let database = Mariadb::new(&nowhere(), Some(Secret::from("hunter2"))).unwrap();
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
        let database = Mariadb::new(&config, None).unwrap();
        let Err(error) = database.check().await else { panic!("it answered") };
        assert_eq!(error.temp_fail().reason, TempFailReason::SqlTimeout);
        assert!(error.to_string().ends_with("no connection within 200ms"), "{error}");
    }
}
