//! The name of a mail domain, as commands and settings give it.

use std::fmt;

use super::names::{is_domain_of, spellings};
use crate::auth::{InvalidName, Username};

/// A mail domain in normal form: lower case, A-labels, with a dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainName(Username);

impl DomainName {
    /// Reads a domain in either spelling.
    ///
    /// # Errors
    /// What no mail domain is.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        if text.contains('@') {
            return Err(InvalidName::BadDomain);
        }
        let name = Self(Username::parse(format!("postmaster@{}", text.trim_matches(' ')).as_bytes())?);
        if name.as_str().contains('.') { Ok(name) } else { Err(InvalidName::BadDomain) }
    }

    /// The domain of an address.
    #[must_use]
    pub fn of(user: &Username) -> Self {
        Self(user.clone())
    }

    /// The normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.domain()
    }

    /// The two spellings under which rows may have it.
    pub(super) fn spellings(&self) -> [String; 2] {
        let [_, _, domain, unicode] = spellings(&self.0);
        // A domain without another spelling must not be compared with an empty one.
        if unicode.is_empty() { [domain.clone(), domain] } else { [domain, unicode] }
    }

    pub(super) fn is(&self, stored: &str) -> bool {
        is_domain_of(&self.0, stored)
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_one_domain_and_a_name_without_a_dot_is_none() {
        let one = DomainName::parse("MÜNCHEN.example").unwrap();
        assert_eq!(one, DomainName::parse(" xn--mnchen-3ya.example").unwrap());
        assert_eq!(one.as_str(), "xn--mnchen-3ya.example");
        assert_eq!(one.spellings(), ["xn--mnchen-3ya.example", "münchen.example"]);
        for wrong in ["", "localhost", "a@example.org", "exa mple.org", ".example.org", "example.org."] {
            assert!(DomainName::parse(wrong).is_err(), "{wrong}");
        }
    }
}
