//! Fetches that are under way, and what was forgotten since each began.
//!
//! What a fetch brings may be older than the change that was the reason to forget. It is judged when it ends, for only
//! then is it known what it is about.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use foldhash::HashMap;
use tokio::sync::watch;

use super::record::Held;
use crate::auth::{TempFail, TempFailReason, Username};

/// More reasons to forget than this, while one and the same fetch is under way, count as one that means everybody.
const MOST_INVALIDATIONS: usize = 1000;

/// How a fetch ended; `None` until it has.
pub(super) type FetchEnd<V> = Option<Result<Held<V>, TempFail>>;
/// Whether a record that was under way is meant by what was forgotten.
pub(super) type Invalidation<V> = Arc<dyn Fn(&Username, &V) -> bool + Send + Sync>;

/// Waits for a fetch.
pub(super) async fn end_of<V>(mut fetch: watch::Receiver<FetchEnd<V>>) -> Result<Held<V>, TempFail> {
    match fetch.wait_for(Option::is_some).await {
        Ok(landing) => landing.clone().unwrap_or_else(|| Err(stopping())),
        Err(_) => Err(stopping()),
    }
}

fn stopping() -> TempFail {
    TempFail::new(TempFailReason::Stopping, "keydove is stopping")
}

/// All fetches of one source.
pub(super) struct InFlight<V> {
    /// Whose result whoever comes now may share.
    joinable: HashMap<Username, Fetch<V>>,
    /// The numbers of all that have not ended.
    unfinished: BTreeSet<u64>,
    next: u64,
    /// What was forgotten, the oldest first, each with the number of the first fetch that began later.
    invalidations: VecDeque<(u64, Invalidation<V>)>,
}

struct Fetch<V> {
    number: u64,
    result: watch::Receiver<FetchEnd<V>>,
}

impl<V> InFlight<V> {
    pub(super) fn new() -> Self {
        Self {
            joinable: HashMap::default(),
            unfinished: BTreeSet::new(),
            next: 0,
            invalidations: VecDeque::new(),
        }
    }

    pub(super) fn join(&self, user: &Username) -> Option<watch::Receiver<FetchEnd<V>>> {
        self.joinable.get(user).map(|fetch| fetch.result.clone())
    }

    /// A fetch begins; says its number.
    pub(super) fn begin(&mut self, user: Username, result: watch::Receiver<FetchEnd<V>>) -> u64 {
        let number = self.next;
        self.next += 1;
        self.unfinished.insert(number);
        self.joinable.insert(user, Fetch { number, result });
        number
    }

    /// Records are put back from a file, which nobody can join; says the number of that.
    pub(super) fn begin_restoring(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        self.unfinished.insert(number);
        number
    }

    /// Nobody joins the fetch for this address any more, and what it brings is invalidated.
    pub(super) fn invalidate_one(&mut self, user: &Username) {
        self.joinable.remove(user);
        let meant = user.clone();
        self.invalidate(Arc::new(move |user, _| *user == meant));
    }

    /// Nobody joins any fetch any more: whom each will be about is not known yet.
    pub(super) fn invalidate_all(&mut self, invalidation: Invalidation<V>) {
        self.joinable.clear();
        self.invalidate(invalidation);
    }

    fn invalidate(&mut self, invalidation: Invalidation<V>) {
        if self.unfinished.is_empty() {
            return;
        }
        if self.invalidations.len() == MOST_INVALIDATIONS {
            self.invalidations.clear();
            self.invalidations.push_back((self.next, Arc::new(|_, _| true)));
        }
        self.invalidations.push_back((self.next, invalidation));
    }

    /// A fetch has ended. Says whether what it brought is invalid.
    pub(super) fn end(&mut self, number: u64, user: &Username, record: Option<&V>) -> bool {
        if self.joinable.get(user).is_some_and(|fetch| fetch.number == number) {
            self.joinable.remove(user);
        }
        let is_invalidated = record.is_some_and(|record| self.is_invalidated(number, user, record));
        self.finish(number);
        is_invalidated
    }

    /// Whether a record is one of those that were forgotten since this began.
    pub(super) fn is_invalidated(&self, number: u64, user: &Username, record: &V) -> bool {
        let mut since = self.invalidations.iter().filter(|(next, _)| number < *next);
        since.any(|(_, invalidation)| invalidation(user, record))
    }

    /// Nothing more comes of this.
    pub(super) fn finish(&mut self, number: u64) {
        self.unfinished.remove(&number);
        let oldest = self.unfinished.first().copied().unwrap_or(u64::MAX);
        while self.invalidations.front().is_some_and(|(next, _)| *next <= oldest) {
            self.invalidations.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> Username {
        Username::parse(name.as_bytes()).unwrap()
    }

    fn begin(in_flight: &mut InFlight<u32>, name: &str) -> u64 {
        in_flight.begin(user(name), watch::channel(None).1)
    }

    #[test]
    fn what_is_invalidated_is_what_was_meant_since_it_began() {
        let mut in_flight = InFlight::new();
        let [ann, ben] = ["ann@example.org", "ben@example.org"].map(|name| begin(&mut in_flight, name));
        in_flight.invalidate_all(Arc::new(|_, record| *record == 7));
        let later = begin(&mut in_flight, "cyd@example.org");
        assert!(in_flight.end(ann, &user("ann@example.org"), Some(&7)));
        assert!(!in_flight.end(ben, &user("ben@example.org"), Some(&8)));
        assert!(in_flight.invalidations.is_empty());
        assert!(!in_flight.end(later, &user("cyd@example.org"), Some(&7)));
    }

    #[test]
    fn one_address_is_invalidated_alone_whether_or_not_it_can_be_joined() {
        let mut in_flight = InFlight::new();
        let ann = begin(&mut in_flight, "ann@example.org");
        let ben = begin(&mut in_flight, "ben@example.org");
        in_flight.invalidate_one(&user("ann@example.org"));
        assert!(in_flight.join(&user("ann@example.org")).is_none());
        assert!(in_flight.join(&user("ben@example.org")).is_some());
        // A second one for the same address, begun since, is not invalidated.
        let again = begin(&mut in_flight, "ann@example.org");
        assert!(in_flight.end(ann, &user("ann@example.org"), Some(&1)));
        assert!(in_flight.join(&user("ann@example.org")).is_some(), "the second one");
        assert!(!in_flight.end(again, &user("ann@example.org"), Some(&1)));
        assert!(!in_flight.end(ben, &user("ben@example.org"), Some(&1)));
    }

    #[test]
    fn reasons_that_nobody_needs_are_not_kept_and_the_others_have_a_bound() {
        let mut in_flight = InFlight::<u32>::new();
        in_flight.invalidate_one(&user("ann@example.org"));
        assert!(in_flight.invalidations.is_empty());
        let ann = begin(&mut in_flight, "ann@example.org");
        for _ in 0..3 * MOST_INVALIDATIONS {
            in_flight.invalidate_all(Arc::new(|_, _| false));
        }
        assert!(in_flight.invalidations.len() <= MOST_INVALIDATIONS);
        assert!(in_flight.end(ann, &user("ann@example.org"), Some(&1)), "more than can be told apart");
        assert!(in_flight.invalidations.is_empty() && in_flight.unfinished.is_empty());
    }
}
