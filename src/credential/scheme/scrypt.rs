//! scrypt in the forms of crypt(3): `$7$` (RFC 7914), yescrypt `$y$`, and gost-yescrypt `$gy$`.
//!
//! All three ask for memory. How much is known from a few letters, before anything is allocated.

use hmac::{Hmac, KeyInit, Mac};
use streebog::{Digest, Streebog256};
use subtle::ConstantTimeEq;
use yescrypt::{Mode, Params};
use zeroize::Zeroizing;

use super::{Expense, Policy, Scheme, Unusable, crypt64};

/// Bytes of a digest.
const DIGEST: usize = 32;
/// 256 bits at six a digit.
const ENCODED: usize = 43;
/// crypt(3) takes no more of a decoded salt.
const MAX_SALT: usize = 64;
/// The size of a block is this many bytes, times `r`.
const BLOCK: u64 = 128;

pub(super) struct Hash {
    scheme: Scheme,
    cost: Cost,
    salt: Vec<u8>,
    /// All before the digest, without its `$`; gost-yescrypt signs it.
    setting: Box<[u8]>,
    digest: [u8; DIGEST],
}

/// What the letters of a hash ask for.
#[derive(Clone, Copy)]
struct Cost {
    mode: Mode,
    log2_n: u32,
    r: u32,
    p: u32,
    t: u32,
}

/// Reads `$7$`, one digit for the logarithm of N, five each for r and p, a salt that is taken as text, and a digest.
pub(super) fn read_scrypt(text: &[u8]) -> Option<Hash> {
    let (setting, digest) = split_digest(text)?;
    let (&log2_n, rest) = setting.strip_prefix(b"$7$")?.split_first()?;
    let (r, rest) = rest.split_first_chunk::<5>()?;
    let (p, salt) = rest.split_first_chunk::<5>()?;
    let cost = Cost {
        mode: Mode::Classic,
        log2_n: crypt64::decode(&[log2_n])?,
        r: crypt64::decode(r)?,
        p: crypt64::decode(p)?,
        t: 0,
    };
    finish(Scheme::Scrypt, cost, salt.to_vec(), setting, digest)
}

/// Reads `$y$`, parameters, salt and digest.
pub(super) fn read_yescrypt(text: &[u8]) -> Option<Hash> {
    read_parameters(Scheme::Yescrypt, b"$y$", text)
}

/// Reads the same behind `$gy$`.
pub(super) fn read_gost_yescrypt(text: &[u8]) -> Option<Hash> {
    read_parameters(Scheme::GostYescrypt, b"$gy$", text)
}

fn read_parameters(scheme: Scheme, prefix: &[u8], text: &[u8]) -> Option<Hash> {
    let (setting, digest) = split_digest(text)?;
    let rest = setting.strip_prefix(prefix)?;
    let end = rest.iter().position(|&byte| byte == b'$')?;
    let cost = Cost::read(&rest[..end])?;
    let salt = crypt64::decode_bytes(&rest[end + 1..]).filter(|salt| salt.len() <= MAX_SALT)?;
    finish(scheme, cost, salt, setting, digest)
}

fn split_digest(text: &[u8]) -> Option<(&[u8], [u8; DIGEST])> {
    let (setting, digest) = text.split_last_chunk::<ENCODED>()?;
    Some((setting.strip_suffix(b"$")?, crypt64::decode_bytes(digest)?.try_into().ok()?))
}

fn finish(scheme: Scheme, cost: Cost, salt: Vec<u8>, setting: &[u8], digest: [u8; DIGEST]) -> Option<Hash> {
    cost.is_possible().then(|| Hash { scheme, cost, salt, setting: setting.into(), digest })
}

