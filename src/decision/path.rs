//! What a login took.

use std::time::Duration;

pub use crate::observe::LoginPath as Path;

impl Path {
    /// Takes down that something has served which is older than it should be, and how old. The oldest counts.
    pub(super) fn note_stale(&mut self, age: Option<Duration>) {
        if let Some(age) = age {
            *self = (*self).max(Self::Stale(age));
        }
    }
}
