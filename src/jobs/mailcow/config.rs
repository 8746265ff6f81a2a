//! The settings of mailcow mode.

use std::time::Duration;

use serde::Deserialize;

use crate::settings::{Period, Section, SettingFault};

const MIN_REFRESH: Duration = Duration::from_millis(100);
const DEFAULT_REFRESH: Period = Period::from_secs(30);

/// Keycloak's settings from mailcow's own configuration: docs/database.md.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Take Keycloak's settings from mailcow's table `identity_provider`. Then `server_url`, `realm`, `client_id`
    /// and the client secret must not stand in `[keycloak]`, nor `default_template` and `mappings` in
    /// `[provisioning]`. Default `false`.
    pub identity_provider: bool,
    /// Let mailcow's own switch *Ignore SSL errors* count: while it is on there, keydove verifies Keycloak's certificate
    /// in no call. A program that answers in Keycloak's place then decides who may log in. Default `false`.
    pub ignore_ssl_error: bool,
    /// How often keydove reads the table; at least `"100ms"`. Default `"30s"`.
    pub refresh: Period,
}

impl Section for Config {
    fn faults(&self) -> Vec<SettingFault> {
        let fault = || {
            let advice = "each refresh is a question to the database; 30s is a good value";
            SettingFault::new("refresh", "the refresh must be 100ms or more", advice)
        };
        let useless = || {
            let sentence = "this setting is about mailcow's table, which is not read";
            SettingFault::new("ignore_ssl_error", sentence, "set identity_provider = true, or take it out")
        };
        let faults = [
            (self.refresh.get() < MIN_REFRESH).then(fault),
            (self.ignore_ssl_error && !self.identity_provider).then(useless),
        ];
        faults.into_iter().flatten().collect()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self { identity_provider: false, ignore_ssl_error: false, refresh: DEFAULT_REFRESH }
    }
}
