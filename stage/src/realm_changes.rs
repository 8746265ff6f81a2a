//! What a case changed in the realm that it was lent, told from the paths of its calls.

use std::sync::atomic::{AtomicBool, Ordering};

/// What was changed in a leased realm.
#[derive(Default)]
pub(crate) struct RealmChanges {
    /// People came, went or are others now.
    people: AtomicBool,
    /// Anything else: it is not lent again.
    settings: AtomicBool,
}

impl RealmChanges {
    /// A call that may change something.
    pub(crate) fn note(&self, path: &str) {
        let of_people = path.contains("/users/") && !path.contains("/users/profile");
        let kind = if of_people || path.ends_with("/partialImport") { &self.people } else { &self.settings };
        kind.store(true, Ordering::Relaxed);
    }

    /// Whether people came, went or are others now.
    pub(crate) fn in_people(&self) -> bool {
        self.people.load(Ordering::Relaxed)
    }

    /// Whether anything but people was changed.
    pub(crate) fn in_settings(&self) -> bool {
        self.settings.load(Ordering::Relaxed)
    }
}
