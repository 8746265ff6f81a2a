//! Records in memory, bounded in bytes. What says that there is nothing has a budget of its own, so that a stranger who
//! tries a million names pushes out other strangers' names and nobody's record.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::bounded::BoundedMap;
use super::record::{Held, Record};
use crate::auth::{TempFail, Username};

/// Absences get one part in so many of the memory.
const ABSENCES: usize = 16;

/// One record.
pub(super) struct Entry<V> {
    pub(super) record: Arc<V>,
    pub(super) asked: Instant,
    /// All three in milliseconds after it was asked for, because there may be a million entries: how long it is fresh,
    pub(super) fresh_for: u32,
    /// when it should be fetched anew if it is used,
    pub(super) refresh_after: u32,
    /// and when it was last made the last used.
    pub(super) promoted: u32,
}

/// Records by address; each address has one.
pub(super) struct Entries<V> {
    records: BoundedMap<Username, Entry<V>>,
    absences: BoundedMap<Username, Entry<V>>,
}

impl<V: Record> Entries<V> {
    pub(super) fn new(max_bytes: usize) -> Self {
        let of_absences = max_bytes / ABSENCES;
        Self { records: BoundedMap::new(max_bytes - of_absences), absences: BoundedMap::new(of_absences) }
    }

    /// Finds an entry, which is then the last used.
    pub(super) fn get_mut(&mut self, user: &Username) -> Option<&mut Entry<V>> {
        self.records.get_mut(user).or_else(|| self.absences.get_mut(user))
    }

    /// Finds an entry and leaves it where it is among the others.
    pub(super) fn peek_mut(&mut self, user: &Username) -> Option<&mut Entry<V>> {
        self.records.peek_mut(user).or_else(|| self.absences.peek_mut(user))
    }

    /// Makes an entry the last used.
    pub(super) fn promote(&mut self, user: &Username) {
        self.records.promote(user);
        self.absences.promote(user);
    }

    /// Puts an entry in place of an older one of this address. `bytes` is what both take on the heap.
    pub(super) fn put(&mut self, user: Username, entry: Entry<V>, bytes: usize) {
        let (into, other) = match entry.record.is_absence() {
            true => (&mut self.absences, &mut self.records),
            false => (&mut self.records, &mut self.absences),
        };
        other.remove(&user);
        into.put(user, entry, bytes);
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, user: &Username) -> Option<Entry<V>> {
        self.records.remove(user).or_else(|| self.absences.remove(user))
    }

    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.absences.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.records.len() + self.absences.len()
    }

    /// About how many bytes they take.
    pub(super) fn bytes(&self) -> usize {
        self.records.bytes() + self.absences.bytes()
    }

    /// Every entry; none is used by that.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Entry<V>> {
        self.records.values_mut().chain(self.absences.values_mut())
    }

    /// Every entry with its address, absences behind, each the last used first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Username, &Entry<V>)> {
        self.records.iter().chain(self.absences.iter())
    }
}

/// Milliseconds, 49 days at most.
pub(super) fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

impl<V> Entry<V> {
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        millis(now.saturating_duration_since(self.asked)) < self.fresh_for
    }

    pub(super) fn hold(&self, stale: Option<TempFail>) -> Held<V> {
        Held { record: Arc::clone(&self.record), asked: self.asked, stale }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of some size, or an absence.
    struct Sample(bool);

    impl Record for Sample {
        fn bytes(&self) -> usize {
            200
        }
        fn is_absence(&self) -> bool {
            self.0
        }
        fn inherit(&self, _: &Self) {}
        fn outdates(&self, _: &Self) -> bool {
            false
        }
    }

    fn user(name: &str) -> Username {
        Username::parse(name.as_bytes()).unwrap()
    }

    fn put(entries: &mut Entries<Sample>, name: &str, is_absence: bool) {
        let (record, asked) = (Arc::new(Sample(is_absence)), Instant::now());
        let entry = Entry { record, asked, fresh_for: 1, refresh_after: 1, promoted: 0 };
        entries.put(user(name), entry, 200);
    }

    #[test]
    fn a_million_random_names_push_no_record_out_and_take_bounded_memory() {
        const MAX_BYTES: usize = 4 << 20;
        let mut entries = Entries::new(MAX_BYTES);
        let name = |number| format!("p{number}@example.org");
        (0..5000).for_each(|number| put(&mut entries, &name(number), false));
        (0..1_000_000).for_each(|number| put(&mut entries, &format!("x{number}@example.org"), true));
        assert!((0..5000).all(|number| entries.peek_mut(&user(&name(number))).is_some()));
        assert!(entries.absences.bytes() <= MAX_BYTES / ABSENCES && entries.bytes() <= MAX_BYTES);
        assert!(entries.len() > 5000);
    }

    #[test]
    fn an_address_has_one_entry_whatever_it_was_before() {
        let mut entries = Entries::new(1 << 20);
        for is_absence in [true, false, true] {
            put(&mut entries, "a@example.org", is_absence);
            assert_eq!(entries.len(), 1);
            assert_eq!(entries.get_mut(&user("a@example.org")).unwrap().record.is_absence(), is_absence);
        }
        assert!(entries.remove(&user("a@example.org")).is_some());
        assert_eq!((entries.len(), entries.bytes()), (0, 0));
    }
}
