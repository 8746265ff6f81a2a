//! Settings that change while keydove runs.

use std::sync::{Arc, PoisonError, RwLock};

/// A value that one part sets and others read; clones are the same place.
///
/// Readers get a share of the value as it is now, so that nothing stays locked while they work with it.
#[derive(Debug)]
pub struct Live<T>(Arc<RwLock<Arc<T>>>);

impl<T> Live<T> {
    /// A place with its first value.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(value))))
    }

    /// The value as it is now.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another value in its place. Whoever has the old one keeps it.
    pub fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::Live;

    #[test]
    fn a_clone_sees_the_new_value_and_a_reader_keeps_the_old_one() {
        let here = Live::new(1);
        let there = here.clone();
        let old = there.get();
        here.set(2);
        assert_eq!((*old, *there.get()), (1, 2));
    }
}
