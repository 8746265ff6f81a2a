//! A map that is bounded in bytes: the longest unused entry goes first.

use std::hash::Hash;

use foldhash::quality::RandomState;
use lru::LruCache;

/// What an entry costs beside its key and value: the map's own links, and room for growth.
const OVERHEAD_BYTES: usize = 96;

/// A map with a bound in bytes. An entry larger than the bound is not kept.
pub(crate) struct BoundedMap<K: Hash + Eq, V> {
    entries: LruCache<K, (V, usize), RandomState>,
    bytes: usize,
    max_bytes: usize,
}

impl<K: Hash + Eq, V> BoundedMap<K, V> {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { entries: LruCache::unbounded_with_hasher(RandomState::default()), bytes: 0, max_bytes }
    }

    /// Finds an entry, which is then the last used.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|(value, _)| value)
    }

    /// Finds an entry and leaves it where it is among the others.
    pub(crate) fn peek_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.peek_mut(key).map(|(value, _)| value)
    }

    /// Makes an entry the last used.
    pub(crate) fn promote(&mut self, key: &K) {
        self.entries.promote(key);
    }

    /// Puts an entry in place of an older one of this key. `bytes` is what key and value take on the heap.
    pub(crate) fn put(&mut self, key: K, value: V, bytes: usize) {
        let bytes = bytes + OVERHEAD_BYTES + size_of::<(K, V)>();
        if bytes > self.max_bytes {
            self.remove(&key);
            return;
        }
        let replaced = self.entries.put(key, (value, bytes)).map_or(0, |(_, bytes)| bytes);
        self.bytes = self.bytes + bytes - replaced;
        while self.bytes > self.max_bytes {
            let Some((_, (_, bytes))) = self.entries.pop_lru() else { break };
            self.bytes -= bytes;
        }
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let (value, bytes) = self.entries.pop(key)?;
        self.bytes -= bytes;
        Some(value)
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// About how many bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Every value; none is used by that.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.iter_mut().map(|(_, (value, _))| value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, (value, _))| (key, value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_unused_goes_first() {
        let entry = OVERHEAD_BYTES + size_of::<(u8, u8)>() + 10;
        let mut map = BoundedMap::new(3 * entry);
        for key in 0..3_u8 {
            map.put(key, key, 10);
        }
        assert_eq!(map.get_mut(&0), Some(&mut 0));
        map.put(3, 3, 10);
        assert_eq!(map.get_mut(&1), None);
        assert_eq!((map.len(), map.bytes()), (3, 3 * entry));
        assert!([0, 2, 3].iter().all(|key| map.get_mut(key).is_some()));
        map.put(0, 9, 3 * entry);
        assert_eq!(map.get_mut(&0), None);
        assert_eq!(map.len(), 2);
    }

    proptest! {
        /// The count is right whatever is put, replaced and removed.
        #[test]
        fn the_bound_holds(steps in proptest::collection::vec((0_u8..8, 0_usize..400, any::<bool>()), 0..100)) {
            let mut map = BoundedMap::new(1000);
            for (key, bytes, put) in steps {
                if put {
                    map.put(key, bytes, bytes);
                } else {
                    map.remove(&key);
                }
                let counted: usize = map.entries.iter().map(|(_, (_, bytes))| *bytes).sum();
                prop_assert_eq!(counted, map.bytes());
                prop_assert!(map.bytes() <= 1000);
            }
        }
    }
}
