//! Writes the history while it happens.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::history::{Act, Event, Outcome, Time};

/// One clock for all clients, and what they have done so far.
pub struct Recorder {
    start: Instant,
    /// The same moment by the machine's clock, which logs show.
    wall: SystemTime,
    events: Mutex<Vec<Event>>,
}

impl Recorder {
    /// The run begins now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now(), wall: SystemTime::now(), events: Mutex::default() }
    }

    /// Milliseconds since the run began.
    pub fn now(&self) -> Time {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(Time::MAX)
    }

    /// A moment of a log whose clock is so far ahead; `None`: before the run.
    pub fn moment(&self, wall: SystemTime, ahead: Duration) -> Option<Time> {
        let since = wall.duration_since(self.wall).ok()?.checked_sub(ahead)?;
        u64::try_from(since.as_millis()).ok()
    }

    /// Does something and writes down when, and what came of it.
    pub fn record(&self, node: &str, act: Act, does: impl FnOnce() -> Outcome) -> Outcome {
        let begin = self.now();
        let result = does();
        self.note(Event { begin, end: self.now(), node: node.to_owned(), act, result });
        result
    }

    /// Writes down what has happened.
    pub fn note(&self, event: Event) {
        self.lock().push(event);
    }

    /// Everything so far, in the order in which it ended.
    pub fn history(&self) -> Vec<Event> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
