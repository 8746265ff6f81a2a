//! `{SCRAM-SHA-1}` and `{SCRAM-SHA-256}`: what RFC 5802 lets a server keep, `rounds,salt,stored key,server key`.
//!
//! The stored key is the digest of a key that PBKDF2 makes of the password, so a plain password can be held against it.
//! Like Dovecot, keydove takes the password's bytes as they are, without `SASLprep`.

use base64::Engine;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Expense, Policy, digest::BASE64, read_count};

/// What a password, a salt and a number of rounds come to.
type Compute = fn(&[u8], &[u8], u32) -> Zeroizing<Vec<u8>>;

pub(super) struct Hash {
    rounds: u32,
    salt: Vec<u8>,
    stored_key: Vec<u8>,
    compute: Compute,
}

pub(super) fn read_sha1(text: &[u8]) -> Option<Hash> {
    read(text, <Sha1 as Digest>::output_size(), compute_sha1)
}

pub(super) fn read_sha256(text: &[u8]) -> Option<Hash> {
    read(text, <Sha256 as Digest>::output_size(), compute_sha256)
}

/// The server key proves the server to the client and is no use here, but a string without a whole one was cut off.
fn read(text: &[u8], size: usize, compute: Compute) -> Option<Hash> {
    let [rounds, salt, stored_key, server_key] =
        text.split(|&byte| byte == b',').collect::<Vec<_>>().try_into().ok()?;
    let key = |text: &[u8]| BASE64.decode(text).ok().filter(|key| key.len() == size);
    key(server_key)?;
    let rounds = read_count(rounds).filter(|&rounds| rounds > 0)?;
    let (salt, stored_key) = (BASE64.decode(salt).ok()?, key(stored_key)?);
    Some(Hash { rounds, salt, stored_key, compute })
}

impl Hash {
    pub(super) fn expense(&self, policy: &Policy) -> Expense {
        Expense { what: "rounds", cost: self.rounds.into(), cap: policy.max_pbkdf2_rounds.into() }
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        bool::from((self.compute)(password, &self.salt, self.rounds).ct_eq(&self.stored_key))
    }
}

fn compute_sha1(password: &[u8], salt: &[u8], rounds: u32) -> Zeroizing<Vec<u8>> {
    let salted = Zeroizing::new(pbkdf2::pbkdf2_hmac_array::<Sha1, 20>(password, salt, rounds));
    let mac = Hmac::<Sha1>::new_from_slice(&*salted).expect("HMAC takes keys of any length");
    let client_key = mac.chain_update("Client Key").finalize().into_bytes();
    Zeroizing::new(Sha1::digest(client_key).to_vec())
}

fn compute_sha256(password: &[u8], salt: &[u8], rounds: u32) -> Zeroizing<Vec<u8>> {
    let salted = Zeroizing::new(pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, salt, rounds));
    let mac = Hmac::<Sha256>::new_from_slice(&*salted).expect("HMAC takes keys of any length");
    let client_key = mac.chain_update("Client Key").finalize().into_bytes();
    Zeroizing::new(Sha256::digest(client_key).to_vec())
}
