//! Rows of keydove's own tables that nobody needs any more are deleted, now and then and a few at a time.
//!
//! Of several processes one does it: it takes a lease in the database, as the sync does.

mod config;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::backend::sql;
use crate::backend::sql::{Database, LeaseEnd, LeaseWish, Leftover, Swept};
use crate::settings::Period;

pub use config::Config;

const LEASE: &str = "housekeeping";
/// It is prolonged after each batch.
const LEASE_SECONDS: i64 = 120;
/// Between two batches: logins come first.
const PAUSE: Duration = Duration::from_millis(100);
/// So often a batch is tried again that met a lock: for ten seconds, with [`PAUSE`].
const TRIES: u32 = 100;
/// After the start, and after a run that failed.
const SOON: Duration = Duration::from_secs(300);

/// What one run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Nothing was deleted, only counted.
    pub dry_run: bool,
    /// Rows by table.
    pub removed: Vec<Removed>,
}

/// Rows of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// The name of the table.
    pub table: &'static str,
    /// How many.
    pub rows: u64,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It ran.
    Ran(Report),
    /// Another process does it.
    Held {
        /// The name of the process that holds the lease: host and process id.
        by: String,
    },
    /// The last run was not long ago.
    NotDue {
        /// In so many seconds it is time.
        seconds: i64,
    },
}

/// Does it.
#[derive(Debug)]
pub struct Housekeeping {
    database: Arc<Database>,
    interval: Duration,
    leftovers: Vec<Leftover>,
    /// Whether the configuration says what to delete.
    is_asked_for: bool,
    /// This process, in a word like no other's.
    holder: String,
}

impl Housekeeping {
    /// Prepares; nobody is asked yet.
    #[must_use]
    pub fn new(config: &Config, database: Arc<Database>, holder: String) -> Self {
        let seconds = |period: Duration| i64::try_from(period.as_secs()).ok().filter(|seconds| *seconds > 0);
        let year = database.is_embedded().then_some(Duration::from_secs(365 * 86_400));
        let logins = config.login_log.map(Period::get).or(year).and_then(seconds);
        let people = seconds(config.people.get());
        let mut leftovers = vec![Leftover::AppPasswords, Leftover::SyncNotes];
        leftovers.extend(people.map(|seconds| Leftover::People { seconds }));
        // Behind those whose marks they are.
        leftovers.push(Leftover::Marks);
        leftovers.extend(database.has_candidates().then_some(Leftover::Placements));
        leftovers.extend(logins.map(|seconds| Leftover::Logins { seconds }));
        let is_asked_for = people.is_some() || config.login_log.is_some_and(|period| !period.get().is_zero());
        Self { database, interval: config.interval.get(), leftovers, is_asked_for, holder }
    }

    /// One run. A dry run needs no lease.
    ///
    /// # Errors
    /// The database cannot be asked, a table is missing, or rows may not be deleted. What was deleted stays deleted.
    pub async fn run(&self, dry_run: bool) -> Result<End, sql::Error> {
        self.run_after(dry_run, Duration::ZERO).await
    }

    async fn run_after(&self, dry_run: bool, gap: Duration) -> Result<End, sql::Error> {
        if dry_run {
            return Ok(End::Ran(self.sweep(&self.database, None).await?));
        }
        let gap = i64::try_from(gap.as_secs()).unwrap_or(i64::MAX);
        let wish = LeaseWish { name: LEASE, holder: self.holder.clone(), seconds: LEASE_SECONDS, gap };
        let number = match self.database.take_lease(&wish).await? {
            LeaseEnd::Held { by, .. } => return Ok(End::Held { by }),
            LeaseEnd::NotDue { seconds } => return Ok(End::NotDue { seconds }),
            LeaseEnd::Taken { number, .. } => number,
        };
        // Stopped for as long as the lease lasts, this process writes nothing more.
        let fenced = self.database.fenced(LEASE, &self.holder, number).await?;
        let swept = self.sweep(&fenced, Some(&wish)).await;
        fenced.end_lease(&wish, swept.is_ok()).await?;
        swept.map(End::Ran)
    }

    /// Without a lease it only counts.
    async fn sweep(&self, database: &Database, lease: Option<&LeaseWish>) -> Result<Report, sql::Error> {
        let mut report = Report { dry_run: lease.is_none(), ..Report::default() };
        for &what in &self.leftovers {
            let mut removed = Removed { table: what.table(), rows: 0 };
            let mut after = None;
            loop {
                let swept = Self::sweep_batch(database, what, after, lease.is_none()).await?;
                removed.rows += swept.removed;
                after = swept.next;
                if after.is_none() {
                    break;
                }
                if let Some(lease) = lease {
                    database.keep_lease(lease).await?;
                    sleep(PAUSE).await;
                }
            }
            report.removed.push(removed);
        }
        Ok(report)
    }

    /// A batch waits for no lock of a SQLite file, or logins would wait behind it; here nobody does.
    async fn sweep_batch(
        database: &Database,
        what: Leftover,
        after: Option<String>,
        dry: bool,
    ) -> Result<Swept, sql::Error> {
        let mut tries = 1;
        loop {
            match database.sweep(what, after.clone(), dry).await {
                Err(sql::Error::Timeout { limit, .. }) if limit.is_zero() && tries < TRIES => {
                    tries += 1;
                    sleep(PAUSE).await;
                }
                end => return end,
            }
        }
    }

    /// Does it now and then, until it is told to stop.
    pub async fn run_now_and_then(self, stop: CancellationToken) {
        if self.interval.is_zero() {
            return;
        }
        let mut pause = SOON.min(self.interval);
        let mut is_in_trouble = false;
        loop {
            let due = async {
                sleep(pause).await;
                self.once(&mut is_in_trouble).await
            };
            pause = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                next = due => next,
            };
        }
    }

    /// One run, if it is time. Says when it is again.
    async fn once(&self, is_in_trouble: &mut bool) -> Duration {
        match self.run_after(false, self.interval).await {
            Ok(End::Ran(report)) => {
                *is_in_trouble = false;
                for Removed { table, rows } in report.removed.iter().filter(|removed| removed.rows > 0) {
                    tracing::info!(table, rows, "rows that nobody needs any more were deleted");
                }
                self.interval
            }
            Ok(End::Held { .. }) => SOON.min(self.interval),
            Ok(End::NotDue { seconds }) => {
                Duration::from_secs(u64::try_from(seconds).unwrap_or_default() + 1)
            }
            // Whoever lets keydove only read has nothing of its own to be deleted.
            Err(error @ sql::Error::Schema { .. }) if !self.is_asked_for => {
                tracing::debug!(%error, "no housekeeping");
                self.interval
            }
            Err(error) => {
                if !std::mem::replace(is_in_trouble, true) {
                    tracing::warn!(%error, "rows that nobody needs any more could not be deleted; it is tried again");
                }
                SOON.min(self.interval)
            }
        }
    }
}
