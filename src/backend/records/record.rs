//! Records about addresses: what they are, where they come from, and how long they live.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
// Tokio's clock instead of std's: tests move it.
use tokio::time::Instant;

use super::Records;
use crate::auth::{TempFail, Username};

/// A fetch under way.
pub type Fetch<V> = Pin<Box<dyn Future<Output = Result<V, TempFail>> + Send>>;
/// Begins a fetch.
pub type Fetcher<V> = Arc<dyn Fn(Username) -> Fetch<V> + Send + Sync>;
/// Whether waiting for the source is likely to be in vain.
pub type Troubled = Arc<dyn Fn(&Username) -> bool + Send + Sync>;
/// Starts a task that goes on although whoever wanted it has left.
pub type Spawner = Arc<dyn Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync>;

/// What a cache needs to know about a record.
pub trait Record: Send + Sync + 'static {
    /// What it takes on the heap, in bytes, roughly.
    fn bytes(&self) -> usize;
    /// Whether it says that there is nothing: kept for a short while only, and never once it is stale.
    fn is_absence(&self) -> bool;
    /// Takes over what was found out beside the older record and still holds beside this one.
    fn inherit(&self, older: &Self);
    /// Whether something that the older record says is no longer so. What outlives the process must not say it for long.
    fn outdates(&self, older: &Self) -> bool;
}

/// Who wants to know what became of what was known. Nothing here may wait for anything.
pub trait Watch<V>: Send + Sync {
    /// A younger record took the place of an older one.
    fn replaced(&self, user: &Username, older: &V, younger: &V);
    /// A record that somebody was given was forgotten while it was under way: it is remembered nowhere.
    fn dropped(&self, records: &Records<V>, user: &Username, record: &Arc<V>);
}

/// How long records live.
#[derive(Clone, Debug)]
pub struct Lifetimes {
    /// A record is taken as it is for this long at most; up to a tenth less, so that not all end at once. Past two
    /// thirds of it, whoever uses the record has it fetched anew in the background.
    pub fresh: Duration,
    /// The same for a record that says that there is nothing.
    pub absent: Duration,
    /// While the source cannot tell, an older record serves until this age; zero is never.
    pub stale_limit: Duration,
    /// How long a login waits for a source when it has a stale record; a slow source is as good as none.
    pub patience: Duration,
    /// A record is fetched anew, because somebody was refused by it, no sooner than this after its last fetch.
    pub refetch_pause: Duration,
    /// The bound of all records together. Those that say that there is nothing have a part of their own
    /// (`entries.rs`).
    pub max_bytes: usize,
}

/// A record, and how old it is.
#[derive(Debug)]
pub struct Held<V> {
    /// What the source said.
    pub record: Arc<V>,
    /// When it was asked: nothing that happened there later is known.
    pub asked: Instant,
    /// Why it is older than it should be, if it is.
    pub stale: Option<TempFail>,
}

impl<V> Held<V> {
    /// How many milliseconds ago it was asked for.
    #[must_use]
    pub fn age_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.asked).as_millis()).unwrap_or(u64::MAX)
    }

    /// How old it is, if that is more than it should be.
    #[must_use]
    pub fn stale_age(&self, now: Instant) -> Option<Duration> {
        self.stale.is_some().then(|| now.saturating_duration_since(self.asked))
    }
}

impl<V> Clone for Held<V> {
    fn clone(&self) -> Self {
        Self { record: Arc::clone(&self.record), asked: self.asked, stale: self.stale.clone() }
    }
}

/// What a record is still good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Freshness {
    /// It is taken as it is.
    Fresh,
    /// The source is asked first; it serves while the source cannot tell.
    Stale,
    /// It serves nobody any more.
    Expired,
}

/// What has happened so far, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordCounts {
    /// Answered from memory.
    pub hits: u64,
    /// Waited for the source.
    pub misses: u64,
    /// Answered with a record older than it should be.
    pub stale: u64,
    /// Fetches that were begun.
    pub fetches: u64,
    /// Fetches that could not tell.
    pub failures: u64,
    /// Records now.
    pub entries: usize,
    /// About how many bytes they take.
    pub bytes: usize,
}

/// Where records come from.
pub struct RecordSource<V> {
    /// Asks for one.
    pub fetcher: Fetcher<V>,
    /// Whoever has a stale record then does not wait at all.
    pub troubled: Troubled,
    /// Who wants to know more.
    pub watch: Option<Arc<dyn Watch<V>>>,
}
