//! Who was let in from where, not long ago.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::place::Place;
use crate::auth::Username;

/// Places that are looked through for one fingerprint.
const WAYS: usize = 8;
/// 1 MiB in all. Beyond that the oldest pair among eight is forgotten, and is noted again at its next login.
const SLOTS: usize = 1 << 17;
/// A pair is noted again no sooner, so that a busy login writes nothing.
const REFRESH: Duration = Duration::from_secs(600);
/// Bits of a slot that hold seconds; the others hold the fingerprint.
const SECOND_BITS: u32 = 32;

/// Pairs of account and place, each with the time of its last success. Nothing is locked: every login passes here.
pub(super) struct Familiar {
    slots: Box<[AtomicU64]>,
    hasher: foldhash::quality::RandomState,
    began: Instant,
}

impl Familiar {
    /// `began` stands for the oldest moment that can be noted.
    pub(super) fn new(began: Instant) -> Self {
        let slots = (0..SLOTS).map(|_| AtomicU64::new(0)).collect();
        Self { slots, hasher: foldhash::quality::RandomState::default(), began }
    }

    /// Takes down a success. Says whether it was worth it: not where the same was taken down a moment ago.
    pub(super) fn note(&self, user: &Username, place: Place, at: Instant) -> bool {
        let (slots, fingerprint) = self.find(user, place);
        let second = self.second(at);
        let known = slots.iter().find(|slot| slot.load(Relaxed) >> SECOND_BITS == fingerprint);
        if let Some(slot) = known {
            let old = slot.load(Relaxed) & u64::from(u32::MAX);
            let is_due = second >= old + REFRESH.as_secs();
            if is_due {
                slot.store(fingerprint << SECOND_BITS | second, Relaxed);
            }
            return is_due;
        }
        if let Some(oldest) = slots.iter().min_by_key(|slot| slot.load(Relaxed) & u64::from(u32::MAX)) {
            oldest.store(fingerprint << SECOND_BITS | second, Relaxed);
        }
        true
    }

    /// Whether there was a success within this time, or so.
    pub(super) fn knows(&self, user: &Username, place: Place, now: Instant, within: Duration) -> bool {
        let (slots, fingerprint) = self.find(user, place);
        let oldest = self.second(now).saturating_sub(within.as_secs());
        slots
            .iter()
            .map(|slot| slot.load(Relaxed))
            .any(|slot| slot >> SECOND_BITS == fingerprint && slot & u64::from(u32::MAX) >= oldest.max(1))
    }

    fn find(&self, user: &Username, place: Place) -> (&[AtomicU64], u64) {
        let hash = self.hasher.hash_one((user, place));
        let bucket = usize::try_from(hash & u64::from(u32::MAX)).unwrap_or_default() % (SLOTS / WAYS);
        // 0 is a slot that was never used.
        (&self.slots[bucket * WAYS..][..WAYS], (hash >> SECOND_BITS).max(1))
    }

    fn second(&self, at: Instant) -> u64 {
        // One, so that no second is that of an unused slot.
        at.saturating_duration_since(self.began).as_secs() + 1
    }
}

impl std::fmt::Debug for Familiar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Familiar(..)")
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test's clock may start anywhere")]
mod tests {
    use super::*;

    #[test]
    fn a_success_is_remembered_for_its_time_and_place() {
        let now = Instant::now();
        let familiar = Familiar::new(now);
        let (alice, bob) = (user("alice@example.org"), user("bob@example.org"));
        let home = Place::Host4([192, 0, 2, 1]);
        let day = Duration::from_secs(86_400);
        assert!(!familiar.knows(&alice, home, now, day));
        assert!(familiar.note(&alice, home, now));
        assert!(!familiar.note(&alice, home, now + Duration::from_secs(599)));
        assert!(familiar.knows(&alice, home, now + day, day));
        assert!(!familiar.knows(&alice, home, now + day + Duration::from_secs(2), day));
        assert!(!familiar.knows(&bob, home, now, day));
        assert!(!familiar.knows(&alice, home.wide(), now, day));
        assert!(familiar.note(&alice, home, now + Duration::from_secs(600)));
    }

    #[test]
    fn twenty_thousand_people_are_remembered_at_once() {
        let now = Instant::now();
        let familiar = Familiar::new(now);
        let home = Place::Host4([192, 0, 2, 1]);
        let people: Vec<_> = (0..20_000).map(|number| user(&format!("p{number}@example.org"))).collect();
        people.iter().for_each(|person| assert!(familiar.note(person, home, now)));
        let known = people.iter().filter(|person| familiar.knows(person, home, now, REFRESH)).count();
        // A bucket of eight overflows now and then.
        assert!(known > 19_900, "{known}");
    }

    fn user(name: &str) -> Username {
        Username::parse(name.as_bytes()).unwrap()
    }
}
