//! Passwords as numbers that say nothing: equal ones have equal numbers, under a key that is in no file.

use std::sync::{PoisonError, RwLock};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::auth::Username;

pub(super) const KEY_BYTES: usize = 32;

/// A key of digests, wiped when dropped.
pub(super) type Key = Zeroizing<[u8; KEY_BYTES]>;

/// What a digest is made of besides the account.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// The password itself.
    Password = 0,
    /// What Dovecot makes of a password before it asks a policy server.
    PolicyHash = 1,
    /// A guess as ban tools are told of it.
    Refused = 2,
}

/// Makes digests. The key is drawn at the start, and replaced by the nodes' common one where they count together.
pub(super) struct Digester(RwLock<(Key, Hmac<Sha256>)>);

impl Digester {
    /// With a random key.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(&mut *key)?;
        Ok(Self(RwLock::new(keyed(key))))
    }

    /// 64 bits of HMAC-SHA256. Each part has its length in front, so that no two pairs are one text.
    pub(super) fn digest(&self, kind: Kind, user: &Username, password: &[u8]) -> u64 {
        self.digest_parts(kind, &[user.as_str().as_bytes(), password])
    }

    /// The same of any parts.
    pub(super) fn digest_parts(&self, kind: Kind, parts: &[&[u8]]) -> u64 {
        let mut mac = self.0.read().unwrap_or_else(PoisonError::into_inner).1.clone();
        mac.update(&[kind as u8]);
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let whole = mac.finalize().into_bytes();
        u64::from_be_bytes(std::array::from_fn(|index| whole[index]))
    }

    #[cfg(test)]
    fn key(&self) -> Key {
        self.0.read().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Takes the key that nodes have in common.
    pub(super) fn set_key(&self, key: Key) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keyed(key);
    }
}

fn keyed(key: Key) -> (Key, Hmac<Sha256>) {
    let mac = Hmac::<Sha256>::new_from_slice(&*key).expect("HMAC takes keys of any length");
    (key, mac)
}

impl std::fmt::Debug for Digester {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digester(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_of_one_account_one_password_and_one_key() {
        let (one, other) = (Digester::new().unwrap(), Digester::new().unwrap());
        let user = |name: &str| Username::parse(name.as_bytes()).unwrap();
        let digest = |digester: &Digester, name, password: &[u8]| {
            digester.digest(Kind::Password, &user(name), password)
        };
        let first = digest(&one, "a@example.org", b"pw");
        assert_eq!(first, digest(&one, "A@example.org", b"pw"));
        assert_ne!(first, digest(&one, "b@example.org", b"pw"));
        assert_ne!(first, digest(&one, "a@example.org", b"pw2"));
        assert_ne!(first, one.digest(Kind::PolicyHash, &user("a@example.org"), b"pw"));
        assert_ne!(first, digest(&other, "a@example.org", b"pw"));
        other.set_key(one.key());
        assert_eq!(first, digest(&other, "a@example.org", b"pw"));
    }
}
