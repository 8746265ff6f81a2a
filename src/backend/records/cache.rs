//! Records about addresses: fetched once for everybody who waits, fresh for a while, stale when the source is away.
//!
//! A record is what a source said about an address, never what became of a login. Who shares a fetch shares the
//! record and nothing else.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
// Tokio's clock instead of std's: tests move it.
use tokio::time::{Instant, sleep_until, timeout};

use super::entries::{Entries, Entry, millis};
use super::in_flight::{FetchEnd, InFlight, end_of};
use super::record::{Freshness, Held, Lifetimes, Record, RecordCounts, RecordSource, Spawner};
use super::restoring::Restoring;
use crate::auth::{TempFail, TempFailReason, Username};

/// Which records are in use is noted no more often than this, in milliseconds, because the note costs as
/// much as finding the record.
const PROMOTION_PAUSE: u32 = 1000;

/// The records of one source; clones are the same records.
pub struct Records<V> {
    shared: Arc<Shared<V>>,
}

impl<V> Clone for Records<V> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

struct Shared<V> {
    lifetimes: Lifetimes,
    source: RecordSource<V>,
    spawner: Spawner,
    state: Mutex<State<V>>,
}

struct State<V> {
    entries: Entries<V>,
    in_flight: InFlight<V>,
    counts: RecordCounts,
    /// For jitter: any odd number does.
    dice: u64,
    /// Raised by every `forget`.
    generation: u64,
    /// Raised when a record takes the place of one that it outdates.
    outdated: u64,
}

impl<V: Record> Records<V> {
    /// An empty memory of one source.
    #[must_use]
    pub fn new(lifetimes: Lifetimes, spawner: Spawner, source: RecordSource<V>) -> Self {
        let state = State {
            entries: Entries::new(lifetimes.max_bytes),
            in_flight: InFlight::new(),
            counts: RecordCounts::default(),
            dice: 0x9E37_79B9_7F4A_7C15,
            generation: 0,
            outdated: 0,
        };
        Self { shared: Arc::new(Shared { lifetimes, source, spawner, state: Mutex::new(state) }) }
    }

    /// The record if it is fresh: nobody is asked and nothing is waited for.
    #[must_use]
    pub fn peek(&self, user: &Username, now: Instant) -> Option<Held<V>> {
        let (held, refresh) = {
            let mut state = self.shared.lock();
            let entry = state.entries.peek_mut(user)?;
            let age = millis(now.saturating_duration_since(entry.asked));
            if age >= entry.fresh_for {
                return None;
            }
            let (held, refresh) = (entry.hold(None), age >= entry.refresh_after);
            if age >= entry.promoted.saturating_add(PROMOTION_PAUSE) {
                entry.promoted = age;
                state.entries.promote(user);
            }
            state.counts.hits += 1;
            (held, refresh && state.in_flight.join(user).is_none())
        };
        if refresh {
            self.shared.begin(user, now);
        }
        Some(held)
    }

    /// The record: from memory if it is fresh, else from the source, else the stale one.
    ///
    /// # Errors
    /// The source cannot tell, and there is no record young enough.
    pub async fn get(&self, user: &Username) -> Result<Held<V>, TempFail> {
        let now = Instant::now();
        if let Some(held) = self.peek(user, now) {
            return Ok(held);
        }
        let (fetch, stale) = {
            let mut state = self.shared.lock();
            state.counts.misses += 1;
            (state.in_flight.join(user), state.stale(user, now, &self.shared.lifetimes))
        };
        let fetch = fetch.unwrap_or_else(|| self.shared.begin(user, now));
        let Some(stale) = stale else { return end_of(fetch).await };
        let patience = match (self.shared.source.troubled)(user) {
            true => Duration::ZERO,
            false => self.shared.lifetimes.patience,
        };
        let end = match timeout(patience, end_of(fetch)).await {
            Ok(Ok(held)) => return Ok(held),
            Ok(Err(trouble)) => trouble,
            Err(_) => TempFail::new(TempFailReason::Deadline, "the source has not answered yet"),
        };
        self.shared.lock().counts.stale += 1;
        Ok(Held { stale: Some(end), ..stale })
    }

