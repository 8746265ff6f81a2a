//! `{OTP}`, also labelled `{SKEY}`: the last one-time password of RFC 2289, `algorithm number seed hash`. Weak.
//!
//! It is a digest of seed and password, digested again as often as the number says, so the password yields it.

use md4::Md4;
use md5::{Digest, Md5};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Expense, digest::decode_hex, read_count};

/// The numbers of the protocol have four digits.
const MAX_ROUNDS: u64 = 10_000;
/// The longest seed of the protocol; letter case does not count.
const MAX_SEED: usize = 16;

pub(super) struct Hash {
    rounds: u32,
    seed: Box<[u8]>,
    digest: [u8; 8],
    step: fn(&[u8]) -> [u8; 8],
}

pub(super) fn read(text: &[u8]) -> Option<Hash> {
    let [algorithm, rounds, seed, digest] =
        text.split(|&byte| byte == b' ').collect::<Vec<_>>().try_into().ok()?;
    let step = match algorithm.to_ascii_lowercase().as_slice() {
        b"md4" => |text: &[u8]| fold(Md4::digest(text).into()),
        b"md5" => |text: &[u8]| fold(Md5::digest(text).into()),
        b"sha1" => fold_sha1,
        _ => return None,
    };
    let is_seed = (1..=MAX_SEED).contains(&seed.len()) && seed.iter().all(u8::is_ascii_alphanumeric);
    let (rounds, digest) = (read_count(rounds)?, decode_hex(digest)?.try_into().ok()?);
    is_seed.then(|| Hash { rounds, seed: seed.to_ascii_lowercase().into(), digest, step })
}

impl Hash {
    pub(super) fn expense(&self) -> Expense {
        Expense { what: "rounds", cost: self.rounds.into(), cap: MAX_ROUNDS }
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let text = Zeroizing::new([&self.seed, password].concat());
        let first = (self.step)(&text);
        let digest = (0..self.rounds).fold(first, |digest, _| (self.step)(&digest));
        bool::from(digest.ct_eq(&self.digest))
    }
}

fn fold(digest: [u8; 16]) -> [u8; 8] {
    std::array::from_fn(|i| digest[i] ^ digest[i + 8])
}

/// The words of SHA-1 are written the other way round.
fn fold_sha1(text: &[u8]) -> [u8; 8] {
    let digest = Sha1::digest(text);
    std::array::from_fn(|i| {
        let (word, place) = (i / 4, 3 - i % 4);
        let at = |word: usize| digest[4 * word + place];
        at(word) ^ at(word + 2) ^ if word == 0 { at(4) } else { 0 }
    })
}
