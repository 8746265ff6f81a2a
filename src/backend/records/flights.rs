//! Fetches that are under way, and what was forgotten since each began.
//!
//! What a fetch brings may be older than the change that was the reason to forget. It is judged when it lands, for only
//! then is it known what it is about.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use foldhash::HashMap;
use tokio::sync::watch;

use super::record::Held;
use crate::auth::{TempFail, Username};

/// More reasons to forget than this, while one and the same fetch is under way, count as one that means everybody.
const MOST_DOUBTS: usize = 1000;

/// How a fetch ended; `None` until it has.
pub(super) type Landing<V> = Option<Result<Held<V>, TempFail>>;
/// Whether a record that was under way is meant by what was forgotten.
pub(super) type Doubt<V> = Arc<dyn Fn(&Username, &V) -> bool + Send + Sync>;

/// All fetches of one source.
pub(super) struct Flights<V> {
    /// Whose result whoever comes now may share.
    joinable: HashMap<Username, Flight<V>>,
    /// The numbers of all that have not landed.
    airborne: BTreeSet<u64>,
    next: u64,
    /// What was forgotten, the oldest first, each with the number of the first fetch that began later.
    doubts: VecDeque<(u64, Doubt<V>)>,
}

struct Flight<V> {
    number: u64,
    result: watch::Receiver<Landing<V>>,
}

impl<V> Flights<V> {
    pub(super) fn new() -> Self {
        Self { joinable: HashMap::default(), airborne: BTreeSet::new(), next: 0, doubts: VecDeque::new() }
    }

    pub(super) fn join(&self, user: &Username) -> Option<watch::Receiver<Landing<V>>> {
        self.joinable.get(user).map(|flight| flight.result.clone())
    }

    /// A fetch begins; says its number.
    pub(super) fn begin(&mut self, user: Username, result: watch::Receiver<Landing<V>>) -> u64 {
        let number = self.next;
        self.next += 1;
        self.airborne.insert(number);
        self.joinable.insert(user, Flight { number, result });
        number
    }

    /// Nobody joins the fetch for this address any more, and what it brings is in doubt.
    pub(super) fn doubt_one(&mut self, user: &Username) {
        self.joinable.remove(user);
        let meant = user.clone();
        self.doubt(Arc::new(move |user, _| *user == meant));
    }

    /// Nobody joins any fetch any more: whom each will be about is not known yet.
    pub(super) fn doubt_all(&mut self, doubt: Doubt<V>) {
        self.joinable.clear();
        self.doubt(doubt);
    }

    fn doubt(&mut self, doubt: Doubt<V>) {
        if self.airborne.is_empty() {
            return;
        }
        if self.doubts.len() == MOST_DOUBTS {
            self.doubts.clear();
            self.doubts.push_back((self.next, Arc::new(|_, _| true)));
        }
        self.doubts.push_back((self.next, doubt));
    }

    /// A fetch has landed. Says whether what it brought is in doubt.
    pub(super) fn land(&mut self, number: u64, user: &Username, record: Option<&V>) -> bool {
        if self.joinable.get(user).is_some_and(|flight| flight.number == number) {
            self.joinable.remove(user);
        }
        let mut since = self.doubts.iter().filter(|(next, _)| number < *next);
        let is_doubted = record.is_some_and(|record| since.any(|(_, doubt)| doubt(user, record)));
        self.airborne.remove(&number);
        let oldest = self.airborne.first().copied().unwrap_or(u64::MAX);
        while self.doubts.front().is_some_and(|(next, _)| *next <= oldest) {
            self.doubts.pop_front();
        }
        is_doubted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> Username {
        Username::parse(name.as_bytes()).unwrap()
    }

    fn begin(flights: &mut Flights<u32>, name: &str) -> u64 {
        flights.begin(user(name), watch::channel(None).1)
    }

    #[test]
    fn what_is_in_doubt_is_what_was_meant_since_it_began() {
        let mut flights = Flights::new();
        let [ann, ben] = ["ann@example.org", "ben@example.org"].map(|name| begin(&mut flights, name));
        flights.doubt_all(Arc::new(|_, record| *record == 7));
        let later = begin(&mut flights, "cyd@example.org");
        assert!(flights.land(ann, &user("ann@example.org"), Some(&7)));
        assert!(!flights.land(ben, &user("ben@example.org"), Some(&8)));
        assert!(flights.doubts.is_empty());
        assert!(!flights.land(later, &user("cyd@example.org"), Some(&7)));
    }

    #[test]
    fn one_address_is_doubted_alone_whether_or_not_it_can_be_joined() {
        let mut flights = Flights::new();
        let ann = begin(&mut flights, "ann@example.org");
        let ben = begin(&mut flights, "ben@example.org");
        flights.doubt_one(&user("ann@example.org"));
        assert!(flights.join(&user("ann@example.org")).is_none());
        assert!(flights.join(&user("ben@example.org")).is_some());
        // A second one for the same address, begun since, is in no doubt.
        let again = begin(&mut flights, "ann@example.org");
        assert!(flights.land(ann, &user("ann@example.org"), Some(&1)));
        assert!(flights.join(&user("ann@example.org")).is_some(), "the second one");
        assert!(!flights.land(again, &user("ann@example.org"), Some(&1)));
        assert!(!flights.land(ben, &user("ben@example.org"), Some(&1)));
    }

    #[test]
    fn reasons_that_nobody_needs_are_not_kept_and_the_others_have_a_bound() {
        let mut flights = Flights::<u32>::new();
        flights.doubt_one(&user("ann@example.org"));
        assert!(flights.doubts.is_empty());
        let ann = begin(&mut flights, "ann@example.org");
        for _ in 0..3 * MOST_DOUBTS {
            flights.doubt_all(Arc::new(|_, _| false));
        }
        assert!(flights.doubts.len() <= MOST_DOUBTS);
        assert!(flights.land(ann, &user("ann@example.org"), Some(&1)), "more than can be told apart");
        assert!(flights.doubts.is_empty() && flights.airborne.is_empty());
    }
}
