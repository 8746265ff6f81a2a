//! Who was refused a mailbox lately: asked again only after a while, whatever number of logins there are.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::auth::{ProvisionRefusal, Username};

/// Mailboxes that were refused lately, and why. Bounded: the longest refused is forgotten first.
pub(super) struct BackOff {
    pause: Duration,
    capacity: usize,
    refused: Mutex<HashMap<Username, Refused>>,
}

#[derive(Clone, Copy)]
struct Refused {
    refusal: ProvisionRefusal,
    until: Instant,
}

impl BackOff {
    pub(super) fn new(pause: Duration, capacity: usize) -> Self {
        Self { pause, capacity, refused: Mutex::default() }
    }

    /// Why this mailbox must not be tried yet.
    pub(super) fn still_refused(&self, user: &Username, now: Instant) -> Option<ProvisionRefusal> {
        let refused = self.lock().get(user).copied()?;
        (now < refused.until).then_some(refused.refusal)
    }

    /// Remembers a refusal.
    pub(super) fn refuse(&self, user: &Username, refusal: ProvisionRefusal, now: Instant) {
        let mut all = self.lock();
        if all.len() >= self.capacity && !all.contains_key(user) {
            all.retain(|_, refused| now < refused.until);
        }
        if all.len() >= self.capacity && !all.contains_key(user) {
            let oldest = all.iter().min_by_key(|(_, refused)| refused.until).map(|(user, _)| user.clone());
            oldest.and_then(|user| all.remove(&user));
        }
        all.insert(user.clone(), Refused { refusal, until: now + self.pause });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Username, Refused>> {
        // No code panics while it holds the lock, and a map has no half-way state that matters here.
        self.refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(30);

    fn user(number: usize) -> Username {
        Username::parse(format!("user{number}@example.org").as_bytes()).unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some moment to count from")]
    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_refusal_holds_for_the_pause_and_for_one_mailbox() {
        let (back_off, now) = (BackOff::new(PAUSE, 10), now());
        back_off.refuse(&user(1), ProvisionRefusal::IsAlias, now);
        let just_before = now + PAUSE - Duration::from_millis(1);
        assert_eq!(back_off.still_refused(&user(1), just_before), Some(ProvisionRefusal::IsAlias));
        assert_eq!(back_off.still_refused(&user(1), now + PAUSE), None);
        assert_eq!(back_off.still_refused(&user(2), now), None);
    }

    #[test]
    fn the_map_is_bounded_and_the_oldest_goes_first() {
        let (back_off, start) = (BackOff::new(PAUSE, 10), now());
        for number in 0..100 {
            let now = start + Duration::from_millis(number as u64);
            back_off.refuse(&user(number), ProvisionRefusal::IsAlias, now);
            assert!(back_off.lock().len() <= 10);
        }
        assert!(back_off.still_refused(&user(89), start).is_none());
        assert!(back_off.still_refused(&user(90), start).is_some());
    }
}
