//! Stored passwords as Dovecot writes them, `{SCHEME}hash`, and whether a password matches one.
//!
//! Three steps, of which only the last one costs anything: [`parse`] reads the string, [`Stored::permit`] holds it
//! against the [`Policy`] (weak schemes, cost caps), [`Usable::matches`] hashes. Threads, queues and deadlines
//! are `hashing`'s business. The rules are Dovecot's and, for what it accepts beyond them, mailcow's:
//!
//! * The label is case-insensitive. Within the crypt family it is only a hint: the hash's own prefix decides.
//! * White space around the whole string is ignored, except that plain text keeps all that follows its label.
//! * A hash that cannot be used says nothing about the password: [`Unusable`] is never a mismatch.
//! * Comparison is exact: mailcow's PHP takes `{PLAIN}1e3` and `1000` for equal, keydove does not.
//!
//! Weak schemes are used only where [`Policy::allow_weak`] names them. Whether a hash is weak is judged by what it
//! is and not by its label, so `{BLF-CRYPT}$1$..` is weak.
//!
//! | scheme | | why weak, or what bounds its cost |
//! | --- | --- | --- |
//! | `BLF-CRYPT` | made | `max_bcrypt_cost`; 72 bytes count |
//! | `SHA512-CRYPT` | made | `max_sha_crypt_rounds` |
//! | `SHA256-CRYPT` | | `max_sha_crypt_rounds` |
//! | `YESCRYPT`, `GOST-YESCRYPT`, `SCRYPT` | | `max_scrypt_memory_mib`, `max_scrypt_passes` |
//! | `SHA1-CRYPT` | | `max_pbkdf2_rounds` |
//! | `ARGON2ID` = `ARGON2` | made | `max_argon2_memory_mib`, `max_argon2_passes`, `max_argon2_lanes` |
//! | `ARGON2I` | | the same |
//! | `PBKDF2`, `PBKDF2-SHA512`, `SCRAM-SHA-1`, `SCRAM-SHA-256` | | `max_pbkdf2_rounds` |
//! | `SSHA512`, `SSHA256` | made | |
//! | `SSHA` | | SHA-1, but salted, and mailcow can be told to make it |
//! | `MD5-CRYPT` = `MD5`, `SUN-MD5-CRYPT`, `SMD5` | weak | MD5 |
//! | `DES-CRYPT` | weak | 56 bits, mostly of 8 bytes only; `max_des_crypt_rounds` |
//! | `SHA` = `SHA1`, `SHA256`, `SHA512` | weak | no salt |
//! | `LDAP-MD5`, `PLAIN-MD5`, `PLAIN-MD4` | weak | no salt, and MD5 or MD4 |
//! | `CRAM-MD5` = `HMAC-MD5`, `DIGEST-MD5`, `RPA` | weak | MD5, and the hash itself logs in where such a mechanism is offered |
//! | `NTLM`, `NT-CRYPT`, `LANMAN` | weak | the same with MD4 and DES |
//! | `OTP` = `SKEY` | weak | 64 bits; at most 10,000 rounds |
//! | `PLAIN` = `CLEAR` = `CLEARTEXT`, `PLAIN-TRUNC` | weak | no hash |
//!
//! That is all that `doveadm pw -l` of Dovecot 2.3 and 2.4 lists, and what older ones listed. Behind each name may stand
//! `.HEX`, `.B64` or `.BASE64`. `{MD5}` with hexadecimal digits, which Dovecot takes for `{PLAIN-MD5}`, and which
//! mailcow's documentation shows and mailcow refuses, is a hash that no password matches.

mod argon2;
mod bcrypt;
mod challenge;
mod crypt64;
mod des_crypt;
mod des_tables;
mod digest;
mod generate;
mod hash;
mod label;
mod md5_crypt;
mod nt_crypt;
mod otp;
mod pbkdf2;
mod plain;
mod policy;
mod scram;
mod scrypt;
mod sha1_crypt;
mod sha_crypt;
mod strength;
mod sun_md5;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;

use zeroize::Zeroizing;

use crate::auth::Secret;
pub use bcrypt::{Lanes, MAX_LANES};
pub use generate::{CannotMake, SALT_BYTES, generate};
use hash::Hash;
use label::Label;
pub use policy::{DefaultScheme, Policy, WeakScheme};
pub use strength::Strength;
use table::Family;
pub use table::Scheme;

/// The longest string that is read, in bytes; the longest real hashes have a few hundred.
const MAX_STORED: usize = 4096;

