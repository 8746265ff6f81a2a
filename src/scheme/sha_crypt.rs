//! `{SHA512-CRYPT}`: Drepper's SHA-crypt with SHA-512, `$6$` of crypt(3).

use std::array;

use sha_crypt::Params;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Expense, Policy, Scheme, Unusable, table};

/// crypt(3)'s own digits, lowest six bits first.
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A longer salt is cut by crypt(3), so that no hash with one ever verifies.
const MAX_SALT: usize = 16;

/// 512 bits at six a digit.
const ENCODED: usize = 86;

pub(super) struct Hash {
    rounds: u32,
    salt: Box<[u8]>,
    digest: [u8; ENCODED],
}

/// Reads `$6$`, an optional `rounds=N$`, salt, `$` and digest.
pub(super) fn read(text: &[u8]) -> Option<table::Hash> {
    let mut rest = text.strip_prefix(b"$6$")?;
    let mut rounds = Params::RECOMMENDED_ROUNDS;
    if let Some(counted) = rest.strip_prefix(b"rounds=") {
        let end = counted.iter().position(|&byte| byte == b'$')?;
        rounds = read_rounds(&counted[..end])?;
        rest = &counted[end + 1..];
    }
    let end = rest.iter().position(|&byte| byte == b'$')?;
    let (salt, digest) = (&rest[..end], &rest[end + 1..]);
    if salt.len() > MAX_SALT || !digest.iter().all(|byte| DIGITS.contains(byte)) {
        return None;
    }
    Some(table::Hash::ShaCrypt(Hash { rounds, salt: salt.into(), digest: digest.try_into().ok()? }))
}

/// A count beyond all bounds is still a count, for the cap to refuse.
fn read_rounds(digits: &[u8]) -> Option<u32> {
    if digits.starts_with(b"0") || digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let rounds: u32 = std::str::from_utf8(digits).ok()?.parse().unwrap_or(u32::MAX);
    (rounds >= Params::ROUNDS_MIN).then_some(rounds)
}

impl Hash {
    pub(super) fn expense(&self, policy: &Policy) -> Expense {
        Expense { what: "rounds", cost: self.rounds.into(), cap: policy.max_sha_crypt_rounds.into() }
    }

    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, Unusable> {
        // Only a cap above crypt(3)'s own limit of 999,999,999 rounds leads here with an error.
        let params = Params::new(self.rounds).map_err(|_| Unusable::Malformed(Scheme::Sha512Crypt))?;
        let computed = Zeroizing::new(sha_crypt::sha512_crypt(password, &self.salt, params));
        Ok(bool::from(encode(&computed)[..].ct_eq(&self.digest[..])))
    }
}

/// Groups of three bytes, each group's places being those of the one before, turned and moved on by one.
fn encode(digest: &[u8; 64]) -> [u8; ENCODED] {
    let mut places = [0, 21, 42];
    let mut groups = [0; 22];
    for group in &mut groups[..21] {
        let [a, b, c] = places.map(|place: usize| u32::from(digest[place]));
        *group = a << 16 | b << 8 | c;
        places = [places[1] + 1, places[2] + 1, places[0] + 1];
    }
    groups[21] = u32::from(digest[63]);
    array::from_fn(|i| DIGITS[(groups[i / 4] >> (6 * (i % 4)) & 0x3F) as usize])
}
