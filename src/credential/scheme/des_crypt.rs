//! `{DES-CRYPT}`: crypt(3)'s first algorithm, 13 characters, and its extended form, `_` and 19 more. Weak.
//!
//! DES (FIPS 46-3) with one change: the salt exchanges bits between the halves of the expanded block. No crate
//! offers it. Of a password 8 bytes count (all of it in the extended form), and 7 bits of each byte.
//! Bits are numbered as in the standard, from 1, the highest first.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Expense, Policy, crypt64, des_tables};

/// 64 bits at six a digit.
const ENCODED: usize = 11;

/// How often the traditional form encrypts.
const ROUNDS: u32 = 25;

pub(super) struct Hash {
    extended: bool,
    rounds: u32,
    salt: u32,
    digest: [u8; ENCODED],
}

/// Reads two digits of salt and 11 of digest, or `_`, four digits each of rounds and salt, and 11 of digest.
pub(super) fn read(text: &[u8]) -> Option<Hash> {
    let (extended, text) = text.strip_prefix(b"_").map_or((false, text), |text| (true, text));
    let (settings, digest) = text.split_last_chunk::<ENCODED>()?;
    let (rounds, salt) = match (extended, settings.len()) {
        (false, 2) => (ROUNDS, crypt64::decode(settings)?),
        (true, 8) => (crypt64::decode(&settings[..4])?, crypt64::decode(&settings[4..])?),
        _ => return None,
    };
    let hash = Hash { extended, rounds, salt, digest: *digest };
    (rounds > 0 && crypt64::is_text(digest)).then_some(hash)
}

impl Hash {
    /// The extended form has room for 16 million rounds.
    pub(super) fn expense(&self, policy: &Policy) -> Expense {
        Expense { what: "rounds", cost: self.rounds.into(), cap: policy.max_des_crypt_rounds.into() }
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        // A short key is filled up with NULs, so `a` and `a\0` are one key; no real password has a NUL.
        if password.contains(&0) {
            return false;
        }
        let mut chunks = password.chunks(8).map(pack);
        let mut key = Zeroizing::new(chunks.next().unwrap_or_default());
        if self.extended {
            for chunk in chunks {
                *key = encrypt(*key, &schedule(*key), 0, 1) ^ chunk;
            }
        }
        let digest = encrypt(0, &schedule(*key), self.salt, self.rounds);
        bool::from(encode(digest).ct_eq(&self.digest))
    }
}

/// One block of plain DES under a key of 56 bits, seven of which it takes from each byte of its own.
pub(super) fn encrypt_text(key: &[u8; 7], text: &[u8; 8]) -> [u8; 8] {
    let bits = key.iter().fold(0, |bits, &byte| bits << 8 | u64::from(byte));
    let key = (0..8).fold(0, |key, i| key << 8 | (bits >> (49 - 7 * i) & 0x7F) << 1);
    encrypt(u64::from_be_bytes(*text), &schedule(key), 0, 1).to_be_bytes()
}

/// Eight bytes, of which DES leaves out the lowest bits, where the highest ones get lost.
fn pack(chunk: &[u8]) -> u64 {
    (0..8).fold(0, |key, i| key << 8 | u64::from(chunk.get(i).map_or(0, |byte| byte << 1)))
}

/// From the highest bits to the lowest, unlike the numbers of crypt(3) and its later algorithms.
fn encode(digest: u64) -> [u8; ENCODED] {
    std::array::from_fn(|i| {
        let bits = if i < 10 { digest >> (58 - 6 * i) } else { digest << 2 };
        crypt64::DIGITS[(bits & 0x3F) as usize]
    })
}

/// The 16 keys of 48 bits, one a step.
fn schedule(key: u64) -> Zeroizing<[u64; 16]> {
    let key = Zeroizing::new(des_tables::permute(key, 64, &des_tables::PC1));
    let (mut left, mut right) = (*key >> 28, *key & 0x0FFF_FFFF);
    let turn = |half: u64, by: u32| (half << by | half >> (28 - by)) & 0x0FFF_FFFF;
    Zeroizing::new(des_tables::TURNS.map(|by| {
        (left, right) = (turn(left, by), turn(right, by));
        des_tables::permute(left << 28 | right, 56, &des_tables::PC2)
    }))
}

/// Encrypts a block `rounds` times. In between, the last and the first permutation of DES cancel each other.
fn encrypt(block: u64, keys: &[u64; 16], salt: u32, rounds: u32) -> u64 {
    let exchanged = salt.reverse_bits() >> 8;
    let block = des_tables::permute(block, 64, &des_tables::INITIAL);
    let (mut left, mut right) = ((block >> 32) as u32, block as u32);
    for _ in 0..rounds {
        for &key in keys {
            (left, right) = (right, left ^ mix(right, key, exchanged));
        }
        (left, right) = (right, left);
    }
    des_tables::permute(u64::from(left) << 32 | u64::from(right), 64, &des_tables::FINAL)
}

/// The function `f` of the standard.
fn mix(half: u32, key: u64, exchanged: u32) -> u32 {
    let group = |i: u32| half.rotate_left(4 * i + 5) & 0x3F;
    let upper = (0..4).fold(0, |bits, i| bits << 6 | group(i));
    let lower = (4..8).fold(0, |bits, i| bits << 6 | group(i));
    let exchange = (upper ^ lower) & exchanged;
    let upper = upper ^ exchange ^ (key >> 24) as u32;
    let lower = lower ^ exchange ^ (key & 0xFF_FFFF) as u32;
    let boxes = des_tables::BOXES.iter().zip([
        upper >> 18,
        upper >> 12,
        upper >> 6,
        upper,
        lower >> 18,
        lower >> 12,
        lower >> 6,
        lower,
    ]);
    boxes.fold(0, |mixed, (table, bits)| mixed | table[(bits & 0x3F) as usize])
}