/// Logins with longer passwords are refused without a hash.
const MAX_PASSWORD: usize = 1024;

/// Whether `password` is the one that `stored` was made of: [`Policy::parse`], [`Stored::permit`] and
/// [`Usable::matches`] in a row.
///
/// # Errors
/// A stored string that cannot be used; what it costs is judged before any hashing.
pub fn verify(stored: &[u8], password: &[u8], policy: &Policy) -> Result<bool, Unusable> {
    policy.parse(stored)?.permit(policy)?.matches(password)
}

/// Reads a stored string. Costs microseconds whatever the string says.
///
/// # Errors
/// No label, an unknown label, or a hash that does not have the form its scheme asks for.
pub fn parse(stored: &[u8]) -> Result<Stored, Unusable> {
    let (label, text) = label::split(stored).ok_or(Unusable::NoScheme)?;
    let label = Label::parse(label).ok_or_else(|| Unusable::UnknownScheme(label.into()))?;
    read(label, text)
}

/// Reads what stands behind a label.
fn read(label: Label, text: &[u8]) -> Result<Stored, Unusable> {
    let malformed = Unusable::Malformed(label.scheme);
    if text.len() > MAX_STORED {
        return Err(malformed);
    }
    let content = label.decode(text).filter(|content| !content.is_empty()).ok_or(malformed)?;
    let scheme = match label.scheme.family() {
        Family::Crypt(_) => Scheme::of_hash(&content).unwrap_or(label.scheme),
        Family::Own => label.scheme,
    };
    scheme.read(&content).map(|hash| Stored { scheme, hash }).ok_or(Unusable::Malformed(scheme))
}

/// Whether there is a label at all.
#[must_use]
pub fn has_label(stored: &[u8]) -> bool {
    label::split(stored).is_some()
}

/// Whether whose password it is belongs to the hash, so that the same text means something else for another mailbox.
#[must_use]
pub fn is_owners(stored: &[u8], policy: &Policy) -> bool {
    policy.parse(stored).is_ok_and(|stored| matches!(stored.hash, Hash::DigestMd5(_)))
}

/// The name of the scheme of a stored string, and nothing else of it; `unlabelled` where no scheme stands before it,
/// and `unusable` where it is of none that is known.
#[must_use]
pub fn label(stored: &Secret) -> &'static str {
    match parse(stored.expose()) {
        Ok(stored) => stored.scheme().name(),
        Err(Unusable::NoScheme) => "unlabelled",
        Err(_) => "unusable",
    }
}

/// The text of a stored string of a strong scheme, for a file. Whoever gets hold of a weak one has the password, or
/// nearly, so there is none. Without a label only what crypt(3) would take for a strong hash is one.
#[must_use]
pub fn strong_text(stored: &Secret) -> Option<Zeroizing<String>> {
    let crypt = || read(Label { scheme: Scheme::Crypt, encoding: None }, stored.expose().trim_ascii());
    let parsed = if has_label(stored.expose()) { parse(stored.expose()) } else { crypt() };
    let is_strong = parsed.is_ok_and(|stored| !stored.scheme().is_weak());
    let text = std::str::from_utf8(stored.expose()).ok().filter(|_| is_strong)?;
    Some(Zeroizing::new(text.to_owned()))
}

/// A count beyond all bounds is still a count, for the cap to refuse.
fn read_count(digits: &[u8]) -> Option<u32> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).map(|count| count.unwrap_or(u32::MAX))
}

/// A stored string that was understood, with nothing said yet about whether it may be used.
pub struct Stored {
    scheme: Scheme,
    hash: Hash,
}

impl Stored {
    /// The scheme that the hash is of, whatever the label said.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Says whose password it is, by the mailbox's address or another name; an empty one says nothing. `{DIGEST-MD5}` is made
    /// of that too.
    #[must_use]
    pub fn owned_by(mut self, name: &str) -> Self {
        if let Hash::DigestMd5(hash) = &mut self.hash
            && !name.is_empty()
        {
            hash.set_owner(name);
        }
        self
    }

    /// Lets the hash pass if the policy allows its scheme and its cost.
    ///
    /// # Errors
    /// [`Unusable::NotAllowed`] or [`Unusable::TooCostly`].
    pub fn permit(self, policy: &Policy) -> Result<Usable, Unusable> {
        let scheme = self.scheme;
        if scheme.is_weak() && !policy.allows(scheme) {
            return Err(Unusable::NotAllowed(scheme));
        }
        for Expense { what, cost, cap } in self.hash.expenses(policy) {
            if cost > cap {
                return Err(Unusable::TooCostly { scheme, what, cost, cap });
            }
        }
        Ok(Usable(self))
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stored({{{}}}..)", self.scheme)
    }
}

