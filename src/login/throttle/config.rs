//! `[throttle]`: how much guessing is too much.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::settings::{Network, Period};

/// The shortest key that nodes may share, in bytes.
pub const LEAST_SHARED_KEY: usize = 16;
const MIB: usize = 1 << 20;
/// Strikes that one entry can hold; see [`super::strikes`].
pub(super) const MOST_STRIKES: usize = 64;
/// A network has this many times the limit of one of its addresses.
pub(super) const NETWORK_FACTOR: usize = 3;
/// The largest limit for an address, so that its network's still fits into an entry.
const LARGEST_LIMIT: usize = MOST_STRIKES / NETWORK_FACTOR;
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// Protection against guessing: docs/throttling.md. A throttled login gets a temporary failure (`throttled`).
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether keydove slows guessing and spraying down. Default `true`.
    pub enabled: bool,
    /// Proxies, gateways and webmails with many users behind them: never throttled, never counted. Loopback must be
    /// named too.
    pub trusted: Vec<Network>,
    /// How many *different* wrong passwords of one account one address (IPv6: its /56) may try before the account
    /// waits there; its network (/24, /48) may try three times as many. 1 to 21. Default `10`.
    pub guesses: usize,
    /// How many accounts one address may try without a right password before users who are not known there wait;
    /// its network may try three times as many. 1 to 21. Default `20`.
    pub accounts: usize,
    /// How long a wrong password counts. Default `"6h"`.
    pub forget_after: Period,
    /// The first wait, at least `"1s"`; each further strike doubles it. Default `"10s"`.
    pub first_wait: Period,
    /// The longest wait, at most `"1d"`. Default `"15m"`.
    pub longest_wait: Period,
    /// How long a user who logged in from an address does not wait there. Default `"30d"`.
    pub known_for: Period,
    /// Memory for the counters, in MiB. Default `16`.
    pub memory_mib: usize,
    /// Whether nodes count together, through `[redis]` (6.2 or later). It needs a key. Default `false`.
    pub shared: bool,
    /// A file with the key of the messages between nodes: 16 bytes or more, the same on all nodes. Without a key
    /// nothing is shared, and a warning says so.
    pub shared_key_file: Option<PathBuf>,
    /// The name of a systemd credential with that key.
    pub shared_key_credential: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            trusted: Vec::new(),
            guesses: 10,
            accounts: 20,
            forget_after: Period::from_secs(6 * 3600),
            first_wait: Period::from_secs(10),
            longest_wait: Period::from_secs(15 * 60),
            known_for: Period::from_secs(30 * 86_400),
            memory_mib: 16,
            shared: false,
            shared_key_file: None,
            shared_key_credential: None,
        }
    }
}

/// A value that cannot be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{setting}` must be {bounds}")]
pub struct BadValue {
    /// The setting.
    pub setting: &'static str,
    /// What it may be.
    pub bounds: String,
}

impl Config {
    /// Finds values that cannot be.
    ///
    /// # Errors
    /// The first of them.
    pub fn validate(&self) -> Result<(), BadValue> {
        let bad = |setting, bounds: &str| Err(BadValue { setting, bounds: bounds.to_owned() });
        for (setting, limit) in [("guesses", self.guesses), ("accounts", self.accounts)] {
            if limit == 0 || limit > LARGEST_LIMIT {
                return bad(setting, &format!("from 1 to {LARGEST_LIMIT}"));
            }
        }
        let (first, longest) = (self.first_wait.get(), self.longest_wait.get());
        if first < Duration::from_secs(1) || first > longest {
            return bad("first_wait", "at least 1s and no longer than `longest_wait`");
        }
        if longest > LONGEST_WAIT {
            return bad("longest_wait", "at most 1d");
        }
        if self.forget_after.get() < longest {
            return bad("forget_after", "at least as long as `longest_wait`, or guessing would pay again");
        }
        if self.known_for.get() < self.forget_after.get() {
            return bad("known_for", "at least as long as `forget_after`");
        }
        if self.shared_key_file.is_some() && self.shared_key_credential.is_some() {
            return bad("shared_key_file", "left out where there is a `shared_key_credential`");
        }
        if self.memory_mib == 0 {
            return bad("memory_mib", "1 or more");
        }
        Ok(())
    }

    /// Whether nodes are to count together and have the key for it.
    #[must_use]
    pub fn has_shared_key(&self) -> bool {
        self.shared_key_file.is_some() || self.shared_key_credential.is_some()
    }

    pub(super) fn max_bytes(&self) -> usize {
        self.memory_mib.saturating_mul(MIB)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound_and_nonsense_is_named() {
        assert_eq!(Config::default().validate(), Ok(()));
        for (text, setting) in [
            ("guesses = 0", "guesses"),
            ("accounts = 22", "accounts"),
            ("first_wait = '0'", "first_wait"),
            ("first_wait = '16m'", "first_wait"),
            ("longest_wait = '2d'\nforget_after = '3d'", "longest_wait"),
            ("forget_after = '1m'", "forget_after"),
            ("known_for = '1h'", "known_for"),
            ("memory_mib = 0", "memory_mib"),
            ("shared_key_file = 'f'\nshared_key_credential = 'c'", "shared_key_file"),
        ] {
            let config: Config = toml::from_str(text).unwrap();
            assert_eq!(config.validate().unwrap_err().setting, setting, "{text}");
        }
    }
}
