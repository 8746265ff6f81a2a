//! The open database: one driver, and for whom its questions are asked.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;
// Tokio's clock instead of std's: tests move it.
use tokio::time::Instant;

use super::changes::Watched;
use super::config::Config;
use super::error::Error;
use super::fence::{Fence, Fenced};
use super::mariadb::Mariadb;
use super::placement::Candidates;
use super::session::{Asker, Work};
use super::sqlite::{Sqlite, backup};
use crate::auth::Secret;
use crate::observe::metrics::Calls;
use crate::settings::Section as _;

/// An open database. Questions may be asked concurrently; each has its own deadline.
///
/// A caller that goes away cancels its question only: no answer can reach the wrong caller.
pub struct Database {
    driver: Driver,
    asker: Asker,
    questions: Calls,
    /// The lease under which this handle writes.
    fence: Option<Fence>,
    /// Where each mailbox lives on one of several machines: these.
    pub(super) candidates: Option<Candidates>,
    /// Told after each commit that has noted a change for other processes.
    told: Option<Arc<Notify>>,
}

enum Driver {
    /// The embedded file, on a connection of its own.
    Sqlite(Sqlite),
    /// A server; every handle shares one pool of connections.
    Mariadb(Arc<Mariadb>),
}

/// Opens the database that the configuration names. A process opens it once; its jobs get their handles from
/// [`Database::for_jobs`].
///
/// A SQLite file is created and migrated. A MariaDB server is not contacted yet, so that keydove starts while it
/// is down; [`Database::check`] says whether it is there and has the tables.
///
/// # Errors
/// [`Error::Settings`] for settings that contradict each other; for SQLite also [`Error::Unreachable`] when the
/// file cannot be opened or created, [`Error::Schema`] when a newer keydove made it, and [`Error::Timeout`].
pub async fn open(config: &Config, password: Option<Secret>) -> Result<Database, Error> {
    refuse_faults(config)?;
    Ok(Database::new(match config {
        Config::Sqlite(config) => Driver::Sqlite(Sqlite::open(config).await?),
        Config::Mariadb(config) => Driver::Mariadb(Arc::new(Mariadb::new(config, password)?)),
    }))
}

/// Loading the configuration finds them first, with their place.
fn refuse_faults(config: &Config) -> Result<(), Error> {
    config.faults().into_iter().next().map_or(Ok(()), |fault| Err(Error::Settings(fault.sentence)))
}

/// Opens the database to look at it only: a SQLite file is neither created nor migrated.
///
/// # Errors
/// As [`open`].
pub async fn open_to_read(config: &Config, password: Option<Secret>) -> Result<Database, Error> {
    refuse_faults(config)?;
    Ok(Database::new(match config {
        Config::Sqlite(config) => Driver::Sqlite(Sqlite::open_to_read(config).await?),
        Config::Mariadb(config) => Driver::Mariadb(Arc::new(Mariadb::new(config, password)?)),
    }))
}

/// Copies a SQLite database into a new file of mode 0600, while others read and write it. All rows of the copy are of
/// one moment. It may take as long as reading the file does.
///
/// # Errors
/// [`Error::Settings`] for a server, which has programs of its own for that. The copy's file is there already, or
/// cannot be written; the database cannot be read. Nothing is left behind then.
pub fn back_up(config: &Config, copy: &Path) -> Result<(), Error> {
    match config {
        Config::Sqlite(config) => backup::back_up(config, copy),
        Config::Mariadb(_) => Err(Error::Settings(
            "the database is a MariaDB server: back it up with mariadb-dump --single-transaction".to_owned(),
        )),
    }
}

impl Database {
    fn new(driver: Driver) -> Self {
        let questions = Calls::default();
        Self { driver, asker: Asker::Login, questions, fence: None, candidates: None, told: None }
    }

    /// `told` is told after each commit that has noted a change for other processes, by this handle and those made of it.
    #[must_use]
    pub fn telling(self, told: Option<Arc<Notify>>) -> Self {
        Self { told, ..self }
    }

