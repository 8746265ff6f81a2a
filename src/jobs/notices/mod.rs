//! Users are told by mail of their app passwords: that one was made, and that one ends within a week.
//!
//! Of several processes whichever comes first claims a mail in the database, and only it sends the mail; a process that dies
//! in between sends none. So nobody gets one twice. A mail that the mail server has not taken for sure is tried once more.
//!
//! It needs no lease. A lease keeps a process that was stopped from writing, and could not take back a mail. Here each claim
//! is a row of its own that is written once: whoever was stopped before it finds the row written and sends nothing, and
//! whoever was stopped behind it is the only one who has it.

mod config;
mod letter;
mod relay;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::backend::sql;
use crate::backend::sql::{Database, Notice, NoticesDue};
use relay::{Relay, RelayError};

pub use config::{Config, Language};

/// How long a mail on its way may take after the order to stop.
const GRACE: Duration = Duration::from_secs(2);
/// How often it looks at all that end, and forgets what is over.
const HOUR: Duration = Duration::from_secs(3600);
/// Until a mail is tried once more, in seconds.
const RETRY: i64 = 600;
/// What is older was made before anybody wanted these mails, in seconds.
const NEWS: i64 = 86_400;
/// When a mail tells of the end, in seconds before it.
const WEEK: i64 = 7 * 86_400;

/// Tells them.
#[derive(Debug)]
pub struct Notices {
    config: Config,
    relay: SocketAddr,
    database: Arc<Database>,
    /// The newest app password that was seen.
    newest: i64,
    /// When all of them are looked at next.
    long_due: Instant,
    is_in_trouble: bool,
}

/// Why a round came to nothing.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Database(#[from] sql::Error),
    #[error("mail server {0}: {1}")]
    Relay(SocketAddr, RelayError),
}

impl Notices {
    /// Prepares; nobody is asked yet. `None` where no mail is wanted.
    #[must_use]
    pub fn new(config: &Config, database: Arc<Database>) -> Option<Self> {
        let relay = config.relay?;
        Some(Self {
            config: config.clone(),
            relay,
            database,
            newest: 0,
            long_due: Instant::now(),
            is_in_trouble: false,
        })
    }

    /// Works until it is told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.round(&stop).await;
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = sleep(self.config.interval.get()) => {}
            }
        }
    }

    /// Everything that is due.
    async fn round(&mut self, stop: &CancellationToken) {
        match self.tell(stop).await {
            Ok(()) => self.is_in_trouble = false,
            Err(error) => {
                if !std::mem::replace(&mut self.is_in_trouble, true) {
                    tracing::warn!(%error, "users could not be told of their app passwords; it is tried again");
                }
            }
        }
    }

    async fn tell(&mut self, stop: &CancellationToken) -> Result<(), Trouble> {
        let is_long = Instant::now() >= self.long_due;
        let now = now();
        if is_long {
            self.database.forget_notices().await?;
        }
        let due = NoticesDue {
            after: if is_long { 0 } else { self.newest },
            made_since: now - NEWS,
            ending_until: is_long.then_some(now + WEEK),
            now,
        };
        let found = self.database.due_notices(due).await?;
        if !found.notices.is_empty() {
            let failed = |error| Trouble::Relay(self.relay, error);
            let connected = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                connected = Relay::connect(self.relay, self.config.timeout.get()) => connected,
            };
            let mut relay = connected.map_err(failed)?;
            for notice in &found.notices {
                if stop.is_cancelled() {
                    return Ok(());
                }
                self.send(&mut relay, notice, stop).await?.map_err(failed)?;
            }
            relay.quit().await;
        }
        self.newest = found.newest;
        if is_long {
            self.long_due = Instant::now() + HOUR;
        }
        Ok(())
    }

    /// The inner error ends the connection.
    async fn send(
        &self,
        relay: &mut Relay,
        notice: &Notice,
        stop: &CancellationToken,
    ) -> Result<Result<(), RelayError>, sql::Error> {
        let (user, id, occasion) = (notice.user.as_str(), notice.id, notice.occasion.name());
        if !self.database.claim_notice(id, notice.occasion, now()).await? {
            return Ok(Ok(()));
        }
        let Some(letter) = letter::write(notice, &self.config, now()) else {
            tracing::info!(
                user,
                id,
                occasion,
                "no mail tells this user: no mail server here takes such an address"
            );
            return Ok(Ok(()));
        };
        let sent = tokio::select! {
            sent = relay.send(&letter) => sent,
            () = cut_off(stop) => Err(RelayError::Unknown(std::io::ErrorKind::Interrupted.into())),
        };
        let Err(error) = sent else {
            tracing::info!(user, id, occasion, "a mail tells this user of an app password");
            return Ok(Ok(()));
        };
        let again = error.may_be_tried_again()
            && self.database.release_notice(id, notice.occasion, now() + RETRY).await?;
        tracing::warn!(user, id, occasion, again, %error, "the mail server has not taken a mail to this user");
        Ok(if error.ends_connection() { Err(error) } else { Ok(()) })
    }
}

/// keydove stops, and a mail on its way has had its time.
async fn cut_off(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(GRACE).await;
}

#[expect(clippy::disallowed_methods, reason = "what ends is compared with the wall clock")]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
