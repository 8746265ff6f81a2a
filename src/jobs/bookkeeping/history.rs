//! The lane to the login history.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::clock::{now, wait_for};
use super::ledger::Ledger;
use super::outage::Outage;
use super::{AcceptedLogin, Dropped};
use crate::backend::sql::{Database, Error};

/// Rows in one transaction.
const BATCH: usize = 100;
/// Between two batches, so that logins of one moment are written together.
const BATCH_PAUSE: Duration = Duration::from_millis(500);
/// After a batch that was not written; doubled each time, up to the longest.
const RETRY_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_RETRY_PAUSE: Duration = Duration::from_secs(16);
/// After the table turned out to be missing, or closed to us.
const DENIED_PAUSE: Duration = Duration::from_secs(600);
/// How many rows are kept in mind: about 20 MB at the most.
const CAPACITY: usize = 65_536;

/// Writes accepted logins, late and few.
#[derive(Debug)]
pub(super) struct History {
    queue: mpsc::Receiver<AcceptedLogin>,
    database: Arc<Database>,
    ledger: Ledger,
    dropped: Arc<Dropped>,
    outage: Outage,
    retry_pause: Duration,
    /// Until then nothing is noted, because nothing could be written.
    denied_until: Option<Instant>,
}

impl History {
    pub(super) fn new(
        queue: mpsc::Receiver<AcceptedLogin>,
        database: Arc<Database>,
        interval: Duration,
        dropped: Arc<Dropped>,
    ) -> Self {
        let ledger = Ledger::new(interval, CAPACITY);
        let (outage, retry_pause, denied_until) = (Outage::default(), RETRY_PAUSE, None);
        Self { queue, database, ledger, dropped, outage, retry_pause, denied_until }
    }

    pub(super) async fn run(mut self, stop: &CancellationToken) {
        let mut not_before = now();
        loop {
            let wake = self.ledger.next_due().map(|due| due.max(not_before));
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = wait_for(wake) => not_before = now() + self.write_batch().await.unwrap_or_else(|pause| pause),
                login = self.queue.recv() => match login {
                    Some(login) => self.note(login),
                    None => break,
                },
            }
        }
        self.finish().await;
    }

    fn note(&mut self, login: AcceptedLogin) {
        let now = now();
        if self.denied_until.is_some_and(|until| now < until) {
            return;
        }
        if !self.ledger.note(login, now) {
            self.dropped.add(1);
        }
    }

    /// Writes what is due, and takes notes meanwhile. Says how long to wait for the next batch; as an error after
    /// one that was not written.
    async fn write_batch(&mut self) -> Result<Duration, Duration> {
        let rows = self.ledger.take_due(BATCH, now());
        let database = Arc::clone(&self.database);
        let end = {
            let mut write = pin!(database.write_logins(&rows));
            loop {
                tokio::select! {
                    biased;
                    end = &mut write => break end,
                    Some(login) = self.queue.recv() => self.note(login),
                }
            }
        };
        let Err(error) = end else {
            if self.outage.end() {
                tracing::info!("the login history is written again");
            }
            self.retry_pause = RETRY_PAUSE;
            return Ok(if rows.len() == BATCH { Duration::ZERO } else { BATCH_PAUSE });
        };
        let is_new = self.outage.begin();
        match error {
            Error::Schema { .. } => {
                self.denied_until = Some(now() + DENIED_PAUSE);
                self.dropped.add(rows.len() as u64 + self.ledger.clear());
                if is_new {
                    tracing::warn!(
                        %error,
                        "the login history cannot be written, and is left alone for 10 minutes; grant INSERT and DELETE \
                         on sasl_log, or set login_log = false under [bookkeeping]"
                    );
                }
            }
            // The same statement would be refused again.
            Error::Refused { .. } | Error::Settings(_) | Error::BadRow { .. } | Error::LeaseLost { .. } => {
                self.dropped.add(rows.len() as u64);
                if is_new {
                    tracing::warn!(%error, "logins are missing in the login history");
                }
            }
            Error::Unreachable { .. } | Error::Timeout { .. } | Error::Uncertain { .. } => {
                self.ledger.put_back(rows, now());
                if is_new {
                    tracing::warn!(%error, "the login history is written later");
                }
            }
        }
        let pause = self.retry_pause;
        self.retry_pause = (pause * 2).min(LONGEST_RETRY_PAUSE);
        Err(pause)
    }

    /// Writes what is left, unless the database is in trouble.
    async fn finish(mut self) {
        self.queue.close();
        while let Some(login) = self.queue.recv().await {
            self.note(login);
        }
        self.ledger.make_all_due(now());
        while self.ledger.next_due().is_some() {
            if self.write_batch().await.is_err() {
                self.dropped.add(self.ledger.clear());
            }
        }
    }
}
