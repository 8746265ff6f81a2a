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
    /// That of the breaker when it was given.
    generation: u64,
}

/// Guards one backend.
#[derive(Debug, Default)]
pub struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Grows whenever the breaker opens, sends a probe or closes. What ends a call of an earlier one says nothing about
    /// the backend as it is now.
    generation: u64,
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
        let generation = state.generation;
        let Some(tripped) = &mut state.tripped else { return Ok(Permit { began: now, generation }) };
        let is_probed = tripped.probing.is_some_and(|since| now < since + LONGEST_PAUSE);
        if now < tripped.until || is_probed {
            let detail = format!("not asked again yet after: {}", tripped.trouble.detail);
            return Err(TempFail::new(tripped.trouble.reason, detail));
        }
        tripped.probing = Some(now);
        state.generation += 1;
        Ok(Permit { began: now, generation: state.generation })
    }

    /// Says how a call ended. Only calls of now count: those that were under way when the breaker opened, closed or sent
    /// a probe, and a probe that was given up for another, say nothing.
    #[expect(clippy::needless_pass_by_value, reason = "a permit is for one call")]
    pub fn report<T>(&self, permit: Permit, end: &Result<T, TempFail>, now: Instant) {
        let mut state = self.lock();
        if permit.generation != state.generation {
            return;
        }
        match end {
            Err(trouble) if now > permit.began + WAITED || asks_to_be_spared(trouble.reason) => {
                state.fail(trouble, now);
            }
            Ok(_) | Err(_) => state.close(),
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

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fail(&mut self, trouble: &TempFail, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let pause = match &self.tripped {
            Some(tripped) => (tripped.pause * 2).min(LONGEST_PAUSE),
            None if self.failures >= FAILURES => PAUSE,
            None => return,
        };
        self.generation += 1;
        self.tripped = Some(Tripped { trouble: trouble.clone(), pause, until: now + pause, probing: None });
    }

    fn close(&mut self) {
        self.failures = 0;
        if self.tripped.take().is_some() {
            self.generation += 1;
        }
    }
}

/// Whether asking again at once would make it worse.
fn asks_to_be_spared(reason: TempFailReason) -> bool {
    matches!(reason, TempFailReason::KeycloakRateLimited | TempFailReason::KeycloakServerError)
}

#[cfg(test)]
mod tests;
