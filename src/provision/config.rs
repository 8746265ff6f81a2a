//! The settings of provisioning.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Mapping, Names, ReservedName};
use crate::settings::{Period, Section};

const DEFAULT_RETRY_AFTER: Period = Period::from_secs(30);

/// Mailboxes that keydove creates at the first login: docs/mailboxes.md.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether a first login with the right password creates the mailbox. Every user of the realm whose address is
    /// in one of your domains gets one then. Default: `false`; with `[mailcow] identity_provider` as mailcow says.
    pub enabled: Option<bool>,
    /// The template for users whom no mapping fits. Default: these users get no mailbox (`provision_no_mapping`).
    pub default_template: Option<String>,
    /// Which value of the user's `template_attribute` selects which template. Values are compared exactly.
    pub mappings: BTreeMap<String, String>,
    /// Reserved names of which a first login or the sync may create a mailbox all the same. Reserved are the names
    /// of RFC 2142 (`abuse`, `ftp`, `hostmaster`, `info`, `marketing`, `news`, `noc`, `postmaster`, `sales`,
    /// `security`, `support`, `usenet`, `uucp`, `webmaster`, `www`) and administrators' names (`admin`,
    /// `administrator`, `certmaster`, `daemon`, `dmarc`, `dnsadmin`, `domainadmin`, `is`, `it`, `mailer-daemon`,
    /// `mis`, `no-reply`, `nobody`, `noreply`, `root`, `ssladmin`, `ssladministrator`, `sslwebmaster`, `sysadmin`,
    /// `system`, `tlsrpt`), also with `+anything` behind them. Mailboxes that exist log in as before; `keydove
    /// mailbox add` creates any.
    pub allow_reserved_names: Vec<ReservedName>,
    /// Which mailboxes get the user's name from Keycloak: `"always"`; `"sync"`, only by the sync; `"never"`. Default
    /// `"always"`; with `[mailcow] identity_provider` it is `"sync"`, as in mailcow: docs/mailcow.md.
    pub names: Option<Names>,
    /// How long keydove waits before it tries again to create a mailbox that a rule prevented (domain full, no
    /// template …). Default `"30s"`.
    pub retry_after: Period,
}

impl Section for Config {}

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
            names: None,
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
