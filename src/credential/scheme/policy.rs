//! Which schemes are used, and how much a hash may cost.

use serde::Deserialize;

use super::label::Label;
use super::{Scheme, Stored, Unusable, has_label, parse, read};

/// 2^15 key expansions are about two seconds of one core.
const MAX_BCRYPT_COST: u32 = 15;
/// libsodium's "moderate" limit.
const MAX_ARGON2_MEMORY_MIB: u32 = 256;
/// Four times what PHP and libsodium choose; with the memory above, a few seconds.
const MAX_ARGON2_PASSES: u32 = 16;
/// Lanes are computed one after the other here, so this only bounds what is accepted as sane.
const MAX_ARGON2_LANES: u32 = 16;
/// As much as for Argon2; crypt(3)'s yescrypt takes 16 by default.
const MAX_SCRYPT_MEMORY_MIB: u32 = 256;
/// With the memory above, a few seconds.
const MAX_SCRYPT_PASSES: u32 = 16;
/// Two thousand times the default of crypt(3).
const MAX_SHA_CRYPT_ROUNDS: u32 = 10_000_000;
/// Two thousand times Dovecot's default.
const MAX_PBKDF2_ROUNDS: u32 = 10_000_000;
/// A thousand times the default of crypt(3) for the extended form, and less than a second.
const MAX_DES_CRYPT_ROUNDS: u32 = 1_000_000;

/// Which password schemes keydove accepts, and how much a hash may cost: docs/passwords.md.
///
/// A program that can write a user's hash can also write a cost that keeps a core busy for days. Above a cap
/// keydove computes nothing, and the login gets a temporary failure (`hash_too_costly`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// The scheme of a stored password without a label, as Dovecot's `default_pass_scheme`: `"CRYPT"`,
    /// `"SHA256.HEX"`. A weak one must stand in `allow_weak` too. Default: such a password is a temporary failure
    /// (`hash_unusable`).
    pub default_scheme: Option<DefaultScheme>,
    /// Weak schemes to accept, such as `["PLAIN"]`; each start warns.
    pub allow_weak: Vec<WeakScheme>,
    /// The highest cost of a bcrypt hash, the logarithm of its rounds. Default `15`.
    pub max_bcrypt_cost: u32,
    /// The most memory of an Argon2 hash, in MiB. At worst keydove holds this times `threads`. Default `256`.
    pub max_argon2_memory_mib: u32,
    /// The most passes (`t`) of an Argon2 hash. Default `16`.
    pub max_argon2_passes: u32,
    /// The most lanes (`p`) of an Argon2 hash. Default `16`.
    pub max_argon2_lanes: u32,
    /// The most memory of a yescrypt or scrypt hash, in MiB. At worst keydove holds this times `threads`. Default
    /// `256`.
    pub max_scrypt_memory_mib: u32,
    /// How often a yescrypt or scrypt hash may go through its memory: `p` times `1 + t`. Default `16`.
    pub max_scrypt_passes: u32,
    /// The most rounds of a SHA-crypt hash. Default `10000000`.
    pub max_sha_crypt_rounds: u32,
    /// The most rounds of a PBKDF2, SCRAM or SHA1-crypt hash, times the digests that one output is made of. Default
    /// `10000000`.
    pub max_pbkdf2_rounds: u32,
    /// The most rounds of an extended DES hash. Default `1000000`.
    pub max_des_crypt_rounds: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            default_scheme: None,
            allow_weak: Vec::new(),
            max_bcrypt_cost: MAX_BCRYPT_COST,
            max_argon2_memory_mib: MAX_ARGON2_MEMORY_MIB,
            max_argon2_passes: MAX_ARGON2_PASSES,
            max_argon2_lanes: MAX_ARGON2_LANES,
            max_scrypt_memory_mib: MAX_SCRYPT_MEMORY_MIB,
            max_scrypt_passes: MAX_SCRYPT_PASSES,
            max_sha_crypt_rounds: MAX_SHA_CRYPT_ROUNDS,
            max_pbkdf2_rounds: MAX_PBKDF2_ROUNDS,
            max_des_crypt_rounds: MAX_DES_CRYPT_ROUNDS,
        }
    }
}

impl Policy {
    /// The same caps, and no scheme left out: for judging a hash rather than a login.
    #[must_use]
    pub fn with_every_weak_scheme(mut self) -> Self {
        self.allow_weak = Scheme::ALL.into_iter().filter(|scheme| scheme.is_weak()).map(WeakScheme).collect();
        self
    }

    /// Reads a stored string. Without a label it is of [`Policy::default_scheme`], where there is one; `$1$` says by
    /// itself that it is of MD5-CRYPT, as in Dovecot.
    ///
    /// # Errors
    /// Those of [`parse`].
    pub fn parse(&self, stored: &[u8]) -> Result<Stored, Unusable> {
        let Some(DefaultScheme(default)) = self.default_scheme.filter(|_| !has_label(stored)) else {
            return parse(stored);
        };
        let is_md5_crypt = stored.trim_ascii_start().starts_with(b"$1$");
        let label = if is_md5_crypt { Label { scheme: Scheme::Md5Crypt, encoding: None } } else { default };
        read(label, if label.is_verbatim() { stored } else { stored.trim_ascii() })
    }

