//! `{PBKDF2}`, Dovecot's with HMAC-SHA-1, and `{PBKDF2-SHA512}`, which mailcow takes over from FreeIPA.

use base64::Engine;
use sha1::Sha1;
use sha2::Sha512;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    Expense, Policy,
    digest::{BASE64, decode_hex},
    read_count,
};

/// SHA-1's digest, which is all that `{PBKDF2}` ever has.
const SHA1_DIGEST: usize = 20;
/// SHA-512's digest, which is what one run of the rounds yields.
const SHA512_DIGEST: usize = 64;

/// Shorter digests are taken for cut off. Of one byte, every 256th password would match; mailcow takes that.
const MIN_DIGEST: usize = 16;

pub(super) struct Hash {
    rounds: u32,
    /// Runs of all the rounds that a digest of this length takes.
    blocks: usize,
    salt: Vec<u8>,
    digest: Vec<u8>,
    compute: fn(&[u8], &[u8], u32, &mut [u8]),
}

/// Reads `$1$salt$rounds$digest`: the salt is taken as text, the digest is in hexadecimal.
pub(super) fn read_sha1(text: &[u8]) -> Option<Hash> {
    let [salt, rounds, digest] = split(text.strip_prefix(b"$1$")?)?;
    let digest = decode_hex(digest).filter(|digest| digest.len() == SHA1_DIGEST)?;
    let (rounds, salt) = (read_rounds(rounds)?, salt.to_vec());
    let compute = pbkdf2::pbkdf2_hmac::<Sha1>;
    Some(Hash { rounds, blocks: 1, salt, digest, compute })
}

/// Reads `rounds$salt$digest`, salt and digest in base64. The digest may be of any length from 16 bytes on.
pub(super) fn read_sha512(text: &[u8]) -> Option<Hash> {
    let [rounds, salt, digest] = split(text)?;
    let digest = BASE64.decode(digest).ok().filter(|digest| digest.len() >= MIN_DIGEST)?;
    let (rounds, salt) = (read_rounds(rounds)?, BASE64.decode(salt).ok()?);
    let blocks = digest.len().div_ceil(SHA512_DIGEST);
    let compute = pbkdf2::pbkdf2_hmac::<Sha512>;
    Some(Hash { rounds, blocks, salt, digest, compute })
}

fn split(text: &[u8]) -> Option<[&[u8]; 3]> {
    text.split(|&byte| byte == b'$').collect::<Vec<_>>().try_into().ok()
}

fn read_rounds(digits: &[u8]) -> Option<u32> {
    read_count(digits).filter(|&rounds| rounds > 0)
}

impl Hash {
    /// A long digest costs its rounds several times over, and all of them count.
    pub(super) fn expense(&self, policy: &Policy) -> Expense {
        let cost = u64::from(self.rounds) * self.blocks as u64;
        Expense { what: "rounds", cost, cap: policy.max_pbkdf2_rounds.into() }
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let mut computed = Zeroizing::new(vec![0; self.digest.len()]);
        (self.compute)(password, &self.salt, self.rounds, &mut computed);
        bool::from(computed.ct_eq(&self.digest))
    }
}
