//! `{SSHA256}` and `{SSHA512}`: base64 of digest and salt, the digest being over password and salt.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::table;

/// Hashes whose padding got lost on the way are accepted, as mailcow does; Dovecot is stricter.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

pub(super) struct Hash {
    digest: Vec<u8>,
    /// Of any length, none included (mailcow; Dovecot wants some).
    salt: Vec<u8>,
    compute: fn(&[u8], &[u8]) -> Zeroizing<Vec<u8>>,
}

pub(super) fn read_sha256(text: &[u8]) -> Option<table::Hash> {
    read::<Sha256>(text)
}

pub(super) fn read_sha512(text: &[u8]) -> Option<table::Hash> {
    read::<Sha512>(text)
}

fn read<D: Digest>(text: &[u8]) -> Option<table::Hash> {
    let mut digest = BASE64.decode(text).ok()?;
    if digest.len() < <D as Digest>::output_size() {
        return None;
    }
    let salt = digest.split_off(<D as Digest>::output_size());
    Some(table::Hash::Salted(Hash { digest, salt, compute: compute::<D> }))
}

fn compute<D: Digest>(password: &[u8], salt: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(D::new().chain_update(password).chain_update(salt).finalize().to_vec())
}

impl Hash {
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        bool::from((self.compute)(password, &self.salt).ct_eq(&self.digest))
    }
}
