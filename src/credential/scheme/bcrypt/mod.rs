//! `{BLF-CRYPT}`: bcrypt, the scheme that mailcow and PHP write.
//!
//! `$2b$` and `$2y$` are two names of one algorithm. `$2a$` is taken for the same; crypt(3) differs there for some
//! passwords that contain the byte 0xFF, which UTF-8 never does. `$2x$` marks hashes of an old, broken implementation,
//! which took bytes from 0x80 on for negative numbers.
//!
//! [`keydove_eksblowfish`] computes, on [`Lanes`] that share a core.

mod lanes;
#[cfg(test)]
mod tests;

use base64::{
    Engine, alphabet,
    engine::{GeneralPurpose, general_purpose::NO_PAD},
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Expense, Policy};
pub(super) use keydove_eksblowfish::MAX_KEY;
pub use keydove_eksblowfish::MAX_LANES;
use keydove_eksblowfish::{DIGEST, Eksblowfish, step};
pub use lanes::Lanes;

const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD);

/// Costs that the algorithm knows: 2^4 to 2^31 rounds.
const COSTS: std::ops::RangeInclusive<u32> = 4..=31;

pub(super) struct Hash {
    cost: u32,
    salt: [u8; 16],
    digest: [u8; 23],
    /// `$2x$`
    signed: bool,
}

/// Reads `$2y$NN$` and 22 characters of salt and 31 of digest.
pub(super) fn read(text: &[u8]) -> Option<Hash> {
    let [
        b'$',
        b'2',
        kind @ (b'a' | b'b' | b'x' | b'y'),
        b'$',
        tens @ b'0'..=b'9',
        ones @ b'0'..=b'9',
        b'$',
        rest @ ..,
    ] = text
    else {
        return None;
    };
    let cost = u32::from(tens - b'0') * 10 + u32::from(ones - b'0');
    if !COSTS.contains(&cost) || rest.len() != 22 + 31 {
        return None;
    }
    let (salt, digest) = rest.split_at(22);
    let salt = BASE64.decode(salt).ok()?.try_into().ok()?;
    let digest = BASE64.decode(digest).ok()?.try_into().ok()?;
    Some(Hash { cost, salt, digest, signed: *kind == b'x' })
}

/// Writes the `$2y$` of PHP and mailcow. The password has no NUL, and a cost that the algorithm knows.
pub(super) fn make(cost: u32, password: &[u8], salt: [u8; 16]) -> String {
    let digest = compute(cost, password, salt, false);
    format!("$2y${cost:02}${}{}", BASE64.encode(salt), BASE64.encode(&digest[..23]))
}

/// One computation alone on its core.
fn compute(cost: u32, password: &[u8], salt: [u8; 16], signed: bool) -> Zeroizing<[u8; DIGEST]> {
    let mut state = Box::new([Eksblowfish::EMPTY]);
    state[0].begin(cost, password, salt, signed);
    while !state[0].is_done() {
        step(&mut *state);
    }
    Zeroizing::new(state[0].digest())
}

impl Hash {
    pub(super) fn expense(&self, policy: &Policy) -> Expense {
        Expense { what: "cost", cost: self.cost.into(), cap: policy.max_bcrypt_cost.into() }
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        // bcrypt repeats the key with its final NUL, so `a` and `a\0a` are one key; no real password has a NUL.
        if password.contains(&0) {
            return false;
        }
        let computed = compute(self.cost, password, self.salt, self.signed);
        bool::from(computed[..self.digest.len()].ct_eq(&self.digest))
    }
}
