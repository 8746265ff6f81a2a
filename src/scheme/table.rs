//! The table of schemes: one row and one file each.

use std::fmt;

use md4::Md4;
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::{
    Expense, Policy, Unusable, argon2, bcrypt, des_crypt, digest, md5_crypt, pbkdf2, plain, sha_crypt,
};

/// A password scheme, by its Dovecot name (for `PBKDF2-SHA512`, mailcow's).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// bcrypt: `$2a$`, `$2b$`, `$2y$`
    BlfCrypt,
    /// SHA-512 crypt: `$6$`
    Sha512Crypt,
    /// SHA-256 crypt: `$5$`
    Sha256Crypt,
    /// MD5 crypt: `$1$`; weak
    Md5Crypt,
    /// DES crypt, traditional and extended: 13 characters, or `_` and 19; weak
    DesCrypt,
    /// Argon2id as a PHC string: `$argon2id$`
    Argon2id,
    /// Argon2i as a PHC string: `$argon2i$`
    Argon2i,
    /// Any hash of the crypt family; its own prefix says which
    Crypt,
    /// PBKDF2 with HMAC-SHA-1, Dovecot's: `$1$salt$rounds$digest`
    Pbkdf2,
    /// PBKDF2 with HMAC-SHA-512, FreeIPA's: `rounds$salt$digest`
    Pbkdf2Sha512,
    /// Base64 of SHA-256 over password and salt, and the salt
    Ssha256,
    /// Base64 of SHA-512 over password and salt, and the salt
    Ssha512,
    /// Base64 of SHA-1 over password and salt, and the salt
    Ssha,
    /// Base64 of MD5 over password and salt, and the salt; weak
    Smd5,
    /// Base64 of SHA-1; weak
    Sha,
    /// Base64 of SHA-256; weak
    Sha256,
    /// Base64 of SHA-512; weak
    Sha512,
    /// Base64 of MD5; weak
    LdapMd5,
    /// Hexadecimal MD4; weak
    PlainMd4,
    /// Hexadecimal MD5; weak
    PlainMd5,
    /// The first bytes of the password, and how many; weak
    PlainTrunc,
    /// The password itself; weak
    Plain,
}

/// A stored hash, read and checked for form.
pub(super) enum Hash {
    Bcrypt(bcrypt::Hash),
    ShaCrypt(sha_crypt::Hash),
    Md5Crypt(md5_crypt::Hash),
    DesCrypt(des_crypt::Hash),
    Argon2(argon2::Hash),
    Pbkdf2(pbkdf2::Hash),
    Digest(digest::Hash),
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
    pub const ALL: [Self; 22] = [
        Self::BlfCrypt,
        Self::Sha512Crypt,
        Self::Sha256Crypt,
        Self::Md5Crypt,
        Self::DesCrypt,
        Self::Argon2id,
        Self::Argon2i,
        Self::Crypt,
        Self::Pbkdf2,
        Self::Pbkdf2Sha512,
        Self::Ssha256,
        Self::Ssha512,
        Self::Ssha,
        Self::Smd5,
        Self::Sha,
        Self::Sha256,
        Self::Sha512,
        Self::LdapMd5,
        Self::PlainMd4,
        Self::PlainMd5,
        Self::PlainTrunc,
        Self::Plain,
    ];

