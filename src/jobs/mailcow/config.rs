//! The settings of mailcow mode.

use serde::Deserialize;

use crate::settings::Period;

const DEFAULT_REFRESH: Period = Period::from_secs(30);

/// Keycloak's settings from mailcow's own configuration: docs/database.md.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Take Keycloak's settings from mailcow's table `identity_provider`. Then `server_url`, `realm`, `client_id`
    /// and the client secret must not stand in `[keycloak]`, nor `default_template` and `mappings` in
    /// `[provisioning]`. Default `false`.
    pub identity_provider: bool,
    /// How often keydove reads the table; at least `"100ms"`. Default `"30s"`.
    pub refresh: Period,
}

impl Default for Config {
    fn default() -> Self {
        Self { identity_provider: false, refresh: DEFAULT_REFRESH }
    }
}
