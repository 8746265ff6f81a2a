//! Addresses of the web, as settings.

use std::fmt;

use serde::Deserialize;

/// An `http` or `https` address without user, query and fragment, and without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HttpAddress {
    text: String,
    /// Where the path begins.
    origin_end: usize,
}

/// A text that is no such address.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address such as `https://account.example.org`")]
pub struct NotAnAddress(String);

impl HttpAddress {
    /// Reads one.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, NotAnAddress> {
        let text = text.trim_end_matches('/');
        let wrong = || NotAnAddress(text.to_owned());
        let scheme = ["https://", "http://"].into_iter().find(|scheme| text.starts_with(scheme));
        let start = scheme.ok_or_else(wrong)?.len();
        let origin_end = text[start..].find('/').map_or(text.len(), |at| start + at);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]/%".contains(&byte);
        let host = &text[start..origin_end];
        // The text stands in header lines and pages as it is.
        if host.is_empty() || host.starts_with(':') || !text.bytes().all(is_plain) || host.contains('%') {
            return Err(wrong());
        }
        Ok(Self { text: text.to_owned(), origin_end })
    }

    /// All of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.text[..self.origin_end]
    }

    /// What stands behind the origin.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.text[self.origin_end..]
    }

    /// Whether nobody on the way can read along: TLS, or this machine.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        let host = self.origin().trim_start_matches("http://");
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        self.text.starts_with("https://")
            || host == "localhost"
            || host == "[::1]"
            || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
    }
}

impl TryFrom<String> for HttpAddress {
    type Error = NotAnAddress;

    fn try_from(text: String) -> Result<Self, NotAnAddress> {
        Self::parse(&text)
    }
}

impl fmt::Display for HttpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::HttpAddress;

    #[test]
    fn an_address_has_an_origin_and_a_path() {
        let address = HttpAddress::parse("https://sso.example.org:8443/realms/mail/").unwrap();
        assert_eq!((address.origin(), address.path()), ("https://sso.example.org:8443", "/realms/mail"));
        let bare = HttpAddress::parse("https://account.example.org").unwrap();
        assert_eq!((bare.origin(), bare.path()), ("https://account.example.org", ""));
    }

    #[test]
    fn what_could_break_out_of_a_header_or_a_page_is_refused() {
        for text in [
            "",
            "account.example.org",
            "ftp://a.example",
            "https://",
            "https://:80",
            "https://a b",
            "https://a\r\nX: y",
            "https://a?x",
            "https://a#x",
            "https://user@a",
            "https://a\"",
            "https://a'",
            "https://a;script-src *",
            "https://a%2f",
            "javascript://x",
            "https:///path",
        ] {
            assert!(HttpAddress::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_tls_and_this_machine_are_protected() {
        for (text, is_protected) in [
            ("https://a.example", true),
            ("http://localhost:8484", true),
            ("http://127.0.0.1", true),
            ("http://[::1]:80", true),
            ("http://a.example", false),
            ("http://localhost.example", false),
            ("http://127.0.0.1.example", false),
            ("http://192.0.2.1", false),
        ] {
            assert_eq!(HttpAddress::parse(text).unwrap().is_protected(), is_protected, "{text}");
        }
    }
}
