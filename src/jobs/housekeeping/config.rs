//! The settings of housekeeping.

use std::time::Duration;

use serde::Deserialize;

use crate::settings::{Period, Section, SettingFault};

const DAY: Duration = Duration::from_secs(86_400);
const SHORTEST_INTERVAL: Duration = Duration::from_secs(10);
const LONGEST_INTERVAL: Duration = Duration::from_secs(30 * 86_400);

/// Rows that nobody needs any more. keydove deletes them, 500 in one transaction: what it noted in tables of its
/// own about app passwords and mailboxes that were deleted since, and what is old, if you want that. It touches no
/// mailbox and no mail.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How often the daemon does it: `"10s"` to `"30d"`; `"0"`: only `keydove housekeeping` does. Default `"1d"`.
    pub interval: Period,
    /// How long keydove remembers who had a mailbox after the mailbox was deleted, at least `"1d"`; `"0"` is for
    /// ever. Until then nobody else gets a mailbox of that name by logging in, so delete the mail within this time
    /// too. The time counts from the run that first missed the mailbox. Default `"0"`.
    pub people: Period,
    /// How long logins stay in `sasl_log`, at least `"1d"`; `"0"` is for ever. Default: `"365d"` in SQLite, for
    /// ever in MariaDB, where mailcow itself deletes old ones.
    pub login_log: Option<Period>,
}

impl Default for Config {
    fn default() -> Self {
        Self { interval: Period::from_secs(DAY.as_secs()), people: Period::from_secs(0), login_log: None }
    }
}

impl Section for Config {
    fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        let mut complain = |key, sentence, advice| faults.push(SettingFault::new(key, sentence, advice));
        let interval = self.interval.get();
        if !interval.is_zero() && !(SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&interval) {
            complain("interval", "`interval` must be 0 or between `10s` and `30d`", "1d is a good value");
        }
        let is_short = |period: Period| !period.get().is_zero() && period.get() < DAY;
        if is_short(self.people) {
            complain("people", "`people` must be 0 (for ever) or at least `1d`", "90d is a good value");
        }
        if self.login_log.is_some_and(is_short) {
            complain(
                "login_log",
                "`login_log` must be 0 (for ever) or at least `1d`",
                "365d is a good value",
            );
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_be_are_named() {
        for (text, setting) in
            [("interval = '9s'", "interval"), ("people = '23h'", "people"), ("login_log = '1h'", "login_log")]
        {
            let config: Config = toml::from_str(text).unwrap();
            assert_eq!(config.faults()[0].keys, [setting], "{text}");
        }
        let config: Config = toml::from_str("interval = '0'\npeople = '0'\nlogin_log = '0'").unwrap();
        assert_eq!(config.faults(), []);
        assert_eq!(Config::default().faults(), []);
    }
}
