//! The settings of the bookkeeping.

use std::time::Duration;

use serde::Deserialize;

use crate::settings::{Period, Section, SettingFault};

const DEFAULT_INTERVAL: Period = Period::from_secs(60);
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(86_400);

/// What keydove writes down after a login.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether keydove writes accepted logins into the table `sasl_log`, where mailcow shows them. Default `true`.
    pub login_log: bool,
    /// How often at most it writes the same user, address, service and password: `"1s"` to `"1d"`. Default `"60s"`.
    pub login_log_interval: Period,
    /// How often at most it looks after a login whether the user's template changed, and whose mailbox it is; at
    /// most `"1d"`. Default `"60s"`.
    pub template_interval: Period,
}

impl Section for Config {
    fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        let mut complain =
            |key, sentence| faults.push(SettingFault::new(key, sentence, "60s is a good value"));
        if !(SHORTEST..=LONGEST).contains(&self.login_log_interval.get()) {
            complain("login_log_interval", "`login_log_interval` must be between `1s` and `1d`");
        }
        if self.template_interval.get() > LONGEST {
            complain("template_interval", "`template_interval` must be at most `1d`");
        }
        faults
    }
}

impl Default for Config {
    fn default() -> Self {
        Self { login_log: true, login_log_interval: DEFAULT_INTERVAL, template_interval: DEFAULT_INTERVAL }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_written_unless_it_is_switched_off() {
        let config: Config = toml::from_str("").unwrap();
        assert!(config.login_log);
        assert_eq!(config.login_log_interval.get(), Duration::from_secs(60));
        assert!(toml::from_str::<Config>("login_logs = true").is_err());
    }

    #[test]
    fn an_interval_is_between_a_second_and_a_day() {
        for (text, good) in [("1s", true), ("1d", true), ("999ms", false), ("0", false), ("25h", false)] {
            let config: Config = toml::from_str(&format!("login_log_interval = '{text}'")).unwrap();
            assert_eq!(config.faults().is_empty(), good, "{text}");
        }
    }
}
