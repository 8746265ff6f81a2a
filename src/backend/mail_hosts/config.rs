//! The settings of the machines that mailboxes live on.

use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;

use crate::auth::Service;
use crate::settings::{Period, Section, SettingFault};

/// As long as the column that remembers it.
const LONGEST_NAME: usize = 64;
const MOST_WEIGHT: u32 = 1000;
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
const LONGEST_INTERVAL: Duration = Duration::from_secs(60);

/// What all machines of `[[backend]]` have in common: docs/backends.md.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which `[[backend]]` this machine is: its mailboxes are opened here. Default: none; this machine is a proxy only.
    pub this: Option<String>,
    /// How often keydove tries to connect to each backend: `"100ms"` to `"60s"`. After three failures in a row the backend
    /// is down, after two successes it is up again. Default `"5s"`.
    pub check_interval: Period,
}

impl Default for Config {
    fn default() -> Self {
        Self { this: None, check_interval: Period::from_secs(5) }
    }
}

/// One machine with Dovecot, on which mailboxes live. Write the table once for each. Without any, every mailbox lives
/// where Dovecot opens it, and keydove says nothing of proxies: docs/backends.md.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailHostConfig {
    /// Its name, which the database remembers for each mailbox: at most 64 letters, digits, `.`, `-` and `_`. Never change
    /// it, and never give it to another machine.
    pub name: String,
    /// Its address, or a host name that keydove looks up at each check.
    pub host: String,
    /// Its share of new mailboxes, beside the weights of the others: 0 to 1000. 0 gets none. Default `1`.
    #[serde(default = "one")]
    pub weight: u32,
    /// How Dovecot's proxy connects to it. Default `"none"`.
    #[serde(default)]
    pub tls: ProxyTls,
    /// The port of IMAP, which is also the one that is checked. Default: Dovecot's own, 143, or 993 with `tls = "tls"`.
    pub imap: Option<u16>,
    /// The port of POP3. Default: 110 or 995.
    pub pop3: Option<u16>,
    /// The port of ManageSieve. Default: 4190.
    pub sieve: Option<u16>,
    /// The port of Dovecot's submission. Default: 587 or 465.
    pub submission: Option<u16>,
    /// The port of LMTP. Default: 24.
    pub lmtp: Option<u16>,
    /// The port of `doveadm`. Default: `doveadm` is not passed on.
    pub doveadm: Option<u16>,
}

/// How Dovecot's proxy connects to a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyTls {
    /// Without TLS: a program that can read the network reads passwords.
    #[default]
    None,
    /// TLS from the first byte; the certificate must be valid for `host`.
    Tls,
    /// The same with any certificate.
    TlsAnyCert,
    /// STARTTLS; the certificate must be valid for `host`.
    Starttls,
    /// The same with any certificate.
    StarttlsAnyCert,
}

impl ProxyTls {
    /// The field of the passdb answer.
    pub(super) fn field(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::None => None,
            Self::Tls => Some(("ssl", "yes")),
            Self::TlsAnyCert => Some(("ssl", "any-cert")),
            Self::Starttls => Some(("starttls", "yes")),
            Self::StarttlsAnyCert => Some(("starttls", "any-cert")),
        }
    }

    fn is_from_the_first_byte(self) -> bool {
        matches!(self, Self::Tls | Self::TlsAnyCert)
    }
}

fn one() -> u32 {
    1
}

impl MailHostConfig {
    /// The port of a service, where the settings name one.
    pub(super) fn port(&self, service: &Service) -> Option<u16> {
        match service {
            Service::Imap => self.imap,
            Service::Pop3 => self.pop3,
            Service::Sieve => self.sieve,
            Service::Smtp => self.submission,
            Service::Lmtp => self.lmtp,
            Service::Doveadm => self.doveadm,
            Service::Dav | Service::Eas | Service::Portal | Service::Unnamed | Service::Other(_) => None,
        }
    }

    /// The port that is checked.
    pub(crate) fn checked_port(&self) -> u16 {
        self.imap.unwrap_or(if self.tls.is_from_the_first_byte() { 993 } else { 143 })
    }
}

impl Section for Config {
    fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        if !(SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&self.check_interval.get()) {
            faults.push(SettingFault::new(
                "check_interval",
                "`check_interval` must be between `100ms` and `60s`",
                "5s is a good value",
            ));
        }
        faults
    }
}

impl Section for MailHostConfig {
    fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        let mut complain = |key, sentence, advice| faults.push(SettingFault::new(key, sentence, advice));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if self.name.is_empty() || self.name.len() > LONGEST_NAME || !self.name.chars().all(is_plain) {
            complain(
                "name",
                "this is no name of a backend",
                "take at most 64 letters, digits, dots, hyphens and underscores, such as \"mail1\"",
            );
        }
        let is_host = !self.host.is_empty() && self.host.len() <= 253 && self.host.chars().all(is_plain);
        if self.host.parse::<IpAddr>().is_err() && !is_host {
            complain(
                "host",
                "this is neither an address nor a host name",
                "write \"192.0.2.11\", \"2001:db8::11\" or \"mail1.example.org\"; ports have settings of their own",
            );
        }
        if self.weight > MOST_WEIGHT {
            complain("weight", "`weight` must be at most 1000", "only its relation to the others matters");
        }
        let ports = [
            ("imap", self.imap),
            ("pop3", self.pop3),
            ("sieve", self.sieve),
            ("submission", self.submission),
            ("lmtp", self.lmtp),
            ("doveadm", self.doveadm),
        ];
        for (key, _) in ports.into_iter().filter(|(_, port)| *port == Some(0)) {
            complain(key, "there is no port 0", "take this line out for Dovecot's own port");
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let config: MailHostConfig = toml::from_str(text).unwrap();
        config.faults().into_iter().map(|fault| fault.keys.join(".")).collect()
    }

    #[test]
    fn a_backend_has_a_name_and_an_address() {
        for text in ["name = 'b1'\nhost = '192.0.2.1'", "name = 'B.1_x-y'\nhost = '::1'\nweight = 0"] {
            assert!(read(text).is_empty(), "{text}");
        }
        assert_eq!(read("name = ''\nhost = 'mail1:143'"), ["name", "host"]);
        assert_eq!(read("name = 'ü'\nhost = 'a b'\nweight = 1001"), ["name", "host", "weight"]);
        assert_eq!(read("name = 'b'\nhost = 'b'\nlmtp = 0"), ["lmtp"]);
    }

    #[test]
    fn the_checked_port_is_that_of_imap() {
        let port = |text: &str| {
            toml::from_str::<MailHostConfig>(&format!("name = 'b'\nhost = 'b'\n{text}"))
                .unwrap()
                .checked_port()
        };
        assert_eq!(port(""), 143);
        assert_eq!(port("tls = 'starttls'"), 143);
        assert_eq!(port("tls = 'tls'"), 993);
        assert_eq!(port("tls = 'tls-any-cert'\nimap = 1993"), 1993);
    }
}
