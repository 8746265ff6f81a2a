//! The clock of logins. It is read here and nowhere else; everybody else is told.

use std::time::{Instant, SystemTime};

/// When a request came in. Those that came in one piece came at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    /// By the clock that never goes back.
    pub(super) monotonic: Instant,
    /// By the wall clock.
    pub(super) wall: SystemTime,
}

impl Arrival {
    #[expect(clippy::disallowed_methods, reason = "the home of the clock")]
    pub(super) fn now() -> Self {
        Self { monotonic: now(), wall: SystemTime::now() }
    }
}

#[expect(clippy::disallowed_methods, reason = "the home of the clock")]
pub(super) fn now() -> Instant {
    Instant::now()
}
