//! Questions to a backend, by how they ended.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use super::{Histogram, HistogramSnapshot};
use crate::auth::TempFailReason;

/// Counts questions to one backend.
#[derive(Debug)]
pub struct Calls {
    /// Answered; then each reason by its [index](TempFailReason::index).
    results: Box<[AtomicU64]>,
    /// The place in `results` of the last one.
    last: AtomicUsize,
    seconds: Histogram,
}

/// What was counted so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallsSnapshot {
    /// `ok` or the reason code, and how often; those that never happened are left out, `ok` is not.
    pub results: Vec<(&'static str, u64)>,
    /// How long they took.
    pub seconds: HistogramSnapshot,
}

impl Default for Calls {
    fn default() -> Self {
        let results = (0..=TempFailReason::all().count()).map(|_| AtomicU64::new(0)).collect();
        Self { results, last: AtomicUsize::new(0), seconds: Histogram::of_answers() }
    }
}

impl Calls {
    /// Counts one.
    pub fn count(&self, end: Result<(), TempFailReason>, took: Duration) {
        let place = match end {
            Ok(()) => 0,
            Err(reason) => 1 + reason.index(),
        };
        self.results[place].fetch_add(1, Relaxed);
        self.last.store(place, Relaxed);
        self.seconds.observe(took);
    }

    /// Why the last one failed, if it did.
    #[must_use]
    pub fn last_failure(&self) -> Option<TempFailReason> {
        let index = self.last.load(Relaxed).checked_sub(1)?;
        TempFailReason::all().nth(index)
    }

    /// What was counted so far.
    #[must_use]
    pub fn snapshot(&self) -> CallsSnapshot {
        let codes = ["ok"].into_iter().chain(TempFailReason::all().map(TempFailReason::code));
        let counts = self.results.iter().map(|count| count.load(Relaxed));
        let happened = |&(code, count): &(&str, u64)| code == "ok" || count > 0;
        CallsSnapshot {
            results: codes.zip(counts).filter(happened).collect(),
            seconds: self.seconds.snapshot(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TempFailReason::{KeycloakTimeout, SqlError};

    #[test]
    fn ends_are_told_apart_and_the_last_one_is_known() {
        let calls = Calls::default();
        assert_eq!((calls.last_failure(), calls.snapshot().results), (None, vec![("ok", 0)]));
        for end in [Err(KeycloakTimeout), Err(SqlError), Ok(()), Err(KeycloakTimeout)] {
            calls.count(end, Duration::from_millis(1));
        }
        assert_eq!(calls.last_failure(), Some(KeycloakTimeout));
        let CallsSnapshot { results, seconds } = calls.snapshot();
        assert_eq!(results, [("ok", 1), ("keycloak_timeout", 2), ("sql_error", 1)]);
        assert_eq!(seconds.count, 4);
        calls.count(Ok(()), Duration::ZERO);
        assert_eq!(calls.last_failure(), None);
    }
}
