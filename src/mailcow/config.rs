//! The settings of mailcow mode.

use serde::Deserialize;

use crate::settings::Period;

const DEFAULT_REFRESH: Period = Period::from_secs(30);

/// `[mailcow]`: what is taken from mailcow's own settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether the table `identity_provider` says where Keycloak is, who asks it, whether main passwords are in use,
    /// and which mailboxes first logins make. Default false.
    pub identity_provider: bool,
    /// How often the table is read again. Default 30 s.
    pub refresh: Period,
}

impl Default for Config {
    fn default() -> Self {
        Self { identity_provider: false, refresh: DEFAULT_REFRESH }
    }
}
