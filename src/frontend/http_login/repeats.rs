//! mailcow's Dovecot has its script in two passdb blocks, so it asks twice about each login that was not accepted.
//! Both times it is told the same; in the log and in the numbers it is one attempt.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use lru::LruCache;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::auth::{AuthRequest, Secret};

/// The second question comes as soon as Dovecot has read the first answer. Dovecot itself makes whoever tries again
/// wait for longer than this.
const PAUSE: Duration = Duration::from_secs(2);
/// First questions that are remembered.
const MAX_SEEN: NonZeroUsize = NonZeroUsize::new(4096).expect("more than none");

/// Remembers, for a moment, tags of logins that were not accepted. No verdict is taken from here.
pub(super) struct Repeats {
    /// Has taken in a random key of this process: a tag says nothing about a password.
    keyed: Hmac<Sha256>,
    seen: Mutex<LruCache<[u8; 32], Instant>>,
}

impl std::fmt::Debug for Repeats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Repeats(..)")
    }
}

impl Repeats {
    /// Remembers nobody yet.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key)?;
        let keyed = Hmac::new_from_slice(&*key).expect("HMAC takes keys of any length");
        Ok(Self { keyed, seen: Mutex::new(LruCache::new(MAX_SEEN)) })
    }

    /// Whether this question, which was answered with `outcome` at `now`, is the second about one attempt. The third
    /// one is a new attempt.
    pub(super) fn is_second(&self, request: &AuthRequest, outcome: &str, now: Instant) -> bool {
        let tag = self.tag(request, outcome);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.pop(&tag) {
            Some(first) if now.saturating_duration_since(first) < PAUSE => true,
            _ => {
                seen.put(tag, now);
                false
            }
        }
    }

    fn tag(&self, request: &AuthRequest, outcome: &str) -> [u8; 32] {
        let mut tag = self.keyed.clone();
        let remote = request.origin.remote.map(|remote| remote.to_string()).unwrap_or_default();
        let service = request.service_name.as_bytes();
        let password = request.credential.password().map(Secret::expose).unwrap_or_default();
        for part in [&request.authcid, password, service, remote.as_bytes(), outcome.as_bytes()] {
            tag.update(&part.len().to_be_bytes());
            tag.update(part);
        }
        tag.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::read;
    use super::*;

    fn request(password: &str, service: &str) -> AuthRequest {
        let text = format!(
            r#"{{"username":"a@b.example","password":"{password}","real_rip":"::1","service":"{service}"}}"#
        );
        read(text.as_bytes()).unwrap()
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a clock may start anywhere")]
    fn only_the_same_once_more_and_at_once_is_the_second() {
        let repeats = Repeats::new().unwrap();
        let start = Instant::now();
        let (wrong, again) = ("password_mismatch", start + Duration::from_millis(5));
        assert!(!repeats.is_second(&request("x", "imap"), wrong, start));
        assert!(!repeats.is_second(&request("y", "imap"), wrong, again));
        assert!(!repeats.is_second(&request("x", "pop3"), wrong, again));
        assert!(!repeats.is_second(&request("x", "imap"), "deadline", again));
        assert!(repeats.is_second(&request("x", "imap"), wrong, again));
        assert!(!repeats.is_second(&request("x", "imap"), wrong, again));
        assert!(!repeats.is_second(&request("x", "imap"), wrong, again + PAUSE));
        assert!(repeats.is_second(&request("x", "imap"), wrong, again + PAUSE));
    }
}
