//! One plain digest of the password, with a salt after it or without one: `{SSHA512}`, `{SHA}`, `{LDAP-MD5}`,
//! `{PLAIN-MD5}` and their kin.
//!
//! Salted ones are base64 of digest and salt, of whatever length the salt is. Unsalted ones are base64 of the
//! digest, or its hexadecimal digits for the `PLAIN-` kinds. All of them cost next to nothing.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use sha2::Digest;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::table;

/// Hashes whose padding got lost on the way are accepted, as mailcow does; Dovecot is stricter.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

pub(super) struct Hash {
    digest: Vec<u8>,
    /// Empty for the unsalted kinds, and for a salted one that was made so (mailcow; Dovecot wants some).
    salt: Vec<u8>,
    compute: fn(&[u8], &[u8]) -> Zeroizing<Vec<u8>>,
}

/// Reads base64 of digest and salt.
pub(super) fn read_salted<D: Digest>(text: &[u8]) -> Option<table::Hash> {
    let mut digest = BASE64.decode(text).ok()?;
    if digest.len() < <D as Digest>::output_size() {
        return None;
    }
    let salt = digest.split_off(<D as Digest>::output_size());
    Some(hash::<D>(digest, salt))
}

/// Reads base64 of the digest alone. Dovecot would take hexadecimal digits as well, mailcow does not.
pub(super) fn read_unsalted<D: Digest>(text: &[u8]) -> Option<table::Hash> {
    let digest = BASE64.decode(text).ok()?;
    (digest.len() == <D as Digest>::output_size()).then(|| hash::<D>(digest, Vec::new()))
}

/// Reads the digest's hexadecimal digits.
pub(super) fn read_hex<D: Digest>(text: &[u8]) -> Option<table::Hash> {
    let digest = decode_hex(text)?;
    (digest.len() == <D as Digest>::output_size()).then(|| hash::<D>(digest, Vec::new()))
}

/// Writes base64 of digest and salt.
pub(super) fn make_salted<D: Digest>(password: &[u8], salt: &[u8]) -> String {
    BASE64.encode([&compute::<D>(password, salt)[..], salt].concat())
}

fn hash<D: Digest>(digest: Vec<u8>, salt: Vec<u8>) -> table::Hash {
    table::Hash::Digest(Hash { digest, salt, compute: compute::<D> })
}

fn compute<D: Digest>(password: &[u8], salt: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(D::new().chain_update(password).chain_update(salt).finalize().to_vec())
}

/// Two digits a byte, in either letter case.
pub(super) fn decode_hex(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

impl Hash {
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        bool::from((self.compute)(password, &self.salt).ct_eq(&self.digest))
    }
}
