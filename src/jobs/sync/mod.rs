//! Everybody in Keycloak gone through: mailboxes made, brought in line, and, for those who are gone, switched off.
//!
//! A login needs none of this. A run reads Keycloak's list page by page (`walk`), looks up in a few statements what is
//! known of a page, and writes only what differs (`person`). Only if the list was whole does it look for people who are
//! gone (`leavers`), and nothing here deletes a mailbox. One process at a time does it: a lease in the database, which
//! ends by itself, says which.
//!
//! [`Sync::run`] is one run; [`Schedule`] does one now and then, inside the daemon.

mod census;
mod config;
mod due;
mod foresight;
mod import;
mod journal;
mod leavers;
mod log;
mod mailcows_job;
mod newcomer;
mod person;
mod readmit;
mod report;
mod run;
mod schedule;
mod stores;
mod walk;
mod wanted;

use std::sync::Arc;

use tokio::time::Instant;

use crate::auth::{TempFail, Username};
use crate::backend::keycloak;
use crate::backend::kick;
use crate::backend::people::Sources;
use crate::backend::redis::Redis;
use crate::backend::sql;
use crate::backend::sql::{Database, LeaseEnd, LeaseWish};
use crate::provision::Provisioner;
use journal::Journal;
use log::RunLog;
use run::Run;

pub use census::{Census, Found, Grade, PasswordCount, Sighting};
pub use config::{Config, Deactivate};
pub use log::{StartedBy, run_state};
pub use mailcows_job::runs as mailcows_job_runs;
pub use readmit::{Readmission, Readmittance, Readmitted};
pub use report::{Outcome, PersonReport, Report, Skip, SourceReport};
pub use schedule::{RunStatus, Schedule, StatusNumbers};
pub use walk::Doubt;
pub use wanted::{Plan, Wanted};

/// The name of the lease.
const LEASE: &str = "sync";
/// Whoever has not been heard of for so long has lost it, in seconds. Above what one person may take.
const LEASE_SECONDS: i64 = 120;

/// Is told after each page: what was done so far, and how many people Keycloak has.
pub type Watch<'w> = &'w (dyn Fn(&Report, u64) + std::marker::Sync);

/// What a run works with.
#[derive(Debug)]
pub struct SyncParts {
    /// With connections of its own, so that no login waits behind a run.
    pub database: Arc<Database>,
    /// Every Keycloak.
    pub sources: Sources,
    /// Makes mailboxes as a first login does.
    pub provisioner: Arc<Provisioner>,
    /// mailcow's Redis, with its log of cron jobs.
    pub redis: Option<Redis>,
    /// How the sessions of a mailbox that was switched off are ended.
    pub kick: Option<kick::Config>,
    /// What no other process calls itself.
    pub holder: String,
}

/// Runs.
#[derive(Debug)]
pub struct Sync {
    config: Config,
    parts: SyncParts,
    /// Mailboxes that are there are brought in line.
    updates: bool,
    /// Users without a mailbox get one.
    imports: bool,
    /// Where the run under way is noted.
    log: RunLog,
}

/// What is wanted of a run.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Nothing is written.
    pub dry_run: bool,
    /// Too many leavers are no obstacle.
    pub allow_mass_change: bool,
    /// This address only.
    pub user: Option<Username>,
    /// What wants it, for the log of runs.
    pub started_by: StartedBy,
    /// So long must the last complete run be past.
    pub gap: std::time::Duration,
}

/// How it ended.
#[derive(Debug)]
pub enum End {
    /// It ran.
    Ran(Box<Report>),
    /// Another process has the lease.
    Held {
        /// The name of the process that holds the lease: host and process id.
        by: String,
        /// For so many seconds, unless it prolongs it.
        seconds: i64,
    },
    /// The last run was not long ago.
    NotDue {
        /// In so many seconds it is time.
        seconds: i64,
    },
}

/// Why a source was not gone through to its end, or a run not begun.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Keycloak does not answer as it should.
    #[error(transparent)]
    Keycloak(#[from] keycloak::Error),
    /// The database neither.
    #[error(transparent)]
    Database(sql::Error),
    /// The settings in mailcow's table, or the rules, are not known.
    #[error("{0}")]
    Settings(TempFail),
    /// The list may not be whole, so nobody of it is taken for gone.
    #[error("{0}; the next run looks again")]
    Doubt(walk::Doubt),
    /// Something that these people share is switched off, which is more often a mistake than not.
    #[error(
        "{0} people cannot log in because their user store or organization is switched off in Keycloak, so nobody of this \
         Keycloak is taken for gone: switch it on again, or disable or delete the people"
    )]
    SwitchedOff(u64),
    /// Nobody of a store was there, whose people have mailboxes.
    #[error(
        "Keycloak lists nobody of the user store `{0}`, whose people have mailboxes: it is empty or switched off, so nobody \
         is taken for gone; if that is right, run: keydove sync --allow-mass-change"
    )]
    HiddenStore(String),
    /// Marks of another attribute are remembered.
    #[error(
        "the attribute `{noted}` is what stays the same when an id changes, not `{wanted}`: name that one, or set \
         mark_attribute in [keycloak] before people get new ids"
    )]
    OtherMark {
        /// Asked for.
        wanted: String,
        /// Set.
        noted: String,
    },
    /// The lease ended, and another process may have it.
    #[error(
        "this process was stopped or slow for so long that another one took the lease of the sync; it writes nothing more, \
         and the other one does the rest"
    )]
    LeaseLost,
}

