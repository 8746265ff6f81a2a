//! `[throttle]`: how much guessing is too much.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::settings::{Network, Period, Section, SettingFault};

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

impl Config {
    /// Whether nodes are to count together and have the key for it.
    #[must_use]
    pub fn has_shared_key(&self) -> bool {
        self.shared_key_file.is_some() || self.shared_key_credential.is_some()
    }

    pub(super) fn max_bytes(&self) -> usize {
        self.memory_mib.saturating_mul(MIB)
    }
}

impl Section for Config {
    fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        let mut complain = |key: &str, bounds: &str| {
            let sentence = format!("`{key}` must be {bounds}");
            faults.push(SettingFault::new(key, sentence, "take this line out: the default is a good value"));
        };
        for (key, limit) in [("guesses", self.guesses), ("accounts", self.accounts)] {
            if limit == 0 || limit > LARGEST_LIMIT {
                complain(key, &format!("from 1 to {LARGEST_LIMIT}"));
            }
        }
        let (first, longest) = (self.first_wait.get(), self.longest_wait.get());
        if first < Duration::from_secs(1) || first > longest {
            complain("first_wait", "at least 1s and no longer than `longest_wait`");
        }
        if longest > LONGEST_WAIT {
            complain("longest_wait", "at most 1d");
        }
        if self.forget_after.get() < longest {
            complain("forget_after", "at least as long as `longest_wait`, or guessing would pay again");
        }
        if self.known_for.get() < self.forget_after.get() {
            complain("known_for", "at least as long as `forget_after`");
        }
        if self.memory_mib == 0 {
            complain("memory_mib", "1 or more");
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound_and_nonsense_is_named() {
        assert_eq!(Config::default().faults(), []);
        for (text, setting) in [
            ("guesses = 0", "guesses"),
            ("accounts = 22", "accounts"),
            ("first_wait = '0'", "first_wait"),
            ("first_wait = '16m'", "first_wait"),
            ("longest_wait = '2d'\nforget_after = '3d'", "longest_wait"),
            ("forget_after = '1m'", "forget_after"),
            ("known_for = '1h'", "known_for"),
            ("memory_mib = 0", "memory_mib"),
        ] {
            let config: Config = toml::from_str(text).unwrap();
            assert_eq!(config.faults()[0].keys, [setting], "{text}");
        }
    }
}
