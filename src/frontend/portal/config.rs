//! `[portal]`: how long people stay signed in to the web portal, and which app passwords they may make there.

use std::time::Duration;

use serde::Deserialize;

use crate::settings::{Period, Section, SettingFault};

const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// What the web portal may do for people. The portal itself has a file of its own: docs/portal.md. These count where
/// there is a `[[listener]]` with `door = "portal"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether users whom Keycloak gives the portal's client role `administrator` are administrators there: they see why
    /// anybody's login ends as it does, and change mailboxes. The database account then needs the rights of keydove's
    /// commands (`keydove grants`). Default `false`.
    pub administrators: bool,
    /// The role of the realm that every administrator has besides, because the client's role contains it. keydove asks
    /// Keycloak for it before each change, and for pages at most 5 s before, so that an administrator who loses the role
    /// loses the pages at once. Without it the role that Keycloak told of at the sign-in counts until the session ends.
    /// `keydove setup --portal` makes the role `keydove-portal-administrator`. Default: none.
    pub administrator_realm_role: Option<String>,
    /// A session ends when nothing was done in it for so long; `"1m"` to `"30d"`. Default `"30m"`.
    pub session_idle: Period,
    /// A session ends after so long in any case; `"1m"` to `"30d"`. Default `"8h"`.
    pub session_length: Period,
    /// The same as `session_idle` for administrators. Default `"15m"`.
    pub administrator_idle: Period,
    /// The same as `session_length` for administrators. Default `"1h"`.
    pub administrator_length: Period,
    /// After how many days a new app password ends, unless the person says otherwise; 1 to 3650. Default: never, or
    /// after `longest_days`.
    pub default_days: Option<u32>,
    /// The longest that an app password made there may last, in days; 1 to 3650. Default: for ever.
    pub longest_days: Option<u32>,
    /// How many app passwords a person may have when they make one more there; 1 to 1000. Default `20`.
    pub app_passwords: usize,
    /// How many app passwords a person may make within an hour; 1 to 1000. Default `10`.
    pub app_passwords_per_hour: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            administrators: false,
            administrator_realm_role: None,
            session_idle: Period::from_secs(1800),
            session_length: Period::from_secs(8 * 3600),
            administrator_idle: Period::from_secs(900),
            administrator_length: Period::from_secs(3600),
            default_days: None,
            longest_days: None,
            app_passwords: 20,
            app_passwords_per_hour: 10,
        }
    }
}

impl Config {
    /// For how long a session may be idle, and how long it may last, in seconds.
    pub(super) fn session_limits(&self, administrator: bool) -> (i64, i64) {
        let seconds = |period: Period| i64::try_from(period.get().as_secs()).unwrap_or(i64::MAX);
        match administrator {
            true => (seconds(self.administrator_idle), seconds(self.administrator_length)),
            false => (seconds(self.session_idle), seconds(self.session_length)),
        }
    }
}

impl Section for Config {
    fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        let mut complain =
            |key: &str, sentence: String, advice| faults.push(SettingFault::new(key, sentence, advice));
        if self.administrator_realm_role.as_deref().is_some_and(|role| role.trim().is_empty()) {
            let sentence = "`administrator_realm_role` is empty".to_owned();
            complain("administrator_realm_role", sentence, "name a role of the realm, or take the line out");
        }
        for (key, period) in [
            ("session_idle", self.session_idle),
            ("session_length", self.session_length),
            ("administrator_idle", self.administrator_idle),
            ("administrator_length", self.administrator_length),
        ] {
            if !(SHORTEST..=LONGEST).contains(&period.get()) {
                complain(key, format!("`{key}` must be between `1m` and `30d`"), "30m is a good value");
            }
        }
        for (key, days) in [("default_days", self.default_days), ("longest_days", self.longest_days)] {
            if days.is_some_and(|days| !(1..=3650).contains(&days)) {
                complain(key, format!("`{key}` must be between 1 and 3650"), "365 is a good value");
            }
        }
        if let (Some(default), Some(longest)) = (self.default_days, self.longest_days)
            && default > longest
        {
            let sentence = "`default_days` is more than `longest_days` allows".to_owned();
            complain("default_days", sentence, "take a smaller one, or take the line out");
        }
        for (key, number) in
            [("app_passwords", self.app_passwords), ("app_passwords_per_hour", self.app_passwords_per_hour)]
        {
            if !(1..=1000).contains(&number) {
                complain(key, format!("`{key}` must be between 1 and 1000"), "20 is a good value");
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_be_are_named() {
        for (text, setting) in [
            ("administrator_realm_role = ' '", "administrator_realm_role"),
            ("session_idle = '59s'", "session_idle"),
            ("administrator_length = '31d'", "administrator_length"),
            ("longest_days = 0", "longest_days"),
            ("default_days = 30\nlongest_days = 7", "default_days"),
            ("app_passwords = 0", "app_passwords"),
            ("app_passwords_per_hour = 1001", "app_passwords_per_hour"),
        ] {
            let config: Config = toml::from_str(text).unwrap();
            assert_eq!(config.faults()[0].keys, [setting], "{text}");
        }
        assert_eq!(Config::default().faults(), []);
    }
}
