//! Names that belong to whoever runs a domain, and that no login makes a mailbox of.
//!
//! Whoever reads mail to `hostmaster` or `admin` can have certificates made for the domain; mail to `abuse` or
//! `postmaster` is meant for its administrators. In Keycloak such an address may be anybody's who may choose one.

use serde::Deserialize;

use super::Config;
use crate::auth::{ProvisionRefusal, Username};

/// The names of RFC 2142, then those by which certificate authorities and programs know administrators.
pub const RESERVED_NAMES: [&str; 36] = [
    "abuse",
    "ftp",
    "hostmaster",
    "info",
    "marketing",
    "news",
    "noc",
    "postmaster",
    "sales",
    "security",
    "support",
    "usenet",
    "uucp",
    "webmaster",
    "www",
    "admin",
    "administrator",
    "certmaster",
    "daemon",
    "dmarc",
    "dnsadmin",
    "domainadmin",
    "is",
    "it",
    "mailer-daemon",
    "mis",
    "no-reply",
    "nobody",
    "noreply",
    "root",
    "ssladmin",
    "ssladministrator",
    "sslwebmaster",
    "sysadmin",
    "system",
    "tlsrpt",
];
/// Mail to `postmaster+x` comes to `postmaster`.
const DELIMITER: char = '+';

/// One of [`RESERVED_NAMES`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ReservedName(Box<str>);

impl ReservedName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ReservedName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let reserved = RESERVED_NAMES.into_iter().find(|name| *name == text.to_ascii_lowercase());
        reserved.map(|name| Self(name.into())).ok_or_else(|| {
            format!("`{text}` is no reserved name; the reserved ones are: {}", RESERVED_NAMES.join(", "))
        })
    }
}

/// Which names get no mailbox by themselves.
#[derive(Clone, Debug)]
pub(super) struct Reserved {
    allowed: Vec<ReservedName>,
}

impl Reserved {
    pub(super) fn of(config: &Config) -> Self {
        Self { allowed: config.allow_reserved_names.clone() }
    }

    /// # Errors
    /// [`ProvisionRefusal::ReservedName`]
    pub(super) fn judge(&self, user: &Username) -> Result<(), ProvisionRefusal> {
        let local = user.local_part();
        // A user name has its normal form, but the part before the @ keeps what is not ASCII as it is.
        let bare = local.split(DELIMITER).next().unwrap_or(local).to_ascii_lowercase();
        let is_reserved = RESERVED_NAMES.contains(&bare.as_str());
        if is_reserved && !self.allowed.iter().any(|name| name.as_str() == bare) {
            return Err(ProvisionRefusal::ReservedName);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(config: &str, name: &str) -> bool {
        let config: Config = toml::from_str(config).unwrap();
        Reserved::of(&config).judge(&Username::parse(name.as_bytes()).unwrap()).is_ok()
    }

    #[test]
    fn a_reserved_name_is_one_in_every_spelling() {
        for name in
            ["postmaster@example.org", "PostMaster@example.org", "postmaster+x@example.org", "admin+@x.org"]
        {
            assert!(!judge("", name), "{name}");
        }
        for name in [
            "postmistress@example.org",
            "post.master@example.org",
            "x+postmaster@example.org",
            "ann@admin.org",
        ] {
            assert!(judge("", name), "{name}");
        }
    }

    #[test]
    fn what_is_allowed_is_one_by_one() {
        let config = "allow_reserved_names = ['Info']";
        assert!(judge(config, "info@example.org") && judge(config, "INFO+x@example.org"));
        assert!(!judge(config, "sales@example.org"));
        let error = toml::from_str::<Config>("allow_reserved_names = ['ann']").unwrap_err().to_string();
        assert!(error.contains("`ann` is no reserved name"), "{error}");
    }
}
