//! `[mail]`: the servers as mail programs reach them.

use serde::Deserialize;

/// `[mail]`: what mail programs need to know. At least `imap` or `pop3`, and `smtp`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// The mail domains.
    pub domains: Vec<String>,
    /// Reading mail.
    pub imap: Option<Server>,
    /// Fetching mail.
    pub pop3: Option<Server>,
    /// Sending mail.
    pub smtp: Option<Server>,
    /// Filters.
    pub sieve: Option<Server>,
    /// Calendars, as an address of the web.
    pub caldav_url: Option<String>,
    /// Contacts, as an address of the web.
    pub carddav_url: Option<String>,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its name; the certificate is for it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected. Default `"implicit"`.
    #[serde(default)]
    pub tls: Tls,
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// From its first byte (RFC 8314).
    #[default]
    Implicit,
    /// After STARTTLS.
    Starttls,
}

impl Mail {
    /// The servers that are there, each with the name of its service and its port for TLS from the first byte.
    pub fn servers(&self) -> impl Iterator<Item = (&'static str, &Server, Option<u16>)> {
        let named = [
            ("imap", &self.imap, Some(993)),
            ("pop3", &self.pop3, Some(995)),
            ("smtp", &self.smtp, Some(465)),
            ("sieve", &self.sieve, None),
        ];
        named.into_iter().filter_map(|(name, server, port)| Some((name, server.as_ref()?, port)))
    }
}
