//! `{SHA512-CRYPT}` and `{SHA256-CRYPT}`: Drepper's SHA-crypt, `$6$` and `$5$` of crypt(3).

use sha_crypt::Params;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Expense, Policy, Scheme, Unusable, crypt64, read_count};

/// A longer salt is cut by crypt(3), so that no hash with one ever verifies.
const MAX_SALT: usize = 16;

pub(super) struct Hash {
    variant: &'static Variant,
    rounds: u32,
    salt: Box<[u8]>,
    digest: Box<[u8]>,
}

struct Variant {
    scheme: Scheme,
    prefix: &'static [u8],
    /// Length of the digest's text: 256 or 512 bits at six a digit.
    encoded: usize,
    compute: Compute,
}

/// Password, salt and rounds make a digest.
type Compute = fn(&[u8], &[u8], Params) -> Vec<u8>;

static SHA256: Variant =
    Variant { scheme: Scheme::Sha256Crypt, prefix: b"$5$", encoded: 43, compute: compute_sha256 };

static SHA512: Variant =
    Variant { scheme: Scheme::Sha512Crypt, prefix: b"$6$", encoded: 86, compute: compute_sha512 };

pub(super) fn read_sha256(text: &[u8]) -> Option<Hash> {
    read(text, &SHA256)
}

pub(super) fn read_sha512(text: &[u8]) -> Option<Hash> {
    read(text, &SHA512)
}

/// Reads the prefix, an optional `rounds=N$`, salt, `$` and digest.
fn read(text: &[u8], variant: &'static Variant) -> Option<Hash> {
    let mut rest = text.strip_prefix(variant.prefix)?;
    let mut rounds = Params::RECOMMENDED_ROUNDS;
    if let Some(counted) = rest.strip_prefix(b"rounds=") {
        let end = counted.iter().position(|&byte| byte == b'$')?;
        rounds = read_rounds(&counted[..end])?;
        rest = &counted[end + 1..];
    }
    let end = rest.iter().position(|&byte| byte == b'$')?;
    let (salt, digest) = (&rest[..end], &rest[end + 1..]);
    if salt.len() > MAX_SALT || digest.len() != variant.encoded || !crypt64::is_text(digest) {
        return None;
    }
    Some(Hash { variant, rounds, salt: salt.into(), digest: digest.into() })
}

/// Writes `$6$`. The salt is text of crypt(3)'s digits; the rounds are within the algorithm's limits.
pub(super) fn make_sha512(rounds: u32, password: &[u8], salt: &[u8]) -> String {
    let params = Params::new(rounds).expect("the caller keeps to the limits");
    let digest = compute_sha512(password, salt, params);
    format!("$6$rounds={rounds}${}${}", salt.escape_ascii(), digest.escape_ascii())
}

fn read_rounds(digits: &[u8]) -> Option<u32> {
    let rounds = read_count(digits).filter(|_| !digits.starts_with(b"0"))?;
    (rounds >= Params::ROUNDS_MIN).then_some(rounds)
}

impl Hash {
    pub(super) fn expense(&self, policy: &Policy) -> Expense {
        Expense { what: "rounds", cost: self.rounds.into(), cap: policy.max_sha_crypt_rounds.into() }
    }

    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, Unusable> {
        // Only a cap above crypt(3)'s own limit of 999,999,999 rounds leads here with an error.
        let params = Params::new(self.rounds).map_err(|_| Unusable::Malformed(self.variant.scheme))?;
        let computed = Zeroizing::new((self.variant.compute)(password, &self.salt, params));
        Ok(bool::from(computed.ct_eq(&self.digest)))
    }
}

fn compute_sha256(password: &[u8], salt: &[u8], params: Params) -> Vec<u8> {
    let digest = Zeroizing::new(sha_crypt::sha256_crypt(password, salt, params));
    let groups = turn([20, 10, 0], |[c, b, a]| [b, a, c]).take(10).flatten();
    encode(&digest[..], groups.chain([30, 31]))
}

fn compute_sha512(password: &[u8], salt: &[u8], params: Params) -> Vec<u8> {
    let digest = Zeroizing::new(sha_crypt::sha512_crypt(password, salt, params));
    let groups = turn([42, 21, 0], |[c, b, a]| [a, c, b]).take(21).flatten();
    encode(&digest[..], groups.chain([63]))
}

/// Groups of three places, each being the group before, turned and moved on by one.
fn turn(first: [usize; 3], turn: fn([usize; 3]) -> [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    std::iter::successors(Some(first), move |group| Some(turn(*group).map(|place| place + 1)))
}

fn encode(digest: &[u8], order: impl Iterator<Item = usize>) -> Vec<u8> {
    let ordered = Zeroizing::new(order.map(|place| digest[place]).collect::<Vec<_>>());
    crypt64::encode(&ordered)
}
