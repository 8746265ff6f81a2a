//! The embedded file: one thread owns it and answers one question after the other.

mod backup;
mod place;
mod work;

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Params, params};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::rows::{Cells, Found, Listed};
use super::statements::{FIND_MAILBOX, LIST_MAILBOXES_SQLITE, find_mailbox_parameters};
use super::{Error, SqliteConfig, counted, migrate};
use crate::auth::Username;
use crate::observe::metrics::Calls;

pub(super) use backup::back_up;

/// Questions that may wait for the thread; further ones wait in front of the queue, within their deadline.
const QUEUE: usize = 64;
/// What a question gets on top of the time for which a lock is waited for.
const GRACE: Duration = Duration::from_secs(1);
/// In [`Error::Timeout`]: the thread said nothing in time.
const NO_ANSWER: &str = "no answer";

/// An open database file.
pub struct Sqlite {
    file: File,
    jobs: mpsc::Sender<Job>,
    /// Resolves when the thread has closed the file.
    closed: oneshot::Receiver<()>,
    questions: Calls,
}

type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// A question of several statements, with its reply.
type WorkOnFile = Box<dyn FnOnce(&File, &mut Connection) + Send>;

enum Job {
    Check { reply: Reply<()> },
    FindMailbox { user: Username, reply: Reply<Vec<Found>> },
    ListMailboxes { after: String, limit: usize, reply: Reply<Vec<Listed>> },
    Work(WorkOnFile),
}

/// What error sentences need to know.
#[derive(Clone)]
struct File {
    name: String,
    busy_timeout: Duration,
    /// Set once it is open.
    opened: Option<Arc<place::Opened>>,
}

impl Sqlite {
    /// Opens or creates the file and migrates it.
    ///
    /// # Errors
    /// As [`open`](super::open).
    pub async fn open(config: &SqliteConfig) -> Result<Self, Error> {
        Self::serve_file(config, File::open).await
    }

    /// Opens the file to look at it only.
    ///
    /// # Errors
    /// As [`open_to_read`](super::open_to_read).
    pub(super) async fn open_to_read(config: &SqliteConfig) -> Result<Self, Error> {
        Self::serve_file(config, File::open_to_read).await
    }

    async fn serve_file(
        config: &SqliteConfig,
        open: fn(&File, &Path) -> Result<Connection, Error>,
    ) -> Result<Self, Error> {
        let busy_timeout = config.busy_timeout.get();
        let name = format!("SQLite file {}", config.path.display());
        let file = File { name, busy_timeout, opened: None };
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (opened, is_open) = oneshot::channel();
        let (close, closed) = oneshot::channel();
        let (path, mut theirs) = (config.path.clone(), file.clone());
        let serve = move || {
            match open(&theirs, &path) {
                Ok(mut connection) => {
                    theirs.opened = Some(Arc::new(place::Opened::now(&path)));
                    let _ = opened.send(Ok(()));
                    theirs.serve(&mut connection, queue);
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                }
            }
            let _ = close.send(());
        };
        thread::Builder::new()
            .name("keydove-sqlite".to_owned())
            .spawn(serve)
            .map_err(|e| file.unreachable(format!("cannot start its thread: {e}")))?;
        is_open.await.map_err(|_| file.gone())??;
        Ok(Self { file, jobs, closed, questions: Calls::default() })
    }

    pub(super) async fn check(&self) -> Result<(), Error> {
        self.ask("checking the tables", |reply| Job::Check { reply }).await
    }

    pub(super) async fn find_mailbox(&self, user: &Username) -> Result<Vec<Found>, Error> {
        let user = user.clone();
        self.ask("looking a mailbox up", |reply| Job::FindMailbox { user, reply }).await
    }

    pub(super) async fn list_mailboxes(&self, after: &str, limit: usize) -> Result<Vec<Listed>, Error> {
        let after = after.to_owned();
        self.ask("listing mailboxes", |reply| Job::ListMailboxes { after, limit, reply }).await
    }

    pub(super) fn questions(&self) -> &Calls {
        &self.questions
    }

    pub(super) async fn close(self) {
        drop(self.jobs);
        // An error means that the thread has ended already.
        let _ = self.closed.await;
    }

    async fn ask<T>(&self, attempt: &'static str, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            self.jobs.send(job(reply)).await.map_err(|_| self.file.gone())?;
            answer.await.map_err(|_| self.file.gone())?
        };
        let limit = self.file.busy_timeout + GRACE;
        let in_time = async {
            timeout(limit, asked).await.unwrap_or_else(|_| {
                let database = self.file.name.clone();
                Err(Error::Timeout { attempt, database, detail: NO_ANSWER, limit })
            })
        };
        counted(&self.questions, in_time).await
    }
}

impl File {
    fn open(&self, path: &Path) -> Result<Connection, Error> {
        place::make(path).map_err(|trouble| self.unreachable(trouble))?;
        let explain = |error| self.explain("opening", error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(explain)?;
        connection.busy_timeout(self.busy_timeout).map_err(explain)?;
        // Readers and the writer do not wait for each other. Where the file system has no shared memory, such as NFS,
        // SQLite keeps to its old journal, which loses nothing either.
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).map_err(explain)?;
        // What was answered survives a loss of power, for one flush of the disk at each commit.
        connection.pragma_update(None, "synchronous", "FULL").map_err(explain)?;
        connection.pragma_update(None, "foreign_keys", true).map_err(explain)?;
        migrate::migrate(&mut connection).map_err(|failure| {
            failure.explain(&self.name, |error| self.explain("migrating the tables", error))
        })?;
        Ok(connection)
    }

