//! The seal of what nodes tell each other: HMAC-SHA256 under a key that the nodes have and Redis has not. Whoever writes
//! into Redis without the key is not believed, and whoever repeats what a node wrote is not believed twice.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::digest::{KEY_BYTES, Key};
use crate::auth::Secret;

/// The two uses of the nodes' key, kept apart.
const SEALS: &[u8] = b"keydove throttle: seals";
const DIGESTS: &[u8] = b"keydove throttle: digests";

/// What a seal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sealed<'a> {
    /// Which process wrote it.
    pub(super) node: &'a str,
    /// Counts up within a process.
    pub(super) number: u64,
    /// When it was written, in milliseconds since 1970.
    pub(super) written: u64,
    /// What happened.
    pub(super) events: &'a str,
}

/// Makes seals and proves them.
pub(super) struct Sealer(Hmac<Sha256>);

impl Sealer {
    pub(super) fn new(key: &Secret) -> Self {
        Self(keyed(&*derive(key, SEALS)))
    }

    /// The seal, in hexadecimal digits.
    pub(super) fn seal(&self, sealed: &Sealed<'_>) -> String {
        let whole = self.mac(sealed).finalize().into_bytes();
        whole.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether a seal is the one of this. In constant time.
    pub(super) fn proves(&self, seal: &str, sealed: &Sealed<'_>) -> bool {
        read_hex(seal).is_some_and(|seal| self.mac(sealed).verify_slice(&seal).is_ok())
    }

    /// Each part has its length in front, so that no two entries are one text.
    fn mac(&self, sealed: &Sealed<'_>) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        let (number, written) = (sealed.number.to_be_bytes(), sealed.written.to_be_bytes());
        for part in [sealed.node.as_bytes(), &number, &written, sealed.events.as_bytes()] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

/// The key of the digests that all nodes make of passwords.
pub(super) fn digest_key(key: &Secret) -> Key {
    derive(key, DIGESTS)
}

fn derive(key: &Secret, purpose: &[u8]) -> Key {
    let mut mac = keyed(key.expose());
    mac.update(purpose);
    let whole = mac.finalize().into_bytes();
    Zeroizing::new(std::array::from_fn(|index| whole[index]))
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn read_hex(text: &str) -> Option<[u8; KEY_BYTES]> {
    let mut bytes = [0; KEY_BYTES];
    if text.len() != 2 * KEY_BYTES || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_is_of_one_key_and_one_entry() {
        let (one, other) =
            (Sealer::new(&Secret::from("0123456789abcdef")), Sealer::new(&Secret::from("else")));
        let sealed = Sealed { node: "a", number: 1, written: 2, events: "[]" };
        let seal = one.seal(&sealed);
        assert!(one.proves(&seal, &sealed) && !other.proves(&seal, &sealed));
        for changed in [
            Sealed { node: "b", ..sealed },
            Sealed { number: 2, ..sealed },
            Sealed { written: 3, ..sealed },
            Sealed { events: "[1]", ..sealed },
        ] {
            assert!(!one.proves(&seal, &changed), "{changed:?}");
        }
        for text in ["", "00", &"g".repeat(64), &"ä".repeat(32), &seal[1..]] {
            assert!(!one.proves(text, &sealed), "{text}");
        }
    }

    #[test]
    fn the_two_uses_of_a_key_are_apart() {
        let key = Secret::from("0123456789abcdef");
        assert_ne!(*derive(&key, SEALS), *digest_key(&key));
        assert_ne!(*digest_key(&key), *digest_key(&Secret::from("0123456789abcdeg")));
    }
}