    /// A record that was asked for no sooner than `since`, because an older one may have been overtaken.
    ///
    /// However many ask, the source is asked once per [`Lifetimes::refetch_pause`] about one address; whoever comes
    /// in between waits for the next time, if that is before `until`.
    ///
    /// # Errors
    /// The source cannot tell, or it is too early to ask it again ([`TempFailReason::RefetchPaused`]).
    pub async fn get_newer(
        &self,
        user: &Username,
        since: Instant,
        until: Instant,
    ) -> Result<Held<V>, TempFail> {
        loop {
            let now = Instant::now();
            let (fetch, earliest) = {
                let mut state = self.shared.lock();
                let entry = state.entries.get_mut(user);
                if let Some(entry) = entry.as_ref().filter(|entry| entry.asked >= since) {
                    return Ok(entry.hold(None));
                }
                let earliest = entry.map(|entry| entry.asked + self.shared.lifetimes.refetch_pause);
                (state.in_flight.join(user), earliest.filter(|earliest| *earliest > now))
            };
            match (fetch, earliest) {
                // It may have begun too early; then the loop goes round once more.
                (Some(fetch), _) => {
                    let held = end_of(fetch).await?;
                    if held.asked >= since {
                        return Ok(held);
                    }
                }
                (None, Some(earliest)) if earliest > until => {
                    let detail = "the source was asked about this address a moment ago";
                    return Err(TempFail::new(TempFailReason::RefetchPaused, detail));
                }
                (None, Some(earliest)) => sleep_until(earliest).await,
                (None, None) => return end_of(self.shared.begin(user, now)).await,
            }
        }
    }

    /// Forgets one address. A fetch that is under way is not kept.
    pub fn forget(&self, user: &Username) -> bool {
        let mut state = self.shared.lock();
        state.generation += 1;
        state.in_flight.invalidate_one(user);
        state.entries.remove(user).is_some()
    }

    /// Forgets every record that is meant, those that are under way too; says which those were, as far as they were here.
    pub fn forget_where(
        &self,
        is_meant: impl Fn(&V) -> bool + Send + Sync + 'static,
    ) -> Vec<(Username, Arc<V>)> {
        let is_meant = Arc::new(is_meant);
        let mut state = self.shared.lock();
        state.invalidate(Arc::clone(&is_meant));
        let meant: Vec<Username> = state
            .entries
            .iter()
            .filter(|(_, entry)| is_meant(&entry.record))
            .map(|(user, _)| user.clone())
            .collect();
        let remove = |user| state.entries.remove(&user).map(|entry| (user, entry.record));
        meant.into_iter().filter_map(remove).collect()
    }

    /// Forgets everything; says how many records that were.
    pub fn flush(&self) -> usize {
        let mut state = self.shared.lock();
        state.invalidate(Arc::new(|_: &V| true));
        let count = state.entries.len();
        state.entries.clear();
        count
    }

    /// What is known about an address, whatever its age.
    #[must_use]
    pub fn look(&self, user: &Username) -> Option<Held<V>> {
        self.shared.lock().entries.get_mut(user).map(|entry| entry.hold(None))
    }

    /// What a record is still good for.
    #[must_use]
    pub fn standing(&self, user: &Username, now: Instant) -> Option<Freshness> {
        let mut state = self.shared.lock();
        let fresh = state.entries.get_mut(user)?.is_fresh(now);
        let stale = state.stale(user, now, &self.shared.lifetimes).is_some();
        Some(match (fresh, stale) {
            (true, _) => Freshness::Fresh,
            (false, true) => Freshness::Stale,
            (false, false) => Freshness::Expired,
        })
    }

    /// Makes every record that is meant as old as it can be and still serve while the source cannot tell: whoever needs
    /// one next has it fetched. Says how many that were. What is under way and meant is not kept.
    pub fn expire_where(&self, is_meant: impl Fn(&V) -> bool + Send + Sync + 'static) -> usize {
        let is_meant = Arc::new(is_meant);
        let now = Instant::now();
        let mut state = self.shared.lock();
        state.invalidate(Arc::clone(&is_meant));
        let mut count = 0;
        for entry in state.entries.values_mut().filter(|entry| is_meant(&entry.record)) {
            entry.fresh_for = entry.fresh_for.min(millis(now.saturating_duration_since(entry.asked)));
            count += 1;
        }
        count
    }

    /// Another number than before whenever something that was known may no longer be so.
    #[must_use]
    pub fn withdrawals(&self) -> u64 {
        let state = self.shared.lock();
        state.generation + state.outdated
    }

    /// Every record, the last used first, for a file that outlives the process.
    #[must_use]
    pub fn all(&self) -> Vec<(Username, Held<V>)> {
        self.shared.lock().entries.iter().map(|(user, entry)| (user.clone(), entry.hold(None))).collect()
    }

    /// All addresses about which something is known, in no order.
    #[must_use]
    pub fn names(&self) -> Vec<Username> {
        self.shared.lock().entries.iter().map(|(user, _)| user.clone()).collect()
    }

    /// Begins to put records back that a file has kept. What is forgotten from now on is not put back.
    #[must_use]
    pub fn restoring(&self) -> Restoring<V> {
        Restoring::new(self.clone(), self.shared.lock().in_flight.begin_restoring())
    }

