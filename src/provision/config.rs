//! The settings of provisioning.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Mapping, ReservedName};
use crate::settings::Period;

const DEFAULT_RETRY_AFTER: Period = Period::from_secs(30);

/// `[provisioning]`: mailboxes for people who have none yet.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether a first login makes a mailbox. Off unless you say so, or mailcow does where Keycloak's settings are
    /// its own: with a default template, everybody in the realm whose address is in one of your domains gets one,
    /// service accounts too.
    pub enabled: Option<bool>,
    /// The template of people whom no mapping fits. Without one they get no mailbox.
    pub default_template: Option<String>,
    /// Which value of the template attribute means which template. Values are compared exactly.
    pub mappings: BTreeMap<String, String>,
    /// Reserved names (`postmaster`, `hostmaster`, `admin`, `info` and others) that may get a mailbox at a first login
    /// and by the sync all the same. Without it an administrator makes such mailboxes: `keydove mailbox add`.
    pub allow_reserved_names: Vec<ReservedName>,
    /// After a mailbox was refused (domain full, no template …), how long until it is tried again.
    pub retry_after: Period,
}

impl Config {
    /// The templates that keydove's own settings name.
    #[must_use]
    pub fn mapping(&self) -> Mapping {
        Mapping::new(&self.mappings, self.default_template.as_deref())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: None,
            default_template: None,
            mappings: BTreeMap::new(),
            allow_reserved_names: Vec::new(),
            retry_after: DEFAULT_RETRY_AFTER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn nothing_is_made_unless_it_is_switched_on() {
        let config: Config = toml::from_str("").unwrap();
        assert!(config.enabled.is_none() && config.default_template.is_none() && config.mappings.is_empty());
        assert!(toml::from_str::<Config>("mapping = 1").is_err());
    }

    #[test]
    fn mappings_are_a_table() {
        let text = "enabled = true\n[mappings]\ngold = 'Gold'\n'a b' = 'Silver'";
        let config: Config = toml::from_str(text).unwrap();
        assert_eq!(config.mappings["a b"], "Silver");
    }
}
