//! The one place that reads the clock.

/// Tells the time, in seconds since 1970. Tests bring their own.
#[derive(Clone, Copy, Debug)]
pub struct Clock(fn() -> u64);

impl Clock {
    /// The machine's.
    #[must_use]
    pub fn of_the_machine() -> Self {
        Self(read)
    }

    /// Another one.
    #[must_use]
    pub fn new(now: fn() -> u64) -> Self {
        Self(now)
    }

    /// Now.
    #[must_use]
    pub fn now(self) -> u64 {
        (self.0)()
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where the portal reads the wall clock")]
fn read() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map(|since| since.as_secs()).unwrap_or_default()
}
