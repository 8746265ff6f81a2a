//! Which logins were noted a moment ago.

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::auth::Username;

/// A login of the same kind is not noted again so soon: the history's resolution is a second.
const PAUSE: Duration = Duration::from_secs(1);
/// Two kinds that fall into one place push each other out, and are noted once more than they need be. 64 KiB in all.
const PLACES: usize = 8192;
/// Bits of a place that hold milliseconds; the others hold the kind's fingerprint.
const MILLIS_BITS: u32 = 32;

/// Remembers a few kinds of logins, each with the time of its last note. Nothing is locked.
#[derive(Debug)]
pub(super) struct Recent {
    places: Box<[AtomicU64]>,
    hasher: foldhash::quality::RandomState,
    began: Instant,
}

impl Recent {
    pub(super) fn new(now: Instant) -> Self {
        let places = (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        Self { places, hasher: foldhash::quality::RandomState::default(), began: now }
    }

    /// Whether a login of this kind was noted within the last second. If not, this one counts as noted.
    pub(super) fn has_noted(
        &self,
        (user, service, remote): (&Username, &str, Option<IpAddr>),
        app_password: Option<i64>,
        now: Instant,
    ) -> bool {
        let hash = self.hasher.hash_one((user, service, remote, app_password));
        // Of other bits than the place; 0 is a place that was never used.
        let fingerprint = (hash >> MILLIS_BITS).max(1);
        let millis = now.saturating_duration_since(self.began).as_millis() as u64 & u64::from(u32::MAX);
        let place = &self.places[hash as usize % PLACES];
        let found = place.load(Relaxed);
        let age = millis.wrapping_sub(found) & u64::from(u32::MAX);
        if found >> MILLIS_BITS == fingerprint && age < PAUSE.as_millis() as u64 {
            return true;
        }
        place.store(fingerprint << MILLIS_BITS | millis, Relaxed);
        false
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test's clock may start anywhere")]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_login_is_noted_once_in_a_second() {
        let now = Instant::now();
        let recent = Recent::new(now);
        let user = Username::parse(b"a@example.org").unwrap();
        let remote: Option<IpAddr> = "192.0.2.1".parse().ok();
        let noted = |service, remote, app_password, after| {
            recent.has_noted((&user, service, remote), app_password, now + Duration::from_millis(after))
        };
        assert!(!noted("imap", remote, None, 0));
        assert!(noted("imap", remote, None, 999));
        assert!(!noted("smtp", remote, None, 999));
        assert!(!noted("imap", None, None, 999));
        assert!(!noted("imap", remote, Some(7), 999));
        assert!(!noted("imap", remote, None, 1000));
        assert!(noted("imap", remote, None, 1500));
        // Milliseconds start anew after 49 days.
        let turn = u64::from(u32::MAX);
        assert!(!noted("imap", remote, None, turn - 100));
        assert!(noted("imap", remote, None, turn + 100));
    }
}
