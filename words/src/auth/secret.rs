//! Bytes that must never be shown.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A password, a stored hash, a token or a client secret.
///
/// It is wiped when dropped, prints as `Secret(..)`, has no `Display`, `Serialize` or `PartialEq`, and is
/// copied only on purpose ([`Secret::duplicate`]).
pub struct Secret(Zeroizing<Box<[u8]>>);

impl Secret {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes.into_boxed_slice()))
    }

    /// The bytes, for a hash function or a request body and nothing else.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// A second copy, for work that outlives its owner (a hashing thread, for instance).
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares in a time that depends on the lengths only.
    #[must_use]
    pub fn matches(&self, other: &[u8]) -> bool {
        bool::from(self.0.ct_eq(other))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes().to_vec())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_cannot_be_printed() {
        assert_eq!(format!("{:?}", Secret::from("hunter2")), "Secret(..)");
        assert_eq!(format!("{:#?}", Some(Secret::from("hunter2"))), "Some(\n    Secret(..),\n)");
    }

    #[test]
    fn a_secret_matches_itself_only() {
        let secret = Secret::from("hunter2");
        assert!(secret.matches(b"hunter2"));
        assert!(!secret.matches(b"hunter"));
        assert!(!secret.matches(b"hunter22"));
        assert!(!secret.matches(b""));
    }
}