/// A stored hash that may be used: its scheme is allowed and its cost is below the caps.
#[derive(Debug)]
pub struct Usable(Stored);

impl Usable {
    /// The scheme that the hash is of.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.0.scheme
    }

    /// Where comparing this password belongs.
    #[must_use]
    pub fn effort(&self, password: &[u8]) -> Effort {
        match self.0.hash {
            Hash::Bcrypt(_) => Effort::Lane,
            ref hash if hash.is_instant() && password.len() <= MAX_PASSWORD => Effort::Instant,
            _ => Effort::Long,
        }
    }

    /// Hashes the password and compares, in a time that does not depend on how much of it is right.
    ///
    /// The password is taken as it is, byte for byte. The empty password matches nothing. This takes as long as
    /// the caps allow, seconds at worst, and belongs on the reactor only if its [`Effort`] is none.
    ///
    /// # Errors
    /// Nothing that the password has caused: the hash turned out to be [`Unusable`] after all.
    pub fn matches(&self, password: &[u8]) -> Result<bool, Unusable> {
        if password.is_empty() {
            return Ok(false);
        }
        self.0.hash.matches(password)
    }
}

/// What it takes to compare a password with a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Microseconds: one digest of at most 1 KiB, or none. Not worth a change of threads.
    Instant,
    /// bcrypt, which [`Lanes`] compute several at a time.
    Lane,
    /// Everything else: milliseconds to seconds of a whole thread.
    Long,
}

/// One thing that a hash asks for, and how much of it is allowed.
struct Expense {
    what: &'static str,
    cost: u64,
    cap: u64,
}

/// Why a stored string says nothing about any password. Shows labels and numbers, never a part of the hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The string does not start with a label in braces.
    #[error("the stored password does not start with a scheme in braces such as {{BLF-CRYPT}}")]
    NoScheme,
    /// The label, at most 32 letters, digits, dots, dashes and underscores, names no known scheme.
    #[error("the stored password has the unknown scheme {{{0}}}")]
    UnknownScheme(Box<str>),
    /// Nothing after the label, cut off, garbled, or of a variant that is not supported.
    #[error("the stored {{{0}}} password is cut off, garbled or of an unsupported variant")]
    Malformed(Scheme),
    /// The hash is made of a name as well, and nobody said whose it is.
    #[error("a {{{0}}} password is made of the name too, and whose it is was not said")]
    NoOwner(Scheme),
    /// A weak scheme that the policy does not allow.
    #[error("the stored password has the scheme {{{0}}}, which is not allowed here")]
    NotAllowed(Scheme),
    /// Verifying would take more time or memory than the policy allows.
    #[error("the stored {{{scheme}}} password asks for {what} {cost}, and the cap is {cap}")]
    TooCostly {
        /// Of which scheme.
        scheme: Scheme,
        /// What it asks for, as words: `cost`, `memory in KiB`, `passes`, `lanes`, `rounds`.
        what: &'static str,
        /// How much of it.
        cost: u64,
        /// How much the policy allows.
        cap: u64,
    },
    /// The system did not give the memory that the hash needs.
    #[error("there is not enough memory to verify a {{{0}}} password")]
    OutOfMemory(Scheme),
}

impl Unusable {
    /// What makes the password usable again, for whoever looks after it.
    #[must_use]
    pub fn cure(&self) -> String {
        const ANEW: &str = "set it to what `keydove hash` prints";
        match self {
            Self::NoScheme => format!(
                "write its scheme before it, such as {{CRYPT}} before $2y$ or $6$; or name it for all that have none: \
                 [hashing.schemes] default_scheme; or {ANEW}"
            ),
            Self::UnknownScheme(_) => format!("{ANEW}; `keydove hash --list` shows what is known"),
            Self::Malformed(_) => ANEW.to_owned(),
            Self::NotAllowed(scheme) => {
                format!("{ANEW}, or allow the scheme: [hashing.schemes] allow_weak = [\"{scheme}\"]")
            }
            Self::TooCostly { .. } => format!("{ANEW}, or raise the cap in [hashing.schemes]"),
            Self::NoOwner(_) => "say whose it is: --user ADDRESS".to_owned(),
            Self::OutOfMemory(_) => format!("give keydove more memory, or {ANEW}"),
        }
    }
}
