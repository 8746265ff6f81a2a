//! The table of schemes: one row and one file each.

use std::fmt;

use super::{Expense, Policy, Unusable, argon2id, bcrypt, plain, salted, sha_crypt};

/// A password scheme, by its Dovecot name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// bcrypt: `$2a$`, `$2b$`, `$2y$`
    BlfCrypt,
    /// SHA-512 crypt: `$6$`
    Sha512Crypt,
    /// Argon2id as a PHC string: `$argon2id$`
    Argon2id,
    /// Any hash of the crypt family; its own prefix says which
    Crypt,
    /// Base64 of SHA-256 over password and salt, and the salt
    Ssha256,
    /// Base64 of SHA-512 over password and salt, and the salt
    Ssha512,
    /// The password itself; weak
    Plain,
}

/// A stored hash, read and checked for form.
pub(super) enum Hash {
    Bcrypt(bcrypt::Hash),
    ShaCrypt(sha_crypt::Hash),
    Argon2id(argon2id::Hash),
    Salted(salted::Hash),
    Plain(plain::Hash),
}

/// Who decides what a hash is.
#[derive(Clone, Copy)]
pub(super) enum Family {
    /// The hash's own prefix, one of these or another scheme's. PHP's `password_verify` and crypt(3) do so too.
    Crypt(&'static [&'static str]),
    /// The label.
    Own,
}

struct Row {
    /// The Dovecot name, then its aliases.
    names: &'static [&'static str],
    family: Family,
    weak: bool,
    read: fn(&[u8]) -> Option<Hash>,
}

const fn strong(names: &'static [&'static str], family: Family, read: fn(&[u8]) -> Option<Hash>) -> Row {
    Row { names, family, weak: false, read }
}

const fn weak(names: &'static [&'static str], family: Family, read: fn(&[u8]) -> Option<Hash>) -> Row {
    Row { names, family, weak: true, read }
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 7] = [
        Self::BlfCrypt,
        Self::Sha512Crypt,
        Self::Argon2id,
        Self::Crypt,
        Self::Ssha256,
        Self::Ssha512,
        Self::Plain,
    ];

    const fn row(self) -> Row {
        use Family::{Crypt, Own};
        match self {
            Self::BlfCrypt => strong(&["BLF-CRYPT"], Crypt(&["$2"]), bcrypt::read),
            Self::Sha512Crypt => strong(&["SHA512-CRYPT"], Crypt(&["$6$"]), sha_crypt::read),
            Self::Argon2id => strong(&["ARGON2ID"], Crypt(&["$argon2id$"]), argon2id::read),
            Self::Crypt => strong(&["CRYPT"], Crypt(&[]), |_| None),
            Self::Ssha256 => strong(&["SSHA256"], Own, salted::read_sha256),
            Self::Ssha512 => strong(&["SSHA512"], Own, salted::read_sha512),
            Self::Plain => weak(&["PLAIN", "CLEAR", "CLEARTEXT"], Own, plain::read),
        }
    }

    /// Reads a label without its braces; letter case does not matter.
    #[must_use]
    pub fn parse(label: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.row().names.iter().any(|name| name.eq_ignore_ascii_case(label)))
    }

    /// The Dovecot name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().names[0]
    }

    /// Whether it is used only when the configuration says so.
    #[must_use]
    pub fn is_weak(self) -> bool {
        self.row().weak
    }

    /// The scheme of a hash of the crypt family.
    pub(super) fn of_prefix(hash: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| match scheme.family() {
            Family::Crypt(prefixes) => prefixes.iter().any(|prefix| hash.starts_with(prefix.as_bytes())),
            Family::Own => false,
        })
    }

    pub(super) fn family(self) -> Family {
        self.row().family
    }

    /// Whether white space at the end is a part of the password.
    pub(super) fn is_verbatim(self) -> bool {
        self == Self::Plain
    }

    pub(super) fn read(self, content: &[u8]) -> Option<Hash> {
        (self.row().read)(content)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Hash {
    /// What verifying asks for, beside what is allowed.
    pub(super) fn expenses(&self, policy: &Policy) -> Vec<Expense> {
        match self {
            Self::Bcrypt(hash) => vec![hash.expense(policy)],
            Self::ShaCrypt(hash) => vec![hash.expense(policy)],
            Self::Argon2id(hash) => hash.expenses(policy).into(),
            Self::Salted(_) | Self::Plain(_) => Vec::new(),
        }
    }

    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, Unusable> {
        match self {
            Self::Bcrypt(hash) => Ok(hash.matches(password)),
            Self::ShaCrypt(hash) => hash.matches(password),
            Self::Argon2id(hash) => hash.matches(password),
            Self::Salted(hash) => Ok(hash.matches(password)),
            Self::Plain(hash) => Ok(hash.matches(password)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Scheme;

    #[test]
    fn every_name_leads_to_its_own_scheme_only() {
        for scheme in Scheme::ALL {
            for name in scheme.row().names {
                assert_eq!(Scheme::parse(name), Some(scheme), "{name}");
                assert_eq!(Scheme::parse(&name.to_ascii_lowercase()), Some(scheme), "{name}");
            }
        }
        assert_eq!(Scheme::parse(""), None);
        assert_eq!(Scheme::parse("BLF-CRYPT "), None);
    }
}
