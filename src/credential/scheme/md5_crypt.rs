//! `{MD5-CRYPT}`, also labelled `{MD5}`: the `$1$` of crypt(3), a thousand rounds of MD5. Weak.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{crypt64, digest};

/// A longer salt is cut by crypt(3), so that no hash with one ever verifies.
const MAX_SALT: usize = 8;

/// 128 bits at six a digit.
const ENCODED: usize = 22;

/// Where the bytes of the digest go in its text.
const ORDER: [usize; 16] = [12, 6, 0, 13, 7, 1, 14, 8, 2, 15, 9, 3, 5, 10, 4, 11];

pub(super) enum Hash {
    Salted {
        salt: Box<[u8]>,
        digest: [u8; ENCODED],
    },
    /// 32 hexadecimal digits under `{MD5}`, which mailcow's documentation shows and mailcow never accepts.
    NeverAccepted,
}

/// Reads `$1$`, salt, `$` and digest.
///
/// Bare hexadecimal digits are a hash that no password matches, as in mailcow, so that the same people get the
/// same answer; `{PLAIN-MD5}` is their right label.
pub(super) fn read(text: &[u8]) -> Option<Hash> {
    if digest::decode_hex(text).is_some_and(|digest| digest.len() == 16) {
        return Some(Hash::NeverAccepted);
    }
    let rest = text.strip_prefix(b"$1$")?;
    let end = rest.iter().position(|&byte| byte == b'$')?;
    let (salt, digest) = (&rest[..end], &rest[end + 1..]);
    if salt.len() > MAX_SALT || !crypt64::is_text(digest) {
        return None;
    }
    Some(Hash::Salted { salt: salt.into(), digest: digest.try_into().ok()? })
}

impl Hash {
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        match self {
            Self::Salted { salt, digest } => bool::from(compute(password, salt).ct_eq(digest)),
            Self::NeverAccepted => false,
        }
    }
}

fn compute(password: &[u8], salt: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut digest = begin(password, salt);
    for round in 0..1000 {
        let (first, last) = if round % 2 == 0 { (&digest[..], password) } else { (password, &digest[..]) };
        let mut hash = Md5::new_with_prefix(first);
        if round % 3 != 0 {
            hash.update(salt);
        }
        if round % 7 != 0 {
            hash.update(password);
        }
        hash.update(last);
        *digest = hash.finalize().into();
    }
    encode(&digest)
}

/// The digest as text.
pub(super) fn encode(digest: &[u8; 16]) -> Zeroizing<Vec<u8>> {
    let ordered = Zeroizing::new(ORDER.map(|place| digest[place]));
    Zeroizing::new(crypt64::encode(&*ordered))
}

fn begin(password: &[u8], salt: &[u8]) -> Zeroizing<[u8; 16]> {
    let inner = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut hash = Md5::new().chain_update(password).chain_update("$1$").chain_update(salt);
    for part in password.chunks(inner.len()) {
        hash.update(&inner[..part.len()]);
    }
    // An old slip that is now a part of the algorithm: a zero, where the digest was meant, or the first byte.
    let mut length = password.len();
    while length > 0 {
        hash.update(if length % 2 == 1 { &[0] } else { &password[..1] });
        length /= 2;
    }
    Zeroizing::new(hash.finalize().into())
}
