//! The embedded file: one thread owns it and answers one question after the other.

pub(super) mod backup;
mod place;
mod work;

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::config::SqliteConfig;
use super::error::Error;
use super::migrate;
use super::retry::{Fault, Trouble};

/// Questions that may wait for the thread; further ones wait in front of the queue, within their deadline.
const QUEUE: usize = 64;
/// What a question gets on top of the time for which a lock is waited for.
const GRACE: Duration = Duration::from_secs(1);
/// In [`Error::Timeout`]: the thread said nothing in time.
const NO_ANSWER: &str = "no answer";

/// An open database file.
pub(super) struct Sqlite {
    config: SqliteConfig,
    file: File,
    jobs: mpsc::Sender<Job>,
    /// Resolves when the thread has closed the file.
    closed: oneshot::Receiver<()>,
}

type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// A question, with its reply.
type Job = Box<dyn FnOnce(&File, &mut Connection) + Send>;

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
    /// As [`open`](super::database::open).
    pub(super) async fn open(config: &SqliteConfig) -> Result<Self, Error> {
        Self::serve_file(config, File::open).await
    }

    /// Opens the file to look at it only.
    ///
    /// # Errors
    /// As [`open_to_read`](super::database::open_to_read).
    pub(super) async fn open_to_read(config: &SqliteConfig) -> Result<Self, Error> {
        Self::serve_file(config, File::open_to_read).await
    }

    /// The same file on a thread and a connection of its own.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) async fn open_again(&self) -> Result<Self, Error> {
        Self::open(&self.config).await
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
        Ok(Self { config: config.clone(), file, jobs, closed })
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
        timeout(limit, asked).await.unwrap_or_else(|_| {
            let database = self.file.name.clone();
            Err(Error::Timeout { attempt, database, detail: NO_ANSWER, limit })
        })
    }
}

impl File {
    fn open(&self, path: &Path) -> Result<Connection, Error> {
        place::make(path).map_err(|trouble| self.unreachable(trouble))?;
        let explain = |error| self.explain("opening", error).error;
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
            failure.explain(&self.name, |error| self.explain("migrating the tables", error).error)
        })?;
        Ok(connection)
    }

    fn open_to_read(&self, path: &Path) -> Result<Connection, Error> {
        let explain = |error| self.explain("opening", error).error;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(explain)?;
        connection.busy_timeout(self.busy_timeout).map_err(explain)?;
        Ok(connection)
    }

    /// Answers until the last sender is gone. Questions whose askers have left are skipped.
    fn serve(&self, connection: &mut Connection, mut queue: mpsc::Receiver<Job>) {
        while let Some(job) = queue.blocking_recv() {
            job(self, connection);
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

    fn explain(&self, attempt: &'static str, error: rusqlite::Error) -> Fault {
        let (trouble, database) = (Trouble::of_sqlite(error.sqlite_error_code()), self.name.clone());
        let error = match trouble {
            Trouble::NoLock => {
                Error::Timeout { attempt, database, detail: "no lock", limit: self.busy_timeout }
            }
            Trouble::NoConnection => self.unreachable(error.to_string()),
            Trouble::DoesNotFit => Error::Schema { database, detail: error.to_string() },
            _ => Error::Refused { attempt, database, detail: error.to_string() },
        };
        Fault { trouble, error }
    }

    fn unreachable(&self, detail: String) -> Error {
        Error::Unreachable { database: self.name.clone(), detail }
    }

    fn gone(&self) -> Error {
        self.unreachable("its thread has ended".to_owned())
    }
}

#[cfg(test)]
#[path = "sqlite_tests.rs"]
mod tests;
