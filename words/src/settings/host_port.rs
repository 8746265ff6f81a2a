//! Servers such as `db1`, `db1:3307` and `[2001:db8::1]:3306`.

use std::fmt;

use serde::Deserialize;

/// A server's name or address, and its port where one is named: `db1`, `db1:3307`, `[2001:db8::1]:3306`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HostPort {
    /// Without brackets.
    pub host: String,
    /// Where one is named.
    pub port: Option<u16>,
}

impl TryFrom<String> for HostPort {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no server: a name or an address, then a port if it is not the usual one: \"db1:3307\""
            )
        };
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or_else(wrong)?)),
            None => match text.split_once(':') {
                // More than one colon is an IPv6 address.
                Some((_, rest)) if rest.contains(':') => (text.as_str(), None),
                Some((host, port)) => (host, Some(port)),
                None => (text.as_str(), None),
            },
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(is_name) {
            return Err(wrong());
        }
        let port =
            port.map(|port| port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)).transpose()?;
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.port, self.host.contains(':')) {
            (Some(port), true) => write!(f, "[{}]:{port}", self.host),
            (Some(port), false) => write!(f, "{}:{port}", self.host),
            (None, _) => f.write_str(&self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_shown_as_it_is_written() {
        for text in ["db1", "db1:3307", "[2001:db8::1]:3308", "2001:db8::2"] {
            assert_eq!(HostPort::try_from(text.to_owned()).unwrap().to_string(), text);
        }
    }
}
