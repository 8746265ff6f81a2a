//! `$sha1$` of crypt(3), made by NetBSD: HMAC-SHA-1 under the password, of its own result, in rounds.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Expense, Policy, crypt64, read_count};

/// What crypt(3) takes of a salt.
const MAX_SALT: usize = 64;

/// 21 bytes at six bits a digit: the first byte of the digest comes again at the end.
const ENCODED: usize = 28;

pub(super) struct Hash {
    rounds: u32,
    salt: Box<[u8]>,
    digest: [u8; ENCODED],
}

/// Reads `$sha1$`, rounds, `$`, salt, `$` and digest.
pub(super) fn read(text: &[u8]) -> Option<Hash> {
    let mut fields = text.strip_prefix(b"$sha1$")?.split(|&byte| byte == b'$');
    let rounds = read_count(fields.next()?).filter(|&rounds| rounds > 0)?;
    let salt = fields.next().filter(|salt| (1..=MAX_SALT).contains(&salt.len()))?;
    let digest = fields.next().filter(|digest| crypt64::is_text(digest))?.try_into().ok()?;
    fields.next().is_none().then(|| Hash { rounds, salt: salt.into(), digest })
}

impl Hash {
    pub(super) fn expense(&self, policy: &Policy) -> Expense {
        Expense { what: "rounds", cost: self.rounds.into(), cap: policy.max_pbkdf2_rounds.into() }
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        // crypt(3) ends a password at its first NUL, and HMAC fills short keys up with NULs.
        if password.contains(&0) {
            return false;
        }
        let keyed = Hmac::<Sha1>::new_from_slice(password).expect("HMAC takes keys of any length");
        let first = keyed.clone().chain_update(&self.salt).chain_update(format!("$sha1${}", self.rounds));
        let mut digest = Zeroizing::new(<[u8; 20]>::from(first.finalize().into_bytes()));
        for _ in 1..self.rounds {
            *digest = keyed.clone().chain_update(*digest).finalize().into_bytes().into();
        }
        bool::from(encode(&digest).ct_eq(&self.digest))
    }
}

/// Three bytes at a time, the first of them highest.
fn encode(digest: &[u8; 20]) -> Vec<u8> {
    let again = [digest[18], digest[19], digest[0]];
    let groups = digest[..18].as_chunks::<3>().0.iter().chain([&again]);
    let turned: Zeroizing<Vec<u8>> = Zeroizing::new(groups.flat_map(|&[a, b, c]| [c, b, a]).collect());
    crypt64::encode(&turned)
}
