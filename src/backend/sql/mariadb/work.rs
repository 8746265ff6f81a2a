//! Works on a server: a transaction, repeated where another process was in the way, and keydove's own tables.

use std::sync::atomic::{AtomicBool, Ordering};

use mysql_async::prelude::Queryable;
use mysql_async::{Error as DriverError, Params, Value};
use tokio::time::timeout;

use super::{Lease, Mariadb, is_lost};
use crate::backend::sql::session::{Cell, Dialect, Fault, Kind, Parameter, Row, Session, Work};
use crate::backend::sql::{Error, counted};

/// How often a work is tried in all, within the time for one question.
const TRIES: usize = 4;
/// Duplicate key; deadlock; a row changed since our transaction began.
const ANOTHER_WAS_QUICKER: [u16; 3] = [1062, 1213, 1020];

const OWN_TABLES: &str = include_str!("../migrations/mariadb/keydove_tables.sql");
/// First those that logins write, then all.
const COUNT_OWN_TABLES: &str = "\
SELECT COUNT(CASE WHEN table_name IN ('keydove_person', 'keydove_app_password') THEN 1 END), COUNT(*) \
  FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name IN \
  ('keydove_person', 'keydove_app_password', 'keydove_lease', 'keydove_sync', 'keydove_mark')";
const LOGINS_TABLES_COUNT: i64 = 2;
const OWN_TABLES_COUNT: i64 = 5;

/// What is known about keydove's own tables on the server.
#[derive(Default)]
pub(super) struct OwnTables {
    /// Those that logins write were seen.
    seen: AtomicBool,
    /// All were seen.
    complete: AtomicBool,
    /// The server let us not create them; an administrator may.
    not_ours_to_create: AtomicBool,
}

impl Mariadb {
    /// Runs statements that belong together; all or none of them take effect.
    ///
    /// Repeated on a duplicate key, a deadlock and a broken connection: another process may have been quicker, and
    /// then the next try sees its rows. A commit whose answer is lost is repeated only where the work says that it
    /// may be.
    pub(in crate::backend::sql) async fn run<W: Work>(&self, work: W) -> Result<W::Output, Error> {
        let may_be_written = AtomicBool::new(false);
        let tries = async {
            let mut left = TRIES;
            loop {
                match self.run_once(&work, &may_be_written).await {
                    Err(Fault::Again(_)) if left > 1 => left -= 1,
                    Err(Fault::Lost(_)) if left > 1 && W::KIND.runs_again() => left -= 1,
                    end => return end.map_err(Fault::into_error),
                }
            }
        };
        let in_time =
            async { timeout(self.timeout, tries).await.unwrap_or_else(|_| Err(self.too_late(W::ATTEMPT))) };
        let end = counted(&self.questions, in_time).await;
        match end {
            // Of this try, or of one before.
            Err(error) if may_be_written.load(Ordering::Relaxed) => Err(Error::Uncertain {
                attempt: W::ATTEMPT,
                database: self.name.clone(),
                reason: error.reason(),
                detail: match error {
                    Error::Unreachable { detail, .. } => detail,
                    Error::Timeout { detail, limit, .. } => format!("{detail} within {limit:?}"),
                    error => error.to_string(),
                },
            }),
            end => end,
        }
    }

    async fn run_once<W: Work>(&self, work: &W, may_be_written: &AtomicBool) -> Result<W::Output, Fault> {
        let lease = self.lease(W::ATTEMPT).await?;
        let mut session = MariadbSession {
            server: self,
            lease,
            attempt: W::ATTEMPT,
            follows_lost_commit: may_be_written.load(Ordering::Relaxed),
        };
        self.find_own_tables(&mut session).await?;
        // On every early return the connection is thrown away, and the server rolls back.
        if W::KIND.writes() {
            session.command("START TRANSACTION").await?;
        }
        let output = work.run(&mut session).await?;
        match W::KIND {
            Kind::Reads => {}
            Kind::Writes(_) => session.commit(may_be_written).await?,
            Kind::TriesOut => session.command("ROLLBACK").await?,
        }
        session.lease.give_back();
        Ok(output)
    }

    /// Makes keydove's own tables where they are missing and the server lets us. Without them mailboxes are made
    /// all the same; only what is remembered in them is not.
    async fn find_own_tables(&self, session: &mut MariadbSession<'_>) -> Result<(), Fault> {
        let own = &self.own_tables;
        let may_not_create = own.not_ours_to_create.load(Ordering::Relaxed);
        if own.complete.load(Ordering::Relaxed) || own.seen.load(Ordering::Relaxed) && may_not_create {
            return Ok(());
        }
        session.look_for_own_tables().await?;
        if own.complete.load(Ordering::Relaxed) || may_not_create {
            return Ok(());
        }
        for statement in create_own_tables() {
            match session.lease.connection().query_drop(statement).await {
                Ok(()) => {}
                Err(error) if is_lost(&error) => return Err(session.fault(error)),
                Err(_) => own.not_ours_to_create.store(true, Ordering::Relaxed),
            }
        }
        session.look_for_own_tables().await
    }
}

