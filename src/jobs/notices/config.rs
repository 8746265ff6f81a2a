//! `[notices]`: by which mail server users are told, and how.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use crate::settings::{Period, Section, SettingFault};

const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_INTERVAL: Duration = Duration::from_secs(3600);
const SHORTEST_TIMEOUT: Duration = Duration::from_secs(1);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(300);

/// Mail to users: that an app password of theirs was made, and that one ends within a week. keydove sends each
/// mail at most once; without `relay` none.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port of the mail server that keydove hands mail to, by SMTP without TLS and without a login, such as
    /// `"127.0.0.1:25"`: Postfix takes mail from its own machine. Default: none.
    pub relay: Option<SocketAddr>,
    /// The address in `From`, such as `"postmaster@example.org"`. Default: none; required with `relay`.
    pub sender: Option<String>,
    /// The language of these mails: `"en"` or `"de"`. Default `"en"`.
    pub language: Language,
    /// The web portal's address, such as `"https://account.example.org"`: mails say where an app password is revoked.
    /// Default: none; mails ask users to tell their administrator.
    pub portal_url: Option<String>,
    /// How often keydove looks for what there is to tell; `"1s"` to `"1h"`. Default `"30s"`.
    pub interval: Period,
    /// How long one step of the talk with the mail server may take; `"1s"` to `"5m"`. Default `"30s"`.
    pub timeout: Period,
}

/// The language of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Language {
    /// English.
    #[serde(rename = "en")]
    English,
    /// German.
    #[serde(rename = "de")]
    German,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            relay: None,
            sender: None,
            language: Language::English,
            portal_url: None,
            interval: Period::from_secs(30),
            timeout: Period::from_secs(30),
        }
    }
}

impl Section for Config {
    fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        let mut complain = |key, sentence, advice| faults.push(SettingFault::new(key, sentence, advice));
        if self.relay.is_some_and(|relay| relay.port() == 0 || relay.ip().is_unspecified()) {
            complain("relay", "no mail server can be reached there", "127.0.0.1:25 is that of this machine");
        }
        if self.relay.is_some() && self.sender.is_none() {
            complain(
                "relay",
                "mail needs a sender",
                "add sender = \"postmaster@example.org\", with your domain",
            );
        }
        if self.sender.as_deref().is_some_and(|sender| !is_plain_address(sender)) {
            complain(
                "sender",
                "this is no mail address in ASCII",
                "write it as in postmaster@example.org, without a name",
            );
        }
        if self.portal_url.as_deref().is_some_and(|url| !is_address(url)) {
            complain(
                "portal_url",
                "this is no address of the web",
                "write it as in https://account.example.org",
            );
        }
        if !(SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&self.interval.get()) {
            complain("interval", "`interval` must be between `1s` and `1h`", "30s is a good value");
        }
        if !(SHORTEST_TIMEOUT..=LONGEST_TIMEOUT).contains(&self.timeout.get()) {
            complain("timeout", "`timeout` must be between `1s` and `5m`", "30s is a good value");
        }
        faults
    }
}

/// Whether an address can stand in a header line and in SMTP's commands as it is: ASCII, and in the local part nothing but
/// what needs no quotes (RFC 5321, `Dot-string`).
#[must_use]
pub(super) fn is_plain_address(address: &str) -> bool {
    let is_atom = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    address.len() <= 254
        && address.split_once('@').is_some_and(|(local, domain)| {
            let has_dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
            !local.is_empty() && !has_dots && local.bytes().all(is_atom) && domain.split('.').all(is_label)
        })
}

fn is_address(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty()) && url.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_be_are_named() {
        let good = "relay = '127.0.0.1:25'\nsender = 'postmaster@example.org'\n";
        let config: Config = toml::from_str(good).unwrap();
        assert_eq!(config.faults(), []);
        assert_eq!(Config::default().faults(), []);
        for (text, setting) in [
            ("relay = '127.0.0.1:25'", "relay"),
            ("relay = '0.0.0.0:25'\nsender = 'a@example.org'", "relay"),
            ("relay = '127.0.0.1:0'\nsender = 'a@example.org'", "relay"),
            ("sender = 'Post <a@example.org>'", "sender"),
            ("sender = \"a@example.org\\r\\nBcc: b@example.org\"", "sender"),
            ("sender = 'nobody'", "sender"),
            ("portal_url = 'account.example.org'", "portal_url"),
            ("portal_url = \"https://a\\nb\"", "portal_url"),
            ("interval = '0'", "interval"),
            ("interval = '2h'", "interval"),
            ("timeout = '0'", "timeout"),
            ("timeout = '6m'", "timeout"),
        ] {
            let config: Config = toml::from_str(text).unwrap();
            assert_eq!(config.faults()[0].keys, [setting], "{text}");
        }
        assert!(toml::from_str::<Config>("language = 'fr'").is_err());
        assert!(toml::from_str::<Config>("relay = 'localhost'").is_err());
    }
}
