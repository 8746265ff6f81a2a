//! The table of schemes: one row and one file each.

use std::fmt;

use md4::Md4;
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::label::Form;
use super::{
    argon2, bcrypt, challenge, des_crypt, digest, hash::Hash, md5_crypt, nt_crypt, otp, pbkdf2, plain, scram,
    scrypt, sha_crypt, sha1_crypt, sun_md5,
};

/// A password scheme, by its Dovecot name. Where Dovecot has none, by mailcow's (`PBKDF2-SHA512`) or one of keydove's
/// (`YESCRYPT`, `GOST-YESCRYPT`, `SCRYPT`, `SHA1-CRYPT`, `SUN-MD5-CRYPT`, `NT-CRYPT`: kinds of `{CRYPT}`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// bcrypt: `$2a$`, `$2b$`, `$2y$`, `$2x$`
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
    /// yescrypt: `$y$`
    Yescrypt,
    /// yescrypt within Streebog, the hash of GOST R 34.11-2012: `$gy$`
    GostYescrypt,
    /// scrypt (RFC 7914) in crypt(3)'s form: `$7$`
    Scrypt,
    /// HMAC-SHA-1 in rounds, of NetBSD: `$sha1$`
    Sha1Crypt,
    /// MD5 in rounds, of Solaris: `$md5$` and `$md5,rounds=N$`; weak
    SunMd5Crypt,
    /// MD4 of UTF-16, of Windows, as crypt(3) writes it: `$3$$`; weak
    NtCrypt,
    /// Any hash of the crypt family; its own prefix says which
    Crypt,
    /// PBKDF2 with HMAC-SHA-1, Dovecot's: `$1$salt$rounds$digest`
    Pbkdf2,
    /// PBKDF2 with HMAC-SHA-512, FreeIPA's: `rounds$salt$digest`
    Pbkdf2Sha512,
    /// What SCRAM-SHA-256 (RFC 7677) keeps: `rounds,salt,stored key,server key`
    ScramSha256,
    /// What SCRAM-SHA-1 (RFC 5802) keeps, in the same form
    ScramSha1,
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
    /// What CRAM-MD5 (RFC 2195) keeps: hexadecimal halves of HMAC-MD5; weak
    CramMd5,
    /// Hexadecimal MD5 over name, realm and password (RFC 2831); weak
    DigestMd5,
    /// Hexadecimal MD4 of UTF-16, of Windows; weak
    Ntlm,
    /// Hexadecimal LAN Manager hash, of Windows; weak
    Lanman,
    /// Hexadecimal MD5 of UTF-16, of Compuserve; weak
    Rpa,
    /// One-time passwords (RFC 2289): `algorithm number seed hash`; weak
    Otp,
    /// The first bytes of the password, and how many; weak
    PlainTrunc,
    /// The password itself; weak
    Plain,
}

/// Who decides what a hash is.
#[derive(Clone, Copy)]
pub(super) enum Family {
    /// The hash's own prefix, one of these or another scheme's. PHP's `password_verify` and crypt(3) do so too.
    Crypt(&'static [&'static str]),
    /// The label.
    Own,
}

/// What the bytes of a hash mean, once they are no longer text.
type Read = fn(&[u8]) -> Option<Hash>;

struct Row {
    /// The Dovecot name, then its aliases.
    names: &'static [&'static str],
    family: Family,
    weak: bool,
    form: Form,
    read: Read,
}

/// A scheme's own reader, whose hash becomes one of any scheme.
macro_rules! read {
    ($read:expr) => {
        |bytes| Some($read(bytes)?.into())
    };
}

const fn strong(names: &'static [&'static str], family: Family, form: Form, read: Read) -> Row {
    Row { names, family, weak: false, form, read }
}