    const fn row(self) -> Row {
        use Family::{Crypt, Own};
        match self {
            Self::BlfCrypt => strong(&["BLF-CRYPT"], Crypt(&["$2"]), bcrypt::read),
            Self::Sha512Crypt => strong(&["SHA512-CRYPT"], Crypt(&["$6$"]), sha_crypt::read_sha512),
            Self::Sha256Crypt => strong(&["SHA256-CRYPT"], Crypt(&["$5$"]), sha_crypt::read_sha256),
            Self::Md5Crypt => weak(&["MD5-CRYPT", "MD5"], Crypt(&["$1$"]), md5_crypt::read),
            Self::DesCrypt => weak(&["DES-CRYPT"], Crypt(&["_"]), des_crypt::read),
            Self::Argon2id => strong(&["ARGON2ID"], Crypt(&["$argon2id$"]), argon2::read_argon2id),
            Self::Argon2i => strong(&["ARGON2I"], Crypt(&["$argon2i$"]), argon2::read_argon2i),
            Self::Crypt => strong(&["CRYPT"], Crypt(&[]), |_| None),
            Self::Pbkdf2 => strong(&["PBKDF2"], Own, pbkdf2::read_sha1),
            Self::Pbkdf2Sha512 => strong(&["PBKDF2-SHA512"], Own, pbkdf2::read_sha512),
            Self::Ssha256 => strong(&["SSHA256"], Own, digest::read_salted::<Sha256>),
            Self::Ssha512 => strong(&["SSHA512"], Own, digest::read_salted::<Sha512>),
            Self::Ssha => strong(&["SSHA"], Own, digest::read_salted::<Sha1>),
            Self::Smd5 => weak(&["SMD5"], Own, digest::read_salted::<Md5>),
            Self::Sha => weak(&["SHA", "SHA1"], Own, digest::read_unsalted::<Sha1>),
            Self::Sha256 => weak(&["SHA256"], Own, digest::read_unsalted::<Sha256>),
            Self::Sha512 => weak(&["SHA512"], Own, digest::read_unsalted::<Sha512>),
            Self::LdapMd5 => weak(&["LDAP-MD5"], Own, digest::read_unsalted::<Md5>),
            Self::PlainMd4 => weak(&["PLAIN-MD4"], Own, digest::read_hex::<Md4>),
            Self::PlainMd5 => weak(&["PLAIN-MD5"], Own, digest::read_hex::<Md5>),
            Self::PlainTrunc => weak(&["PLAIN-TRUNC"], Own, plain::read_truncated),
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

    /// Its other names.
    #[must_use]
    pub fn aliases(self) -> &'static [&'static str] {
        &self.row().names[1..]
    }

    /// Whether it is used only when the configuration says so.
    #[must_use]
    pub fn is_weak(self) -> bool {
        self.row().weak
    }

    /// The scheme of a hash of the crypt family. Traditional DES, the oldest of them, has no prefix.
    pub(super) fn of_hash(hash: &[u8]) -> Option<Self> {
        let by_prefix = Self::ALL.into_iter().find(|scheme| match scheme.family() {
            Family::Crypt(prefixes) => prefixes.iter().any(|prefix| hash.starts_with(prefix.as_bytes())),
            Family::Own => false,
        });
        by_prefix.or_else(|| des_crypt::read(hash).map(|_| Self::DesCrypt))
    }

    pub(super) fn family(self) -> Family {
        self.row().family
    }

    /// Whether white space at the end is a part of the password.
    pub(super) fn is_verbatim(self) -> bool {
        matches!(self, Self::Plain | Self::PlainTrunc)
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
            Self::Argon2(hash) => hash.expenses(policy).into(),
            Self::DesCrypt(hash) => vec![hash.expense(policy)],
            Self::Pbkdf2(hash) => vec![hash.expense(policy)],
            Self::Md5Crypt(_) | Self::Digest(_) | Self::Plain(_) => Vec::new(),
        }
    }

    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, Unusable> {
        match self {
            Self::Bcrypt(hash) => Ok(hash.matches(password)),
            Self::ShaCrypt(hash) => hash.matches(password),
            Self::Argon2(hash) => hash.matches(password),
            Self::Md5Crypt(hash) => Ok(hash.matches(password)),
            Self::DesCrypt(hash) => Ok(hash.matches(password)),
            Self::Pbkdf2(hash) => Ok(hash.matches(password)),
            Self::Digest(hash) => Ok(hash.matches(password)),
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