    /// See [`Restoring::put`].
    pub(super) fn put_back(&self, number: u64, user: Username, record: V, asked: Instant) {
        let mut state = self.shared.lock();
        let is_forgotten = state.in_flight.is_invalidated(number, &user, &record);
        if !is_forgotten && state.entries.peek_mut(&user).is_none() {
            state.keep(user, Arc::new(record), asked, &self.shared.lifetimes);
        }
    }

    pub(super) fn end_restoring(&self, number: u64) {
        self.shared.lock().in_flight.finish(number);
    }

    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> RecordCounts {
        let state = self.shared.lock();
        RecordCounts { entries: state.entries.len(), bytes: state.entries.bytes(), ..state.counts }
    }
}

impl<V: Record> Shared<V> {
    fn lock(&self) -> MutexGuard<'_, State<V>> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a fetch as a task of its own, so that nobody who leaves takes it along.
    fn begin(self: &Arc<Self>, user: &Username, now: Instant) -> watch::Receiver<FetchEnd<V>> {
        let (landing, result) = watch::channel(None);
        let number = {
            let mut state = self.lock();
            if let Some(fetch) = state.in_flight.join(user) {
                return fetch;
            }
            state.counts.fetches += 1;
            state.in_flight.begin(user.clone(), result.clone())
        };
        let (shared, user) = (Arc::clone(self), user.clone());
        let task = async move {
            let end = (shared.source.fetcher)(user.clone()).await;
            let end = shared.finish(&user, end, now, number);
            landing.send_replace(Some(end));
        };
        (self.spawner)(Box::pin(task));
        result
    }

    /// Keeps what a fetch brought, unless that was forgotten meanwhile or another fetch, begun later, was faster.
    fn finish(
        self: &Arc<Self>,
        user: &Username,
        end: Result<V, TempFail>,
        asked: Instant,
        number: u64,
    ) -> Result<Held<V>, TempFail> {
        let mut state = self.lock();
        let is_invalidated = state.in_flight.end(number, user, end.as_ref().ok());
        let record = match end {
            Ok(record) => Arc::new(record),
            Err(trouble) => {
                state.counts.failures += 1;
                return Err(trouble);
            }
        };
        let is_overtaken = state.entries.peek_mut(user).is_some_and(|entry| entry.asked > asked);
        let older = match is_invalidated || is_overtaken {
            true => None,
            false => state.keep(user.clone(), Arc::clone(&record), asked, &self.lifetimes),
        };
        drop(state);
        match (&self.source.watch, older) {
            (Some(watch), _) if is_invalidated => {
                watch.dropped(&Records { shared: Arc::clone(self) }, user, &record);
            }
            (Some(watch), Some(older)) => watch.replaced(user, &older, &record),
            _ => {}
        }
        Ok(Held { record, asked, stale: None })
    }
}

impl<V: Record> State<V> {
    /// What is under way and meant is not kept, and nobody joins anything that is under way any more.
    fn invalidate(&mut self, is_meant: Arc<impl Fn(&V) -> bool + Send + Sync + 'static>) {
        self.generation += 1;
        self.in_flight.invalidate_all(Arc::new(move |_, record| is_meant(record)));
    }

    /// A record that may still serve while the source cannot tell.
    fn stale(&mut self, user: &Username, now: Instant, lifetimes: &Lifetimes) -> Option<Held<V>> {
        let entry = self.entries.get_mut(user)?;
        let serves = !entry.record.is_absence() && now < entry.asked + lifetimes.stale_limit;
        serves.then(|| entry.hold(None))
    }

    /// Says which record it took the place of.
    fn keep(
        &mut self,
        user: Username,
        record: Arc<V>,
        asked: Instant,
        lifetimes: &Lifetimes,
    ) -> Option<Arc<V>> {
        let lifetime = if record.is_absence() { lifetimes.absent } else { lifetimes.fresh };
        let fresh = lifetime.mul_f64(1.0 - 0.1 * self.throw());
        let bytes = record.bytes() + 2 * user.as_str().len();
        let older = self.entries.peek_mut(&user).map(|entry| Arc::clone(&entry.record));
        if let Some(older) = &older {
            record.inherit(older);
            self.outdated += u64::from(record.outdates(older));
        }
        // Whoever is unknown is asked for again when somebody comes for them, not on the off-chance.
        let use_before_refresh = if record.is_absence() { fresh } else { fresh.mul_f64(2.0 / 3.0) };
        let entry = Entry {
            record,
            asked,
            fresh_for: millis(fresh),
            refresh_after: millis(use_before_refresh),
            promoted: 0,
        };
        self.entries.put(user, entry, bytes);
        older
    }

    /// A number from 0 to 1 (xorshift): good enough to spread, and nothing depends on it.
    #[expect(clippy::cast_precision_loss, reason = "32 bits fit")]
    fn throw(&mut self) -> f64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 32) as f64 / f64::from(u32::MAX)
    }
}

impl<V> std::fmt::Debug for Records<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Records(..)")
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
