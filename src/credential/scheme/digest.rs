//! One plain digest of the password, with a salt after it or without one: `{SSHA512}`, `{SHA}`, `{LDAP-MD5}`,
//! `{PLAIN-MD5}` and their kin.
//!
//! Salted ones are digest and salt, of whatever length the salt is; unsalted ones the digest. In which text these
//! bytes are written is `label`'s business. All of them cost next to nothing.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use sha2::Digest;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

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
    compute: Compute,
}

/// Password and salt make a digest.
pub(super) type Compute = fn(&[u8], &[u8]) -> Zeroizing<Vec<u8>>;

/// Reads a digest and its salt.
pub(super) fn read_salted<D: Digest>(bytes: &[u8]) -> Option<Hash> {
    let (digest, salt) = bytes.split_at_checked(<D as Digest>::output_size())?;
    Some(Hash::of(digest, salt, compute::<D>))
}

/// Reads a digest without a salt.
pub(super) fn read<D: Digest>(bytes: &[u8]) -> Option<Hash> {
    (bytes.len() == <D as Digest>::output_size()).then(|| Hash::of(bytes, b"", compute::<D>))
}

/// Writes base64 of digest and salt.
pub(super) fn make_salted<D: Digest>(password: &[u8], salt: &[u8]) -> String {
    BASE64.encode([&compute::<D>(password, salt)[..], salt].concat())
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
    /// A digest that is compared with what `compute` makes of a password and this salt.
    pub(super) fn of(digest: &[u8], salt: &[u8], compute: Compute) -> Hash {
        Self { digest: digest.to_vec(), salt: salt.to_vec(), compute }
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        bool::from((self.compute)(password, &self.salt).ct_eq(&self.digest))
    }
}
