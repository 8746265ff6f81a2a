//! Works on the embedded file: a transaction, and statements whose answers are ready at once.

use std::future::{Future, ready};
use std::time::Duration;

use futures_util::FutureExt;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, params_from_iter};

use super::{File, Job, Sqlite, answer};
use crate::sql::Error;
use crate::sql::session::{Cell, Dialect, Fault, Parameter, Row, Session, Work};

impl Sqlite {
    /// Runs statements that belong together; all or none of them take effect.
    pub(in crate::sql) async fn run<W: Work>(&self, work: W) -> Result<W::Output, Error> {
        let job = |reply| {
            Job::Work(Box::new(move |file: &File, connection: &mut Connection| {
                answer(reply, || file.run(connection, &work));
            }))
        };
        self.ask(W::ATTEMPT, job).await
    }
}

impl File {
    fn run<W: Work>(&self, connection: &mut Connection, work: &W) -> Result<W::Output, Error> {
        let explain = |error| self.explain(W::ATTEMPT, error);
        if !W::WRITES {
            return work_through(self, connection, work);
        }
        if !W::WAITS {
            connection.busy_timeout(Duration::ZERO).map_err(explain)?;
        }
        // At once a writer: no other process can write between our checks and our rows.
        let begun = connection.execute_batch("BEGIN IMMEDIATE").map_err(explain);
        connection.busy_timeout(self.busy_timeout).map_err(explain)?;
        begun?;
        let end = work_through(self, connection, work)
            .and_then(|output| connection.execute_batch("COMMIT").map(|()| output).map_err(explain));
        if end.is_err() && !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK").map_err(explain)?;
        }
        end
    }
}

/// Every step of a work on this connection is ready at once, so there is nothing to wait for.
fn work_through<W: Work>(file: &File, connection: &mut Connection, work: &W) -> Result<W::Output, Error> {
    let mut session = SqliteSession { file, connection, attempt: W::ATTEMPT };
    let end = work.run(&mut session).now_or_never().expect("no step of a SQLite session waits");
    end.map_err(Fault::into_error)
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

    fn has_marks(&self) -> bool {
        true
    }

    fn has_own_tables(&self) -> bool {
        true
    }

    fn query(
        &mut self,
        statement: &str,
        parameters: Vec<Parameter>,
    ) -> impl Future<Output = Result<Vec<Row>, Fault>> + Send {
        let rows = self.query_now(statement, parameters);
        ready(rows.map_err(|error| Fault::Final(self.file.explain(self.attempt, error))))
    }
}
