//! Strikes of one kind at one place: what was wrong there, each thing once, and the wait that follows.

use std::time::{Duration, Instant};

use super::config::MOST_STRIKES;

/// How strikes turn into waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// From so many strikes on there is a wait.
    pub(super) limit: usize,
    /// The wait after that many strikes.
    pub(super) first: Duration,
    /// No wait is longer.
    pub(super) longest: Duration,
    /// A strike counts for so long.
    pub(super) forget_after: Duration,
}

impl Rule {
    /// Doubles with each strike above the limit.
    fn wait(&self, strikes: usize) -> Duration {
        let Some(above) = strikes.checked_sub(self.limit) else { return Duration::ZERO };
        let factor = u32::try_from(above).ok().and_then(|above| 2_u32.checked_pow(above)).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }
}

/// What was wrong, each thing by its digest, and when last.
#[derive(Clone, Debug, Default)]
pub(super) struct Strikes {
    seen: Vec<(u64, Instant)>,
    until: Option<Instant>,
}

impl Strikes {
    /// Counts a strike. The same thing again is no new one, and begins no wait.
    pub(super) fn add(&mut self, digest: u64, at: Instant, rule: &Rule) {
        self.forget(at, rule.forget_after);
        if let Some((_, seen)) = self.seen.iter_mut().find(|(known, _)| *known == digest) {
            *seen = at.max(*seen);
            return;
        }
        if self.seen.len() == MOST_STRIKES {
            let oldest = self.seen.iter().enumerate().min_by_key(|(_, (_, seen))| *seen);
            if let Some(place) = oldest.map(|(place, _)| place) {
                self.seen.swap_remove(place);
            }
        }
        self.seen.push((digest, at));
        let wait = rule.wait(self.seen.len());
        if !wait.is_zero() {
            self.until = self.until.max(Some(at + wait));
        }
    }

    /// Takes a strike back, and with it the wait that it would not have taken to begin.
    pub(super) fn take_back(&mut self, digest: u64, rule: &Rule) {
        self.seen.retain(|(known, _)| *known != digest);
        if self.seen.len() < rule.limit {
            self.until = None;
        }
    }

    /// Drops what is too old to count.
    pub(super) fn forget(&mut self, now: Instant, forget_after: Duration) {
        self.seen.retain(|(_, seen)| now.saturating_duration_since(*seen) < forget_after);
    }

    /// How long there is still to wait.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        self.until?.checked_duration_since(now).filter(|wait| !wait.is_zero())
    }

    /// Until when there is or was a wait.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    pub(super) fn count(&self) -> usize {
        self.seen.len()
    }

    pub(super) fn has(&self, digest: u64) -> bool {
        self.seen.iter().any(|(known, _)| *known == digest)
    }

    /// When something was wrong last.
    pub(super) fn last(&self) -> Option<Instant> {
        self.seen.iter().map(|(_, seen)| *seen).max()
    }

    /// On the heap.
    pub(super) fn bytes(&self) -> usize {
        self.seen.capacity() * size_of::<(u64, Instant)>()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test's clock may start anywhere")]
mod tests {
    use super::*;

    const RULE: Rule = Rule {
        limit: 3,
        first: Duration::from_secs(10),
        longest: Duration::from_secs(60),
        forget_after: Duration::from_secs(3600),
    };

    #[test]
    fn the_same_thing_five_hundred_times_is_one_strike() {
        let now = Instant::now();
        let mut strikes = Strikes::default();
        for second in 0..500 {
            strikes.add(7, now + Duration::from_secs(second), &RULE);
        }
        assert_eq!((strikes.count(), strikes.wait(now)), (1, None));
    }

    #[test]
    fn waits_double_up_to_the_longest_and_strikes_decay() {
        let now = Instant::now();
        let mut strikes = Strikes::default();
        let mut waits = Vec::new();
        for digest in 0..7 {
            strikes.add(digest, now, &RULE);
            waits.push(strikes.wait(now).map_or(0, |wait| wait.as_secs()));
        }
        assert_eq!(waits, [0, 0, 10, 20, 40, 60, 60]);
        let later = now + Duration::from_secs(3600);
        strikes.add(99, later, &RULE);
        assert_eq!((strikes.count(), strikes.wait(later)), (1, None));
    }

    #[test]
    fn a_strike_that_is_taken_back_ends_the_wait() {
        let now = Instant::now();
        let mut strikes = Strikes::default();
        (0..3).for_each(|digest| strikes.add(digest, now, &RULE));
        assert!(strikes.wait(now).is_some());
        strikes.take_back(1, &RULE);
        assert_eq!((strikes.count(), strikes.wait(now)), (2, None));
    }

    #[test]
    fn no_entry_grows_without_end() {
        let now = Instant::now();
        let mut strikes = Strikes::default();
        for digest in 0..10_000 {
            strikes.add(digest, now + Duration::from_millis(digest), &RULE);
        }
        assert_eq!(strikes.count(), MOST_STRIKES);
        assert!(strikes.wait(now + Duration::from_secs(10)).is_some_and(|wait| wait <= RULE.longest));
    }
}
