//! The settings of the sync.

use std::time::Duration;

use serde::Deserialize;

use super::Wanted;
use crate::backend::sql::SwitchOff;
use crate::settings::{Period, Section, SettingFault};

const DEFAULT_PAUSE: Period = Period::from_millis(100);
const SHORTEST_INTERVAL: Duration = Duration::from_secs(10);
const LONGEST_INTERVAL: Duration = Duration::from_secs(7 * 86_400);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const DEFAULT_MISSED_RUNS: u32 = 3;
const DEFAULT_PERCENT: u64 = 10;
/// So many may go whatever the percentage says: in a small company one person is many per cent.
const LEAST: u64 = 5;
/// All users of Keycloak, gone through now and then: docs/sync.md.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How often the daemon runs the sync: `"10s"` to `"7d"`; `"0"`: only the command `keydove sync` does. Default
    /// `"0"`; with `[mailcow] identity_provider` what mailcow's table says, except in shadow mode.
    pub interval: Option<Period>,
    /// Whether users without a mailbox get one, by the rules and templates of `[provisioning]`. Default `false`; with
    /// `[mailcow] identity_provider` what mailcow's table says.
    pub import: Option<bool>,
    /// How many mailboxes one run creates at most. Default: required with `import`; else no limit.
    pub import_limit: Option<u64>,
    /// The pause after each page of 100 users, at most `"1m"`; it lasts at least as long as the page took. Default
    /// `"100ms"`.
    pub pause: Period,
    /// What happens to the mailboxes of users who are gone from Keycloak or disabled there. Default `"off"`.
    pub deactivate: Deactivate,
    /// In how many complete runs, one after the other, a user must have been missing; at least 1. Default `3`.
    pub missed_runs: u32,
    /// How many per cent of the mailboxes one run may switch off, though always 5 mailboxes. Default `10`.
    pub max_percent: u64,
}

/// `deactivate`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deactivate {
    /// keydove switches nothing off.
    #[default]
    Off,
    /// The mailbox receives mail; nobody logs in.
    ReceiveOnly,
    /// Neither mail nor logins.
    Disabled,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: None,
            import: None,
            import_limit: None,
            pause: DEFAULT_PAUSE,
            deactivate: Deactivate::Off,
            missed_runs: DEFAULT_MISSED_RUNS,
            max_percent: DEFAULT_PERCENT,
        }
    }
}

impl Config {
    /// How often; zero where the setting says nothing.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval.map_or(Duration::ZERO, Period::get)
    }

    /// What `[sync]` alone wants.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        Wanted { interval: self.interval(), updates: true, import: self.import.unwrap_or(false) }
    }

    /// The same where mailcow's table has something to say, too; a setting overrides it.
    #[must_use]
    pub fn overriding(&self, table: Wanted) -> Wanted {
        Wanted {
            interval: self.interval.map_or(table.interval, Period::get),
            updates: table.updates || self.interval.is_some(),
            import: self.import.unwrap_or(table.import),
        }
    }

    /// What leavers' mailboxes are switched to, if at all.
    pub(super) fn switch_off(&self) -> Option<SwitchOff> {
        match self.deactivate {
            Deactivate::Off => None,
            Deactivate::ReceiveOnly => Some(SwitchOff::ReceiveOnly),
            Deactivate::Disabled => Some(SwitchOff::Disabled),
        }
    }

    /// How many of so many mailboxes one run may switch off.
    pub(super) fn most_leavers(&self, of: u64) -> u64 {
        (of.saturating_mul(self.max_percent) / 100).max(LEAST)
    }
}

impl Section for Config {
    fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        let mut complain = |key, sentence, advice| faults.push(SettingFault::new(key, sentence, advice));
        let interval = self.interval();
        if !interval.is_zero() && !(SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&interval) {
            complain("interval", "`interval` must be 0 or between `10s` and `7d`", "15m is a good value");
        }
        if self.pause.get() > LONGEST_PAUSE {
            complain("pause", "`pause` must be at most `1m`", "100ms is a good value");
        }
        if self.import == Some(true) && self.import_limit.is_none() {
            complain(
                "import",
                "`import` needs `import_limit`: without it a default template gives everybody in the realm a mailbox",
                "run `keydove sync --dry-run`, see how many mailboxes would be made, and allow as many in one run",
            );
        }
        if self.missed_runs == 0 {
            let advice = "one list alone is no proof that somebody is gone; 3 is a good value";
            complain("missed_runs", "`missed_runs` must be at least 1", advice);
        }
        if self.max_percent > 100 {
            complain("max_percent", "`max_percent` must be at most 100", "10 is a good value");
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        let config: Config = toml::from_str(text).map_err(|error| error.to_string())?;
        match config.faults().into_iter().next() {
            Some(fault) => Err(fault.keys.join(".")),
            None => Ok(config),
        }
    }

    #[test]
    fn nothing_is_done_unless_it_is_switched_on() {
        let config = read("").unwrap();
        assert!(config.interval().is_zero() && config.import.is_none() && config.switch_off().is_none());
    }

    #[test]
    fn a_setting_overrides_mailcows_table() {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let table = Wanted { interval: minutes(15), updates: false, import: true };
        assert_eq!(read("").unwrap().overriding(table), table);
        let own = read("interval = '5m'\nimport = false").unwrap().overriding(table);
        assert_eq!(own, Wanted { interval: minutes(5), updates: true, import: false });
        assert!(read("interval = '0'").unwrap().overriding(table).interval.is_zero());
    }

    #[test]
    fn import_asks_for_a_limit() {
        assert_eq!(read("import = true").unwrap_err(), "import");
        assert!(read("import = true\nimport_limit = 50").is_ok());
    }

    #[test]
    fn settings_that_cannot_be_are_named() {
        for (text, setting) in [
            ("interval = '9s'", "interval"),
            ("pause = '2m'", "pause"),
            ("missed_runs = 0", "missed_runs"),
            ("max_percent = 101", "max_percent"),
        ] {
            assert_eq!(read(text).unwrap_err(), setting, "{text}");
        }
        assert!(read("deactivate = 'delete'").is_err());
        assert!(read("deactivate = 'receive-only'").is_ok());
    }

    #[test]
    fn in_a_small_company_five_may_go() {
        let config = read("").unwrap();
        for (of, most) in [(0, 5), (49, 5), (60, 6), (100, 10), (20_000, 2_000)] {
            assert_eq!(config.most_leavers(of), most, "{of}");
        }
    }
}