/// The file's statements; nothing but their ends is a semicolon there.
fn create_own_tables() -> impl Iterator<Item = &'static str> {
    OWN_TABLES.split_inclusive(';').filter(|text| !text.trim().is_empty())
}

struct MariadbSession<'a> {
    server: &'a Mariadb,
    lease: Lease,
    attempt: &'static str,
    follows_lost_commit: bool,
}

impl MariadbSession<'_> {
    async fn command(&mut self, command: &'static str) -> Result<(), Fault> {
        let done = self.lease.connection().query_drop(command).await;
        done.map_err(|error| self.fault(error))
    }

    /// `may_be_written` is true from the moment at which the server may begin to commit until it has said how that
    /// ended; whoever drops this in between leaves it true.
    async fn commit(&mut self, may_be_written: &AtomicBool) -> Result<(), Fault> {
        let before = may_be_written.swap(true, Ordering::Relaxed);
        let done = self.lease.connection().query_drop("COMMIT").await;
        match done {
            Ok(()) => {
                may_be_written.store(false, Ordering::Relaxed);
                Ok(())
            }
            // The server's own word that it has rolled back.
            Err(DriverError::Server(error)) if ANOTHER_WAS_QUICKER.contains(&error.code) => {
                may_be_written.store(before, Ordering::Relaxed);
                Err(self.fault(DriverError::Server(error)))
            }
            Err(error) => Err(Fault::Lost(self.server.explain(self.attempt, error))),
        }
    }

    async fn look_for_own_tables(&mut self) -> Result<(), Fault> {
        let rows = self.query(COUNT_OWN_TABLES, Vec::new()).await?;
        let own = &self.server.own_tables;
        if let Some([Cell::Integer(of_logins), Cell::Integer(all)]) = rows.first().map(|row| &row.0[..]) {
            own.seen.store(*of_logins == LOGINS_TABLES_COUNT, Ordering::Relaxed);
            own.complete.store(*all == OWN_TABLES_COUNT, Ordering::Relaxed);
        }
        Ok(())
    }

    fn fault(&self, error: DriverError) -> Fault {
        let again = match &error {
            DriverError::Server(error) => ANOTHER_WAS_QUICKER.contains(&error.code),
            _ => false,
        };
        let again = again || is_lost(&error);
        let error = self.server.explain(self.attempt, error);
        if again { Fault::Again(error) } else { Fault::Final(error) }
    }
}

impl Session for MariadbSession<'_> {
    const DIALECT: Dialect = Dialect::Mariadb;

    fn has_marks(&self) -> bool {
        self.server.own_tables.complete.load(Ordering::Relaxed)
    }

    fn has_own_tables(&self) -> bool {
        self.server.own_tables.seen.load(Ordering::Relaxed)
    }

    fn follows_lost_commit(&self) -> bool {
        self.follows_lost_commit
    }

    async fn query(&mut self, statement: &str, parameters: Vec<Parameter>) -> Result<Vec<Row>, Fault> {
        let parameters = match parameters.is_empty() {
            true => Params::Empty,
            false => Params::Positional(parameters.into_iter().map(Value::from).collect()),
        };
        let rows: Result<Vec<mysql_async::Row>, _> =
            self.lease.connection().exec(statement, parameters).await;
        let rows = rows.map_err(|error| self.fault(error))?;
        Ok(rows.into_iter().map(|row| Row(row.unwrap_raw().into_iter().map(cell).collect())).collect())
    }
}

impl From<Parameter> for Value {
    fn from(parameter: Parameter) -> Self {
        match parameter {
            Parameter::Null => Self::NULL,
            Parameter::Integer(number) => Self::Int(number),
            Parameter::Text(text) => Self::Bytes(text.into_bytes()),
        }
    }
}

fn cell(value: Option<Value>) -> Cell {
    match value {
        Some(Value::NULL) => Cell::Null,
        Some(Value::Int(number)) => Cell::Integer(number),
        Some(Value::UInt(number)) => i64::try_from(number).map_or(Cell::Odd, Cell::Integer),
        Some(Value::Bytes(bytes)) => Cell::Bytes(bytes),
        _ => Cell::Odd,
    }
}

#[cfg(test)]
mod tests {
    use super::create_own_tables;

    #[test]
    fn each_own_table_is_one_statement_of_the_file() {
        let code = |text: &str| text.lines().filter(|line| !line.starts_with("--")).collect::<String>();
        let statements: Vec<String> = create_own_tables().map(code).collect();
        let tables =
            ["keydove_person", "keydove_app_password", "keydove_lease", "keydove_sync", "keydove_mark"];
        assert_eq!(statements.len(), tables.len());
        for (statement, table) in statements.iter().zip(tables) {
            assert!(statement.starts_with(&format!("CREATE TABLE IF NOT EXISTS {table} (")), "{statement}");
        }
    }
}
