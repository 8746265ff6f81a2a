//! A circuit breaker: a backend that is slow to fail, or asks to be spared, is left alone for a while, so that its
//! silence is waited for once and not by everybody.
//!
//! One that fails at once (nobody listens, a wrong secret) costs a login nothing, and is asked each time, so that
//! service returns with the first login after it is mended.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

// Tokio's clock instead of std's: tests move it.
use tokio::time::Instant;

use crate::auth::{TempFail, TempFailReason};

/// So many failures in a row open the breaker: one may be an accident.
const FAILURES: u32 = 2;
/// The first pause; each probe that fails doubles it.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause: so long service takes to return by itself.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A failure that took longer was waited for.
const WAITED: Duration = Duration::from_millis(250);

/// How things stand with a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It answers.
    Closed,
    /// One call is under way to see whether it answers again.
    HalfOpen,
    /// It is left alone.
    Open,
}

/// Leave to call the backend once.
#[derive(Debug)]
pub struct Permit {
    began: Instant,
}

/// Guards one backend.
#[derive(Debug, Default)]
pub struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Set while the breaker is not closed.
    tripped: Option<Tripped>,
}

#[derive(Debug)]
struct Tripped {
    trouble: TempFail,
    pause: Duration,
    until: Instant,
    /// When the call that looks went out. One that never came back is given up after the longest pause.
    probing: Option<Instant>,
}

impl Breaker {
    /// Asks whether the backend may be called now. Who may has to [`report`](Self::report).
    ///
    /// # Errors
    /// The trouble that opened the breaker, at once.
    pub fn admit(&self, now: Instant) -> Result<Permit, TempFail> {
        let mut state = self.lock();
        let Some(tripped) = &mut state.tripped else { return Ok(Permit { began: now }) };
        let is_probed = tripped.probing.is_some_and(|since| now < since + LONGEST_PAUSE);
        if now < tripped.until || is_probed {
            let detail = format!("not asked again yet after: {}", tripped.trouble.detail);
            return Err(TempFail::new(tripped.trouble.reason, detail));
        }
        tripped.probing = Some(now);
        Ok(Permit { began: now })
    }

    /// Says how a call ended.
    #[expect(clippy::needless_pass_by_value, reason = "a permit is for one call")]
    pub fn report<T>(&self, permit: Permit, end: &Result<T, TempFail>, now: Instant) {
        match end {
            Err(trouble) if now > permit.began + WAITED || asks_to_be_spared(trouble.reason) => {
                self.fail(trouble, now);
            }
            Ok(_) | Err(_) => *self.lock() = State::default(),
        }
    }

    /// How things stand.
    #[must_use]
    pub fn condition(&self) -> Condition {
        match &self.lock().tripped {
            None => Condition::Closed,
            Some(Tripped { probing: Some(_), .. }) => Condition::HalfOpen,
            Some(_) => Condition::Open,
        }
    }

    /// Whether waiting for the backend is likely to be in vain.
    #[must_use]
    pub fn is_troubled(&self) -> bool {
        self.condition() != Condition::Closed
    }

    fn fail(&self, trouble: &TempFail, now: Instant) {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        let pause = match &state.tripped {
            // A call that was under way when the breaker opened says nothing new.
            Some(tripped) if tripped.probing.is_none() => return,
            Some(tripped) => (tripped.pause * 2).min(LONGEST_PAUSE),
            None if state.failures >= FAILURES => PAUSE,
            None => return,
        };
        state.tripped = Some(Tripped { trouble: trouble.clone(), pause, until: now + pause, probing: None });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether asking again at once would make it worse.
fn asks_to_be_spared(reason: TempFailReason) -> bool {
    matches!(reason, TempFailReason::KeycloakRateLimited | TempFailReason::KeycloakServerError)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const DOWN: TempFailReason = TempFailReason::KeycloakTimeout;

    /// A call that was waited for in vain.
    fn fail(breaker: &Breaker, reason: TempFailReason) {
        report(breaker, reason, WAITED + Duration::from_millis(1));
    }

    fn report(breaker: &Breaker, reason: TempFailReason, took: Duration) {
        let now = Instant::now();
        breaker.report::<()>(Permit { began: now - took }, &Err(TempFail::new(reason, "no answer")), now);
    }

    fn succeed(breaker: &Breaker) {
        let now = Instant::now();
        breaker.report(Permit { began: now }, &Ok(()), now);
    }

    fn admits(breaker: &Breaker) -> bool {
        breaker.admit(Instant::now()).is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_failures_in_a_row_and_says_which() {
        let breaker = Breaker::default();
        fail(&breaker, DOWN);
        succeed(&breaker);
        fail(&breaker, DOWN);
        assert!(admits(&breaker));
        fail(&breaker, DOWN);
        assert_eq!(breaker.condition(), Condition::Open);
        let trouble = breaker.admit(Instant::now()).unwrap_err();
        assert_eq!((trouble.reason, trouble.detail.as_str()), (DOWN, "not asked again yet after: no answer"));
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_at_a_time_looks_again() {
        let breaker = Breaker::default();
        fail(&breaker, DOWN);
        fail(&breaker, DOWN);
        advance(Duration::from_secs(1)).await;
        assert!(admits(&breaker) && !admits(&breaker));
        assert_eq!(breaker.condition(), Condition::HalfOpen);
        succeed(&breaker);
        assert!(admits(&breaker) && admits(&breaker) && !breaker.is_troubled());
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_their_limit() {
        let breaker = Breaker::default();
        fail(&breaker, DOWN);
        fail(&breaker, DOWN);
        for pause in [1, 2, 4, 5, 5] {
            advance(Duration::from_millis(pause * 1000 - 1)).await;
            assert!(!admits(&breaker), "{pause}");
            advance(Duration::from_millis(1)).await;
            assert!(admits(&breaker), "{pause}");
            fail(&breaker, DOWN);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_never_came_back_is_given_up() {
        let breaker = Breaker::default();
        fail(&breaker, DOWN);
        fail(&breaker, DOWN);
        advance(Duration::from_secs(1)).await;
        assert!(admits(&breaker));
        advance(LONGEST_PAUSE).await;
        assert!(admits(&breaker));
    }

    #[tokio::test(start_paused = true)]
    async fn late_failures_of_earlier_calls_lengthen_no_pause() {
        let breaker = Breaker::default();
        for _ in 0..100 {
            fail(&breaker, DOWN);
        }
        advance(Duration::from_secs(1)).await;
        assert!(admits(&breaker));
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_at_once_opens_nothing_unless_it_asks_to_be_spared() {
        let breaker = Breaker::default();
        for reason in [TempFailReason::SqlError, TempFailReason::KeycloakRefused] {
            (0..100).for_each(|_| report(&breaker, reason, Duration::from_millis(5)));
            assert_eq!(breaker.condition(), Condition::Closed);
        }
        (0..2).for_each(|_| report(&breaker, TempFailReason::KeycloakRateLimited, Duration::ZERO));
        assert_eq!(breaker.condition(), Condition::Open);
    }
}