    /// The default scheme, where it is weak and not allowed, so that every password without a label is in vain.
    #[must_use]
    pub fn forbidden_default(&self) -> Option<Scheme> {
        let DefaultScheme(Label { scheme, .. }) = self.default_scheme?;
        (scheme.is_weak() && !self.allows(scheme)).then_some(scheme)
    }

    /// Whether a weak scheme is used all the same.
    pub(super) fn allows(&self, scheme: Scheme) -> bool {
        self.allow_weak.iter().any(|weak| weak.0 == scheme)
    }
}

/// A scheme that passwords without a label are of, with or without an encoding: `CRYPT`, `SHA256.HEX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct DefaultScheme(Label);

/// A text that names no scheme.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a password scheme")]
pub struct NotAScheme(String);

impl TryFrom<String> for DefaultScheme {
    type Error = NotAScheme;

    fn try_from(text: String) -> Result<Self, NotAScheme> {
        Label::parse(&text).map(Self).ok_or(NotAScheme(text))
    }
}

/// A scheme that is used only when it is allowed by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct WeakScheme(Scheme);

/// A text that names no weak scheme.
#[derive(Debug, thiserror::Error)]
pub enum NotAWeakScheme {
    /// No scheme has this name.
    #[error("`{0}` is not a password scheme")]
    Unknown(String),
    /// The scheme needs no permission.
    #[error("the password scheme `{0}` is not weak and is always allowed")]
    Strong(Scheme),
}

impl TryFrom<String> for WeakScheme {
    type Error = NotAWeakScheme;

    fn try_from(text: String) -> Result<Self, NotAWeakScheme> {
        match Scheme::parse(&text) {
            Some(scheme) if scheme.is_weak() => Ok(Self(scheme)),
            Some(scheme) => Err(NotAWeakScheme::Strong(scheme)),
            None => Err(NotAWeakScheme::Unknown(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::verify;
    use super::{Policy, Scheme, Unusable};

    #[test]
    fn settings_that_are_left_out_keep_their_defaults() {
        let policy: Policy = toml::from_str("allow_weak = ['clear']\nmax_bcrypt_cost = 12").unwrap();
        assert!(policy.allows(Scheme::Plain));
        assert_eq!(
            policy,
            Policy { max_bcrypt_cost: 12, allow_weak: policy.allow_weak.clone(), ..Policy::default() }
        );
        assert!(!Policy::default().allows(Scheme::Plain));
    }

    #[test]
    fn a_password_without_a_label_is_of_the_default_scheme() {
        const BCRYPT: &str = "$2y$05$.OT9xt4pIKr6eJj7b9y4Cu.ZF9H16M39c5l80kzGsJpx/Py6j/DD.";
        let policy = |text: &str| toml::from_str::<Policy>(text).unwrap();
        let verify = |policy: &Policy, stored: &str| verify(stored.as_bytes(), b"passw0rd", policy);
        assert_eq!(verify(&Policy::default(), BCRYPT), Err(Unusable::NoScheme));
        let crypt = policy("default_scheme = 'crypt'");
        assert_eq!(verify(&crypt, BCRYPT), Ok(true));
        assert_eq!(verify(&crypt, &format!("{{BLF-CRYPT}}{BCRYPT}")), Ok(true));
        assert_eq!(verify(&crypt, "passw0rd"), Err(Unusable::Malformed(Scheme::Crypt)));
        assert_eq!(verify(&crypt, "{NOVEL}x"), Err(Unusable::UnknownScheme("NOVEL".into())));
        let plain = policy("default_scheme = 'PLAIN'");
        assert_eq!(plain.forbidden_default(), Some(Scheme::Plain));
        assert_eq!(verify(&plain, "passw0rd"), Err(Unusable::NotAllowed(Scheme::Plain)));
        let plain = policy("default_scheme = 'PLAIN'\nallow_weak = ['PLAIN']");
        assert_eq!((plain.forbidden_default(), verify(&plain, "passw0rd")), (None, Ok(true)));
        assert_eq!(verify(&plain, " passw0rd"), Ok(false));
        let md5 = "$1$uyP76rxB$2fNjXDmsPTarfGdkYC7iz.";
        assert_eq!(verify(&plain, md5), Err(Unusable::NotAllowed(Scheme::Md5Crypt)));
        let hex = policy("default_scheme = 'SHA256.HEX'\nallow_weak = ['SHA256']");
        let digest = "8f0e2f76e22b43e2855189877e7dc1e1e7d98c226c95db247cd1d547928334a9";
        assert_eq!(verify(&hex, digest), Ok(true));
    }

    #[test]
    fn a_misspelt_or_pointless_setting_is_an_error() {
        for (text, advice) in [
            ("max_bcrypt = 12", "unknown field"),
            ("allow_weak = ['PLAN']", "not a password scheme"),
            ("allow_weak = ['SSHA512']", "always allowed"),
            ("default_scheme = 'SSHA512.HEXA'", "not a password scheme"),
        ] {
            let error = toml::from_str::<Policy>(text).unwrap_err().to_string();
            assert!(error.contains(advice), "{text}: {error}");
        }
    }
}
