//! The clock of logins. It is read here and nowhere else; everybody else is told.

use std::time::{Instant, SystemTime};

/// When a request came in. Those that came in one piece came at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// By the clock that never goes back.
    pub monotonic: Instant,
    /// By the wall clock.
    pub wall: SystemTime,
}

impl Arrival {
    /// Reads both clocks.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the home of the clock")]
    pub fn now() -> Self {
        Self { monotonic: now(), wall: SystemTime::now() }
    }
}

/// Reads the clock that never goes back.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the home of the clock")]
pub fn now() -> Instant {
    Instant::now()
}