const fn weak(names: &'static [&'static str], family: Family, form: Form, read: Read) -> Row {
    Row { names, family, weak: true, form, read }
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 36] = [
        Self::BlfCrypt,
        Self::Sha512Crypt,
        Self::Sha256Crypt,
        Self::Yescrypt,
        Self::GostYescrypt,
        Self::Scrypt,
        Self::Sha1Crypt,
        Self::Md5Crypt,
        Self::SunMd5Crypt,
        Self::NtCrypt,
        Self::DesCrypt,
        Self::Argon2id,
        Self::Argon2i,
        Self::Crypt,
        Self::Pbkdf2,
        Self::Pbkdf2Sha512,
        Self::ScramSha256,
        Self::ScramSha1,
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
        Self::CramMd5,
        Self::DigestMd5,
        Self::Ntlm,
        Self::Lanman,
        Self::Rpa,
        Self::Otp,
        Self::PlainTrunc,
        Self::Plain,
    ];

    const fn row(self) -> Row {
        use Family::{Crypt, Own};
        use Form::{Base64, Hex, Salted, Text};
        match self {
            Self::BlfCrypt => strong(&["BLF-CRYPT"], Crypt(&["$2"]), Text, read!(bcrypt::read)),
            Self::Sha512Crypt => {
                strong(&["SHA512-CRYPT"], Crypt(&["$6$"]), Text, read!(sha_crypt::read_sha512))
            }
            Self::Sha256Crypt => {
                strong(&["SHA256-CRYPT"], Crypt(&["$5$"]), Text, read!(sha_crypt::read_sha256))
            }
            Self::Yescrypt => strong(&["YESCRYPT"], Crypt(&["$y$"]), Text, read!(scrypt::read_yescrypt)),
            Self::GostYescrypt => {
                strong(&["GOST-YESCRYPT"], Crypt(&["$gy$"]), Text, read!(scrypt::read_gost_yescrypt))
            }
            Self::Scrypt => strong(&["SCRYPT"], Crypt(&["$7$"]), Text, read!(scrypt::read_scrypt)),
            Self::Sha1Crypt => strong(&["SHA1-CRYPT"], Crypt(&["$sha1$"]), Text, read!(sha1_crypt::read)),
            Self::Md5Crypt => weak(&["MD5-CRYPT", "MD5"], Crypt(&["$1$"]), Text, read!(md5_crypt::read)),
            Self::SunMd5Crypt => weak(&["SUN-MD5-CRYPT"], Crypt(&["$md5"]), Text, read!(sun_md5::read)),
            Self::NtCrypt => weak(&["NT-CRYPT"], Crypt(&["$3$"]), Text, read!(nt_crypt::read)),
            Self::DesCrypt => weak(&["DES-CRYPT"], Crypt(&["_"]), Text, read!(des_crypt::read)),
            Self::Argon2id => {
                strong(&["ARGON2ID", "ARGON2"], Crypt(&["$argon2id$"]), Text, read!(argon2::read_argon2id))
            }
            Self::Argon2i => strong(&["ARGON2I"], Crypt(&["$argon2i$"]), Text, read!(argon2::read_argon2i)),
            Self::Crypt => strong(&["CRYPT"], Crypt(&[]), Text, |_| None),
            Self::Pbkdf2 => strong(&["PBKDF2"], Own, Text, read!(pbkdf2::read_sha1)),
            Self::Pbkdf2Sha512 => strong(&["PBKDF2-SHA512"], Own, Text, read!(pbkdf2::read_sha512)),
            Self::ScramSha256 => strong(&["SCRAM-SHA-256"], Own, Text, read!(scram::read_sha256)),
            Self::ScramSha1 => strong(&["SCRAM-SHA-1"], Own, Text, read!(scram::read_sha1)),
            Self::Ssha256 => strong(&["SSHA256"], Own, Salted, read!(digest::read_salted::<Sha256>)),
            Self::Ssha512 => strong(&["SSHA512"], Own, Salted, read!(digest::read_salted::<Sha512>)),
            Self::Ssha => strong(&["SSHA"], Own, Salted, read!(digest::read_salted::<Sha1>)),
            Self::Smd5 => weak(&["SMD5"], Own, Salted, read!(digest::read_salted::<Md5>)),
            Self::Sha => weak(&["SHA", "SHA1"], Own, Base64(20), read!(digest::read::<Sha1>)),
            Self::Sha256 => weak(&["SHA256"], Own, Base64(32), read!(digest::read::<Sha256>)),
            Self::Sha512 => weak(&["SHA512"], Own, Base64(64), read!(digest::read::<Sha512>)),
            Self::LdapMd5 => weak(&["LDAP-MD5"], Own, Base64(16), read!(digest::read::<Md5>)),
            Self::PlainMd4 => weak(&["PLAIN-MD4"], Own, Hex(16), read!(digest::read::<Md4>)),
            Self::PlainMd5 => weak(&["PLAIN-MD5"], Own, Hex(16), read!(digest::read::<Md5>)),
            Self::CramMd5 => weak(&["CRAM-MD5", "HMAC-MD5"], Own, Hex(32), read!(challenge::read_cram_md5)),
            Self::DigestMd5 => weak(&["DIGEST-MD5"], Own, Hex(16), read!(challenge::read_digest_md5)),
            Self::Ntlm => weak(&["NTLM"], Own, Hex(16), read!(challenge::read_ntlm)),
            Self::Lanman => weak(&["LANMAN"], Own, Hex(16), read!(challenge::read_lanman)),
            Self::Rpa => weak(&["RPA"], Own, Hex(16), read!(challenge::read_rpa)),
            Self::Otp => weak(&["OTP", "SKEY"], Own, Text, read!(otp::read)),
            Self::PlainTrunc => weak(&["PLAIN-TRUNC"], Own, Text, read!(plain::read_truncated)),
            Self::Plain => weak(&["PLAIN", "CLEAR", "CLEARTEXT"], Own, Text, read!(plain::read)),
        }
    }

    /// Reads a name, a label without braces and encoding; letter case does not matter.
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

    /// How a hash of it is written where the label says nothing.
    pub(super) fn form(self) -> Form {
        self.row().form
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
