//! Works on the embedded file: a transaction, and statements whose answers are ready at once.

use std::future::{Future, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use futures_util::FutureExt;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, ErrorCode, params_from_iter};

use super::{File, Job, NO_ANSWER, Sqlite};
use crate::auth::TempFailReason;
use crate::backend::sql::changes;
use crate::backend::sql::error::Error;
use crate::backend::sql::own_tables::TableSet;
use crate::backend::sql::retry::{Fault, Trouble};
use crate::backend::sql::row::{Cell, Parameter, Row};
use crate::backend::sql::session::{Dialect, Kind, Session, Work};

impl Sqlite {
    /// Runs statements that belong together; all or none of them take effect.
    pub(in crate::backend::sql) async fn run<W: Work>(&self, work: W) -> Result<W::Output, Error> {
        // Whoever is first: the thread begins, or the asker gives up.
        let is_settled = Arc::new(AtomicBool::new(false));
        let begun = Arc::clone(&is_settled);
        let job = |reply| -> Job {
            Box::new(move |file: &File, connection: &mut Connection| {
                if !begun.swap(true, Ordering::SeqCst) {
                    file.answer(reply, || file.run(connection, &work));
                }
            })
        };
        match self.ask(W::ATTEMPT, job).await {
            Err(Error::Timeout { attempt, database, detail: NO_ANSWER, limit })
                if W::KIND.writes() && is_settled.swap(true, Ordering::SeqCst) =>
            {
                let detail = format!("no answer within {limit:?}");
                Err(Error::Uncertain { attempt, database, detail, reason: TempFailReason::SqlTimeout })
            }
            end => end,
        }
    }
}

impl File {
    fn run<W: Work>(&self, connection: &mut Connection, work: &W) -> Result<W::Output, Error> {
        let mut tried = 0;
        loop {
            let fault = match self.run_once(connection, work) {
                Ok(output) => return Ok(output),
                Err(fault) => fault,
            };
            tried += 1;
            let Some(pause) = fault.trouble.pause_before_next(tried, W::KIND.runs_again()) else {
                return Err(fault.error);
            };
            thread::sleep(pause);
        }
    }

    fn run_once<W: Work>(&self, connection: &mut Connection, work: &W) -> Result<W::Output, Fault> {
        let explain = |error| self.explain(W::ATTEMPT, error);
        if !W::KIND.writes() {
            return work_through(self, connection, work);
        }
        if !W::WAITS {
            connection.busy_timeout(Duration::ZERO).map_err(explain)?;
        }
        // At once a writer: no other process can write between our checks and our rows.
        let begun = connection.execute_batch("BEGIN IMMEDIATE").map_err(explain);
        connection.busy_timeout(self.busy_timeout).map_err(explain)?;
        begun.map_err(|mut fault| {
            if let Error::Timeout { limit, .. } = &mut fault.error
                && !W::WAITS
            {
                *limit = Duration::ZERO;
            }
            fault
        })?;
        let end = work_through(self, connection, work)
            .and_then(|output| self.end(connection, (W::KIND, W::ATTEMPT)).map(|()| output));
        if end.is_err() && !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK").map_err(explain)?;
        }
        end
    }

    fn end(&self, connection: &Connection, (kind, attempt): (Kind, &'static str)) -> Result<(), Fault> {
        match kind {
            Kind::TriesOut => {
                connection.execute_batch("ROLLBACK").map_err(|error| self.explain(attempt, error))
            }
            Kind::Reads | Kind::WritesOnce(_) | Kind::Writes(_) => self.commit(connection, attempt),
        }
    }

    fn commit(&self, connection: &Connection, attempt: &'static str) -> Result<(), Fault> {
        connection.execute_batch("COMMIT").map_err(|error| match error.sqlite_error_code() {
            // The rows may be in the journal although the disk did not confirm it. The same disk is not asked again.
            Some(ErrorCode::SystemIoFailure) => {
                let (database, detail) = (self.name.clone(), error.to_string());
                let reason = TempFailReason::SqlError;
                let error = Error::Uncertain { attempt, database, detail, reason };
                Fault { trouble: Trouble::Refused, error }
            }
            _ => self.explain(attempt, error),
        })
    }
}

/// Every step of a work on this connection is ready at once, so there is nothing to wait for.
fn work_through<W: Work>(file: &File, connection: &mut Connection, work: &W) -> Result<W::Output, Fault> {
    let mut session = SqliteSession { file, connection, attempt: W::ATTEMPT };
    let run = async {
        let output = work.run(&mut session).await?;
        changes::note_of(&mut session, work, &output).await?;
        Ok(output)
    };
    run.now_or_never().expect("no step of a SQLite session waits")
}

struct SqliteSession<'a> {
    file: &'a File,
    connection: &'a mut Connection,
    attempt: &'static str,
}

impl SqliteSession<'_> {
    fn query_now(&mut self, statement: &str, parameters: Vec<Parameter>) -> rusqlite::Result<Vec<Row>> {
        let mut statement = self.connection.prepare_cached(statement)?;
        let columns = statement.column_count();
        let parameters = parameters.into_iter().map(|parameter| match parameter {
            Parameter::Null => Value::Null,
            Parameter::Integer(number) => Value::Integer(number),
            Parameter::Text(text) => Value::Text(text),
        });
        let mut rows = statement.query(params_from_iter(parameters))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let cells = (0..columns).map(|column| {
                Ok(match row.get_ref(column)? {
                    ValueRef::Null => Cell::Null,
                    ValueRef::Integer(number) => Cell::Integer(number),
                    ValueRef::Text(bytes) => Cell::Bytes(bytes.to_vec()),
                    ValueRef::Real(_) | ValueRef::Blob(_) => Cell::Odd,
                })
            });
            found.push(Row(cells.collect::<rusqlite::Result<_>>()?));
        }
        Ok(found)
    }
}

impl Session for SqliteSession<'_> {
    const DIALECT: Dialect = Dialect::Sqlite;

    fn has_own_tables(&self) -> bool {
        true
    }

    fn has(&self, _set: TableSet) -> bool {
        true
    }

    fn command(&mut self, command: &'static str) -> impl Future<Output = Result<(), Fault>> + Send {
        let done = self.connection.execute_batch(command);
        ready(done.map_err(|error| self.file.explain(self.attempt, error)))
    }

    fn query(
        &mut self,
        statement: &str,
        parameters: Vec<Parameter>,
    ) -> impl Future<Output = Result<Vec<Row>, Fault>> + Send {
        let rows = self.query_now(statement, parameters);
        ready(rows.map_err(|error| self.file.explain(self.attempt, error)))
    }
}
