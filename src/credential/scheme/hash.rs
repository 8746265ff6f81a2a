//! A stored hash of any scheme: what it costs, and whether a password fits.

use super::{
    Expense, Policy, Unusable, argon2, bcrypt, challenge, des_crypt, digest, md5_crypt, otp, pbkdf2, plain,
    scram, scrypt, sha_crypt, sha1_crypt, sun_md5,
};

/// Makes the enum of the schemes' own hashes, and one of each, so that the table of schemes can name their readers.
macro_rules! hashes {
    ($(#[$about:meta])* $($name:ident($hash:ty),)+) => {
        $(#[$about])*
        pub(super) enum Hash {
            $($name($hash),)+
        }

        $(impl From<$hash> for Hash {
            fn from(hash: $hash) -> Self {
                Self::$name(hash)
            }
        })+
    };
}

hashes! {
    /// A stored hash, read and checked for form.
    Bcrypt(bcrypt::Hash),
    ShaCrypt(sha_crypt::Hash),
    Scrypt(scrypt::Hash),
    Sha1Crypt(sha1_crypt::Hash),
    Md5Crypt(md5_crypt::Hash),
    SunMd5(sun_md5::Hash),
    DesCrypt(des_crypt::Hash),
    Argon2(argon2::Hash),
    Pbkdf2(pbkdf2::Hash),
    Scram(scram::Hash),
    Digest(digest::Hash),
    DigestMd5(challenge::DigestMd5),
    Otp(otp::Hash),
    Plain(plain::Hash),
}

impl Hash {
    /// What verifying asks for, beside what is allowed.
    pub(super) fn expenses(&self, policy: &Policy) -> Vec<Expense> {
        match self {
            Self::Bcrypt(hash) => vec![hash.expense(policy)],
            Self::ShaCrypt(hash) => vec![hash.expense(policy)],
            Self::Scrypt(hash) => hash.expenses(policy).into(),
            Self::Sha1Crypt(hash) => vec![hash.expense(policy)],
            Self::SunMd5(hash) => vec![hash.expense(policy)],
            Self::DesCrypt(hash) => vec![hash.expense(policy)],
            Self::Argon2(hash) => hash.expenses(policy).into(),
            Self::Pbkdf2(hash) => vec![hash.expense(policy)],
            Self::Scram(hash) => vec![hash.expense(policy)],
            Self::Otp(hash) => vec![hash.expense()],
            Self::Md5Crypt(_) | Self::Digest(_) | Self::DigestMd5(_) | Self::Plain(_) => Vec::new(),
        }
    }

    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, Unusable> {
        match self {
            Self::Bcrypt(hash) => Ok(hash.matches(password)),
            Self::ShaCrypt(hash) => hash.matches(password),
            Self::Scrypt(hash) => hash.matches(password),
            Self::Sha1Crypt(hash) => Ok(hash.matches(password)),
            Self::SunMd5(hash) => Ok(hash.matches(password)),
            Self::Argon2(hash) => hash.matches(password),
            Self::Md5Crypt(hash) => Ok(hash.matches(password)),
            Self::DesCrypt(hash) => Ok(hash.matches(password)),
            Self::Pbkdf2(hash) => Ok(hash.matches(password)),
            Self::Scram(hash) => Ok(hash.matches(password)),
            Self::Digest(hash) => Ok(hash.matches(password)),
            Self::DigestMd5(hash) => hash.matches(password),
            Self::Otp(hash) => Ok(hash.matches(password)),
            Self::Plain(hash) => Ok(hash.matches(password)),
        }
    }

    /// Whether comparing takes one digest of the password at most.
    pub(super) fn is_instant(&self) -> bool {
        matches!(self, Self::Digest(_) | Self::DigestMd5(_) | Self::Plain(_))
    }
}