    fn open_to_read(&self, path: &Path) -> Result<Connection, Error> {
        let explain = |error| self.explain("opening", error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(explain)?;
        connection.busy_timeout(self.busy_timeout).map_err(explain)?;
        Ok(connection)
    }

    /// Answers until the last sender is gone. Questions whose askers have left are skipped.
    fn serve(&self, connection: &mut Connection, mut queue: mpsc::Receiver<Job>) {
        while let Some(job) = queue.blocking_recv() {
            match job {
                Job::Check { reply } => self.answer(reply, || self.check(connection)),
                Job::FindMailbox { user, reply } => {
                    self.answer(reply, || self.find_mailbox(connection, &user));
                }
                Job::ListMailboxes { after, limit, reply } => {
                    self.answer(reply, || self.list_mailboxes(connection, &after, limit));
                }
                Job::Work(work) => work(self, connection),
            }
        }
    }

    /// Asks, unless nobody waits for the answer any more or the file is not in its place.
    fn answer<T>(&self, reply: Reply<T>, question: impl FnOnce() -> Result<T, Error>) {
        if !reply.is_closed() {
            let _ = reply.send(self.is_in_place().and_then(|()| question()));
        }
    }

    fn is_in_place(&self) -> Result<(), Error> {
        let Some(opened) = &self.opened else { return Ok(()) };
        opened.is_in_place().map_err(|trouble| self.unreachable(trouble))
    }

    fn check(&self, connection: &Connection) -> Result<(), Error> {
        try_out(connection, FIND_MAILBOX, [""; 6])
            .and_then(|()| try_out(connection, LIST_MAILBOXES_SQLITE, params!["", 1]))
            .map_err(|error| self.explain("checking the tables", error))
    }

    fn find_mailbox(&self, connection: &Connection, user: &Username) -> Result<Vec<Found>, Error> {
        let explain = |error| self.explain("looking a mailbox up", error);
        let mut statement = connection.prepare_cached(FIND_MAILBOX).map_err(explain)?;
        let mut rows = statement.query(find_mailbox_parameters(user)).map_err(explain)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(explain)? {
            found.push(Found::read(&mut SqliteCells(row), user.as_str())?);
        }
        Ok(found)
    }

    fn list_mailboxes(
        &self,
        connection: &Connection,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Listed>, Error> {
        let explain = |error| self.explain("listing mailboxes", error);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = connection.prepare_cached(LIST_MAILBOXES_SQLITE).map_err(explain)?;
        let mut rows = statement.query(params![after, limit]).map_err(explain)?;
        let mut listed = Vec::new();
        while let Some(row) = rows.next().map_err(explain)? {
            listed.push(Listed::read(&mut SqliteCells(row), after)?);
        }
        Ok(listed)
    }

    fn explain(&self, attempt: &'static str, error: rusqlite::Error) -> Error {
        let database = self.name.clone();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Error::Timeout { attempt, database, detail: "no lock", limit: self.busy_timeout }
            }
            Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure | ErrorCode::PermissionDenied) => {
                self.unreachable(error.to_string())
            }
            // SQLite's code for a statement that does not fit the tables.
            Some(ErrorCode::Unknown) => Error::Schema { database, detail: error.to_string() },
            _ => Error::Refused { attempt, database, detail: error.to_string() },
        }
    }

    fn unreachable(&self, detail: String) -> Error {
        Error::Unreachable { database: self.name.clone(), detail }
    }

    fn gone(&self) -> Error {
        self.unreachable("its thread has ended".to_owned())
    }
}

/// Runs a statement up to its first row: only then is what the connection remembers of the tables compared with
/// the file.
fn try_out(connection: &Connection, statement: &str, parameters: impl Params) -> rusqlite::Result<()> {
    connection.prepare_cached(statement)?.query(parameters)?.next().map(drop)
}

struct SqliteCells<'a>(&'a rusqlite::Row<'a>);

impl SqliteCells<'_> {
    fn cell(&self, column: usize) -> Result<ValueRef<'_>, String> {
        self.0.get_ref(column).map_err(|error| error.to_string())
    }
}

impl Cells for SqliteCells<'_> {
    fn integer(&mut self, column: usize) -> Result<Option<i64>, String> {
        match self.cell(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(number) => Ok(Some(number)),
            other => Err(unexpected("a number", other.data_type())),
        }
    }

    fn bytes(&mut self, column: usize) -> Result<Option<Vec<u8>>, String> {
        match self.cell(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(bytes) => Ok(Some(bytes.to_vec())),
            other => Err(unexpected("a text", other.data_type())),
        }
    }
}

fn unexpected(wanted: &str, found: Type) -> String {
    format!("{wanted} was expected, the cell holds {found}")
}

#[cfg(test)]
#[path = "sqlite_tests.rs"]
mod tests;