impl Sync {
    /// Prepares; nobody is asked yet.
    #[must_use]
    pub fn new(config: Config, parts: SyncParts) -> Self {
        let imports = config.import.unwrap_or(false);
        Self { config, parts, updates: true, imports, log: RunLog::default() }
    }

    /// What the next runs are to do.
    pub fn want(&mut self, wanted: &Wanted) {
        (self.updates, self.imports) = (wanted.updates, wanted.import);
    }

    /// One run. A dry run and one of a single person need no lease.
    ///
    /// # Errors
    /// It could not begin: the database cannot be asked, or mailcow's settings are not known. What goes wrong later is in
    /// the report.
    pub async fn run(&mut self, request: &Request, watch: Watch<'_>) -> Result<End, Trouble> {
        let unfenced = Arc::clone(&self.parts.database);
        let end = self.run_once(request, watch).await;
        self.parts.database = unfenced;
        if let Err(trouble) = &end {
            self.log.fail(trouble).await;
        }
        end
    }

    async fn run_once(&mut self, request: &Request, watch: Watch<'_>) -> Result<End, Trouble> {
        let began = Instant::now();
        let unfenced = Arc::clone(&self.parts.database);
        let wish = self.wish(request);
        let leased = !request.dry_run && request.user.is_none();
        let mut journal = Journal::new(None);
        let mut lease_number = None;
        if leased {
            let (now, number) = match self.parts.database.take_lease(&wish).await? {
                LeaseEnd::Taken { now, number } => (now, number),
                LeaseEnd::Held { by, seconds } => return Ok(End::Held { by, seconds }),
                LeaseEnd::NotDue { seconds } => return Ok(End::NotDue { seconds }),
            };
            journal = Journal::new(self.parts.redis.is_some().then_some(now));
            // Stopped for as long as the lease lasts, this process writes nothing more.
            self.parts.database = Arc::new(self.parts.database.fenced(LEASE, &wish.holder, number).await?);
            lease_number = Some(number);
        }
        self.log = RunLog::begin(&unfenced, &self.parts.holder, request).await;
        let rulebook = self.parts.provisioner.rulebook(&self.parts.database).await;
        let rulebook = match rulebook {
            Ok(rulebook) => rulebook,
            Err(trouble) => {
                self.end_lease(leased).await;
                return Err(Trouble::Settings(trouble));
            }
        };
        let mut run = Run::new(self, request, rulebook, journal, leased.then(|| wish.clone()));
        match &request.user {
            Some(user) => run.one_person(user).await?,
            None => run.everybody(watch).await,
        }
        let (mut report, mut journal) = (run.report, run.journal);
        report.seconds = began.elapsed().as_secs_f64();
        let ended = match leased {
            true => self.parts.database.end_lease(&wish, report.complete).await,
            false => Ok(true),
        };
        if matches!(ended, Ok(false)) && std::mem::take(&mut report.complete) {
            tracing::warn!(error = %Trouble::LeaseLost, "the sync did not get to its end");
        }
        report.tell(lease_number);
        self.log.end(&report).await;
        journal.finish(report.complete);
        journal.send(self.parts.redis.as_mut()).await;
        ended?;
        Ok(End::Ran(Box::new(report)))
    }

    /// Notes that the run stops in its middle, and gives the lease back, if it is ours.
    pub async fn give_up(&mut self) {
        self.log.stop().await;
        self.end_lease(true).await;
    }

    async fn end_lease(&self, leased: bool) {
        if leased
            && let Err(error) = self.parts.database.end_lease(&self.wish(&Request::default()), false).await
        {
            tracing::debug!(%error, "the lease of the sync was not given back; it ends by itself");
        }
    }

    fn wish(&self, request: &Request) -> LeaseWish {
        let gap = i64::try_from(request.gap.as_secs()).unwrap_or(i64::MAX);
        LeaseWish { name: LEASE, holder: self.parts.holder.clone(), seconds: LEASE_SECONDS, gap }
    }
}
