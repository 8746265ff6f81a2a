//! Works on a server: a transaction, and another try where that may help.

use std::sync::atomic::{AtomicBool, Ordering};

use mysql_async::prelude::Queryable;
use mysql_async::{Error as DriverError, Params, Value};
use tokio::time::{sleep, timeout};

use super::{Lease, Mariadb, trouble_of};
use crate::backend::sql::changes;
use crate::backend::sql::error::Error;
use crate::backend::sql::own_tables::TableSet;
use crate::backend::sql::retry::{Fault, Trouble};
use crate::backend::sql::row::{Cell, Parameter, Row};
use crate::backend::sql::session::{Asker, Dialect, Kind, Session, Work};

impl Mariadb {
    /// Runs statements that belong together; all or none of them take effect.
    ///
    /// Tried again as [`Trouble`] says: another process may have been quicker, and then the next try sees its rows. A
    /// commit whose answer is lost is repeated only where the work says that it may be.
    pub(in crate::backend::sql) async fn run<W: Work>(
        &self,
        work: W,
        asker: Asker,
    ) -> Result<W::Output, Error> {
        let may_be_written = AtomicBool::new(false);
        let tries = async {
            let mut tried = 0;
            loop {
                let fault = match self.run_once(&work, asker, &may_be_written).await {
                    Ok(output) => return Ok(output),
                    Err(fault) => fault,
                };
                tried += 1;
                let Some(pause) = fault.trouble.pause_before_next(tried, W::KIND.runs_again()) else {
                    return Err(fault.error);
                };
                sleep(pause).await;
            }
        };
        let end = timeout(self.timeout, tries).await.unwrap_or_else(|_| {
            // A server that hangs is found by the next new connection, which goes to another.
            if self.pool.has_others() {
                self.pool.clear();
            }
            Err(self.too_late(W::ATTEMPT))
        });
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

    async fn run_once<W: Work>(
        &self,
        work: &W,
        asker: Asker,
        may_be_written: &AtomicBool,
    ) -> Result<W::Output, Fault> {
        let lease = self.lease(asker, W::ATTEMPT).await?;
        let mut session = MariadbSession {
            server: self,
            lease,
            attempt: W::ATTEMPT,
            follows_lost_commit: may_be_written.load(Ordering::Relaxed),
        };
        let end = session.work_through(work, may_be_written).await;
        match &end {
            // Whoever only read leaves nothing behind.
            Err(Fault { trouble: Trouble::ConnectionLost | Trouble::CommitLost, .. }) => self.pool.clear(),
            Err(_) if W::KIND.writes() => {}
            Ok(_) | Err(_) => session.lease.give_back(),
        }
        end
    }
}

struct MariadbSession<'a> {
    server: &'a Mariadb,
    lease: Lease<'a>,
    attempt: &'static str,
    follows_lost_commit: bool,
}

impl MariadbSession<'_> {
    /// On every early return of a work that writes the connection is thrown away, and the server rolls back.
    async fn work_through<W: Work>(
        &mut self,
        work: &W,
        may_be_written: &AtomicBool,
    ) -> Result<W::Output, Fault> {
        let mut needed = work.needs().and(TableSet::Logins);
        if W::OUTDATES {
            needed = needed.and(TableSet::Changes);
        }
        for set in TableSet::ALL.into_iter().filter(|set| needed.has(*set)) {
            self.server.own(set).find(self, W::KIND).await?;
        }
        match W::KIND {
            Kind::Reads => work.run(self).await,
            Kind::WritesOnce(_) => {
                let before = may_be_written.swap(true, Ordering::Relaxed);
                let end = work.run(self).await;
                Self::settle(end, may_be_written, before)
            }
            Kind::Writes(_) => {
                self.command("START TRANSACTION").await?;
                let output = work.run(self).await?;
                changes::note_of(self, work, &output).await?;
                let before = may_be_written.swap(true, Ordering::Relaxed);
                let end = match self.lease.connection().query_drop("COMMIT").await {
                    // Anything but the server's own word that it has rolled back may mean that it has not.
                    Err(error) if trouble_of(&error) != Trouble::Overtaken => {
                        let error = self.explain(error).error;
                        Err(Fault { trouble: Trouble::CommitLost, error })
                    }
                    end => end.map_err(|error| self.explain(error)),
                };
                Self::settle(end, may_be_written, before).map(|()| output)
            }
            Kind::TriesOut => {
                self.command("START TRANSACTION").await?;
                let output = work.run(self).await?;
                self.command("ROLLBACK").await.map(|()| output)
            }
        }
    }

    /// `may_be_written` is true from the moment at which the server may begin to commit until it has said how that
    /// ended; whoever is dropped in between leaves it true.
    fn settle<T>(end: Result<T, Fault>, may_be_written: &AtomicBool, before: bool) -> Result<T, Fault> {
        match end {
            Ok(output) => {
                may_be_written.store(false, Ordering::Relaxed);
                Ok(output)
            }
            Err(Fault { trouble: Trouble::ConnectionLost | Trouble::CommitLost, error }) => {
                Err(Fault { trouble: Trouble::CommitLost, error })
            }
            // The server's own word that it has not written.
            Err(fault) => {
                may_be_written.store(before, Ordering::Relaxed);
                Err(fault)
            }
        }
    }

    fn explain(&self, error: DriverError) -> Fault {
        self.server.explain(self.attempt, error)
    }
}

impl Session for MariadbSession<'_> {
    const DIALECT: Dialect = Dialect::Mariadb;

    fn has_own_tables(&self) -> bool {
        self.server.own(TableSet::Logins).are_seen()
    }

    fn has(&self, set: TableSet) -> bool {
        self.server.own(set).are_complete()
    }

    fn follows_lost_commit(&self) -> bool {
        self.follows_lost_commit
    }

    async fn command(&mut self, command: &'static str) -> Result<(), Fault> {
        let done = self.lease.connection().query_drop(command).await;
        done.map_err(|error| self.explain(error))
    }

    async fn query(&mut self, statement: &str, parameters: Vec<Parameter>) -> Result<Vec<Row>, Fault> {
        let parameters = match parameters.is_empty() {
            true => Params::Empty,
            false => Params::Positional(parameters.into_iter().map(Value::from).collect()),
        };
        let rows: Result<Vec<mysql_async::Row>, _> =
            self.lease.connection().exec(statement, parameters).await;
        let rows = rows.map_err(|error| self.explain(error))?;
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