impl Cost {
    /// Reads the mode, N and r, and what the next number says that follows: p, t, upgrades and a table in read-only
    /// memory. crypt(3) makes none of the last two.
    fn read(mut text: &[u8]) -> Option<Self> {
        let mode = Mode::try_from(read_number(&mut text, 0)?).ok()?;
        let (log2_n, r) = (read_number(&mut text, 1)?, read_number(&mut text, 1)?);
        let follows = if text.is_empty() { 0 } else { read_number(&mut text, 1)? };
        let mut next = |bit: u32, least: u32, default: u32| {
            if follows & bit == 0 { Some(default) } else { read_number(&mut text, least) }
        };
        let (p, t) = (next(1, 2, 1)?, next(2, 1, 0)?);
        (follows & !3 == 0 && text.is_empty()).then_some(Self { mode, log2_n, r, p, t })
    }

    /// The limits of the algorithm, far beyond every cap.
    fn is_possible(self) -> bool {
        let is_sane = (1..=63).contains(&self.log2_n) && self.r > 0 && self.p > 0;
        is_sane && u64::from(self.r) * u64::from(self.p) < 1 << 30
    }

    /// In KiB, rounded up; a number beyond all bounds is the largest. Beside N blocks there is one for each of `p`, and
    /// two more, which count where they are many.
    fn memory_kib(self) -> u64 {
        let blocks = (1_u64 << self.log2_n).max(2 * (u64::from(self.p) + 2));
        blocks.saturating_mul(u64::from(self.r) * BLOCK).div_ceil(1024)
    }

    /// How often the memory is gone through: classic scrypt once for each of `p`; `t` adds about as many again.
    fn passes(self) -> u64 {
        u64::from(self.p) * (1 + u64::from(self.t))
    }
}

/// A number of varying length: its first digit says how many follow, and each length begins where the shorter ones end.
fn read_number(text: &mut &[u8], least: u32) -> Option<u32> {
    let (&first, mut rest) = text.split_first()?;
    let first = crypt64::decode(&[first])?;
    let (mut start, mut end, mut more, mut number) = (0, 47, 0, least);
    while first > end {
        number += (end + 1 - start) << (6 * more);
        start = end + 1;
        end = start + (62 - end) / 2;
        more += 1;
    }
    number += (first - start) << (6 * more);
    for place in (0..more).rev() {
        let (&digit, left) = rest.split_first()?;
        number += crypt64::decode(&[digit])? << (6 * place);
        rest = left;
    }
    *text = rest;
    Some(number)
}

impl Hash {
    pub(super) fn expenses(&self, policy: &Policy) -> [Expense; 2] {
        let memory_cap = u64::from(policy.max_scrypt_memory_mib) * 1024;
        [
            Expense { what: "memory in KiB", cost: self.cost.memory_kib(), cap: memory_cap },
            Expense { what: "passes", cost: self.cost.passes(), cap: policy.max_scrypt_passes.into() },
        ]
    }

    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, Unusable> {
        // crypt(3) ends a password at its first NUL; no real password has one.
        if password.contains(&0) {
            return Ok(false);
        }
        self.reserve()?;
        let Cost { mode, log2_n, r, p, t } = self.cost;
        let mut computed = Zeroizing::new([0; DIGEST]);
        Params::new_with_all_params(mode, 1 << log2_n, r, p, t, 0)
            .and_then(|params| yescrypt::yescrypt(password, &self.salt, &params, &mut computed[..]))
            .map_err(|_| Unusable::Malformed(self.scheme))?;
        if self.scheme == Scheme::GostYescrypt {
            let key = Zeroizing::new(<[u8; DIGEST]>::from(Streebog256::digest(password)));
            let inner = Zeroizing::new(sign(&key, &self.setting));
            *computed = sign(&inner, &*computed);
        }
        Ok(bool::from(computed.ct_eq(&self.digest)))
    }

    /// The crate would end the process where there is no memory.
    fn reserve(&self) -> Result<(), Unusable> {
        let out_of_memory = || Unusable::OutOfMemory(self.scheme);
        let bytes =
            usize::try_from(self.cost.memory_kib().saturating_mul(1024)).map_err(|_| out_of_memory())?;
        Vec::<u8>::new().try_reserve_exact(bytes).map_err(|_| out_of_memory())
    }
}

fn sign(key: &[u8; DIGEST], message: &[u8]) -> [u8; DIGEST] {
    let mac = Hmac::<Streebog256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.chain_update(message).finalize().into_bytes().into()
}