    /// Something was noted, and is committed.
    pub(super) fn tell(&self) {
        if let Some(told) = &self.told {
            told.notify_one();
        }
    }

    /// A handle for jobs, with counters of its own. On a server it shares the pool, of which jobs get only a part, so
    /// that no job takes the last connections from logins; a SQLite file is opened once more, so that no login waits
    /// behind a job's question.
    ///
    /// # Errors
    /// As [`open`].
    pub async fn for_jobs(&self) -> Result<Self, Error> {
        let driver = match &self.driver {
            Driver::Sqlite(file) => Driver::Sqlite(file.open_again().await?),
            Driver::Mariadb(server) => Driver::Mariadb(Arc::clone(server)),
        };
        let (candidates, told) = (self.candidates.clone(), self.told.clone());
        let questions = Calls::default();
        Ok(Self { driver, asker: Asker::Job, questions, fence: None, candidates, told })
    }

    /// A handle as [`for_jobs`](Self::for_jobs) gives, whose every write fails with [`Error::LeaseLost`] and changes nothing
    /// once this lease was taken again after this holder took it with this number.
    ///
    /// # Errors
    /// As [`open`].
    pub async fn fenced(&self, lease: &'static str, holder: &str, number: i64) -> Result<Self, Error> {
        let fence = Some(Fence::new(lease, holder, number));
        Ok(Self { fence, ..self.for_jobs().await? })
    }

    /// Runs statements that belong together; all or none of them take effect.
    pub(super) async fn run<W: Work>(&self, work: W) -> Result<W::Output, Error> {
        match &self.fence {
            Some(fence) if W::KIND.writes() => {
                let end = self.ask(Fenced { fence: fence.clone(), work }).await;
                if let Err(Error::LeaseLost { .. }) = end {
                    fence.note_lost();
                }
                end
            }
            _ => self.ask(work).await,
        }
    }

    /// Whether a write of this handle has found its lease lost. It never gets it back.
    #[must_use]
    pub fn has_lost_lease(&self) -> bool {
        self.fence.as_ref().is_some_and(Fence::is_lost)
    }

    /// Without the fence.
    pub(super) async fn ask<W: Work>(&self, work: W) -> Result<W::Output, Error> {
        let began = Instant::now();
        let has_noted = (W::OUTDATES && self.told.is_some()).then(Arc::<AtomicBool>::default);
        let work = Watched { work, has_noted: has_noted.clone() };
        let end = match &self.driver {
            Driver::Sqlite(file) => file.run(work).await,
            Driver::Mariadb(server) => server.run(work, self.asker).await,
        };
        if end.is_ok() && has_noted.is_some_and(|has_noted| has_noted.load(Ordering::Relaxed)) {
            self.tell();
        }
        self.questions.count(end.as_ref().map(drop).map_err(Error::reason), began.elapsed());
        end
    }

    /// The servers behind it, unless it is the embedded file.
    pub(super) fn mariadb(&self) -> Option<&Mariadb> {
        match &self.driver {
            Driver::Sqlite(_) => None,
            Driver::Mariadb(server) => Some(server),
        }
    }

    /// Questions of this handle so far; of several statements that belong together, as one.
    #[must_use]
    pub fn questions(&self) -> &Calls {
        &self.questions
    }

    /// Whether it is the embedded file, of which nobody else takes care.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        matches!(self.driver, Driver::Sqlite(_))
    }

    /// Closes the file, or the server's connections once no other handle uses them, in good order. Nothing is lost
    /// without it.
    pub async fn close(self) {
        match self.driver {
            Driver::Sqlite(file) => file.close().await,
            Driver::Mariadb(server) => {
                if let Some(server) = Arc::into_inner(server) {
                    server.close().await;
                }
            }
        }
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.driver {
            Driver::Sqlite(_) => "Sqlite",
            Driver::Mariadb(_) => "Mariadb",
        })
    }
}
