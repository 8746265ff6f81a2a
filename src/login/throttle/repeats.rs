//! Which refused guesses were told to ban tools not long ago: a phone with an old password is one word, however often
//! it tries.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::client_network::ClientNetwork;
use super::digest::{Digester, Kind};
use crate::backend::records::BoundedMap;

/// About 30,000 guesses. Beyond that the one that was not repeated for longest is told once more.
const MAX_BYTES: usize = 4 << 20;

/// By what a ban tool hears of a guess. What is said by one is not said by the other: Postfix logs its own refusals,
/// which the channel therefore leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// keydove's log line.
    LogLine = 0,
    /// The ban channel.
    Channel = 1,
}

/// A refused guess as ban tools see it: the name as sent, the secret, the place.
#[derive(Clone, Copy, Debug)]
pub struct RefusedGuess<'a> {
    /// The name in normal form, or as it was sent where it has none.
    pub name: &'a [u8],
    /// What was guessed. It is kept as a digest only, under a key that dies with the process.
    pub secret: &'a [u8],
    /// The mail client's address, if the mail server told it.
    pub remote: Option<IpAddr>,
    /// When the login was refused.
    pub now: Instant,
    /// By what they hear of it.
    pub word: Word,
}

/// Those that were told, each by its digest, with the time.
pub(super) struct Repeats {
    digester: Digester,
    told: Mutex<BoundedMap<u64, Instant>>,
    forget_after: Duration,
}

impl Repeats {
    /// # Errors
    /// The system has no random bytes.
    pub(super) fn new(forget_after: Duration) -> Result<Self, getrandom::Error> {
        let told = Mutex::new(BoundedMap::new(MAX_BYTES));
        Ok(Self { digester: Digester::new()?, told, forget_after })
    }

    /// Whether it was told within `forget_after`; if not, it is told now.
    pub(super) fn has_told(&self, guess: &RefusedGuess<'_>) -> bool {
        let place = ClientNetwork::narrow(guess.remote).to_string();
        let parts = [guess.name, guess.secret, place.as_bytes(), &[guess.word as u8]];
        let digest = self.digester.digest_parts(Kind::Refused, &parts);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = told.get_mut(&digest) {
            let is_lately = guess.now.saturating_duration_since(*at) < self.forget_after;
            if !is_lately {
                *at = guess.now;
            }
            return is_lately;
        }
        told.put(digest, guess.now, 0);
        false
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.told.lock().unwrap().bytes()
    }
}

impl std::fmt::Debug for Repeats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repeats").field("forget_after", &self.forget_after).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test's clock may start anywhere")]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn guess<'a>(name: &'a str, secret: &'a str, remote: &str, now: Instant) -> RefusedGuess<'a> {
        let (name, secret, remote) = (name.as_bytes(), secret.as_bytes(), remote.parse().ok());
        RefusedGuess { name, secret, remote, now, word: Word::LogLine }
    }

    #[test]
    fn the_same_guess_from_the_same_place_is_told_once_in_its_time() {
        let (now, repeats) = (Instant::now(), Repeats::new(HOUR).unwrap());
        let again = |seconds| {
            repeats.has_told(&guess("a@e.org", "old", "192.0.2.7", now + Duration::from_secs(seconds)))
        };
        // Repeating it does not put the next word off.
        let told: Vec<_> = (0..4000).step_by(100).filter(|seconds| !again(*seconds)).collect();
        assert_eq!(told, [0, 3600]);
    }

    #[test]
    fn another_name_secret_or_place_is_another_guess() {
        let (now, repeats) = (Instant::now(), Repeats::new(HOUR).unwrap());
        let is_new = |name, secret, remote| !repeats.has_told(&guess(name, secret, remote, now));
        assert!(is_new("a@e.org", "old", "2001:db8:1:200::1"));
        for (name, secret, remote) in [
            ("b@e.org", "old", "2001:db8:1:200::1"),
            ("a@e.org", "new", "2001:db8:1:200::1"),
            ("a@e.org", "old", "2001:db8:1:300::1"),
            ("a@e.orgo", "ld", "2001:db8:1:200::1"),
            ("a@e.org", "old", "none"),
        ] {
            assert!(is_new(name, secret, remote), "{name} {secret} {remote}");
        }
        let published =
            RefusedGuess { word: Word::Channel, ..guess("a@e.org", "old", "2001:db8:1:200::1", now) };
        assert!(!repeats.has_told(&published), "the channel has not told what the log has");
        assert!(repeats.has_told(&published));
        // One household's addresses are one place.
        assert!(!is_new("a@e.org", "old", "2001:db8:1:2ff::77"));
    }

    #[test]
    fn what_is_told_takes_bounded_memory() {
        let (now, repeats) = (Instant::now(), Repeats::new(HOUR).unwrap());
        for number in 0..100_000 {
            assert!(!repeats.has_told(&guess("a@e.org", &number.to_string(), "192.0.2.7", now)));
        }
        assert!(repeats.bytes() <= MAX_BYTES);
        assert!(repeats.has_told(&guess("a@e.org", "99999", "192.0.2.7", now)));
    }
}
