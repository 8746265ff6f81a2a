//! What servers keep for mechanisms of challenge and response: `{CRAM-MD5}`, `{DIGEST-MD5}`, `{NTLM}`, `{LANMAN}` and
//! `{RPA}`. A plain password is turned into the same. All are weak: no salt, and MD4, MD5 or DES.

use md4::Md4;
use md5::block_api::compress;
use md5::{Digest, Md5};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Scheme, Unusable, des_crypt, digest};

/// MD5's block, to which HMAC fills up its key.
const BLOCK: usize = 64;
/// MD5 before the first block (RFC 1321, section 3.3).
const START: [u32; 4] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476];
/// What LAN Manager encrypts.
const LANMAN_TEXT: &[u8; 8] = b"KGS!@#$%";
/// Two DES keys.
const LANMAN_BYTES: usize = 14;

/// The states of MD5 behind HMAC's outer and inner key.
pub(super) fn read_cram_md5(bytes: &[u8]) -> Option<digest::Hash> {
    read(bytes, 32, |password, _| {
        let mut key = Zeroizing::new([0; BLOCK]);
        if password.len() > BLOCK {
            key[..16].copy_from_slice(&Md5::digest(password));
        } else {
            key[..password.len()].copy_from_slice(password);
        }
        let state = |mask: u8| {
            let mut state = START;
            compress(&mut state, &[key.map(|byte| byte ^ mask)]);
            state.map(u32::to_le_bytes)
        };
        Zeroizing::new([state(0x5C), state(0x36)].as_flattened().as_flattened().to_vec())
    })
}

/// MD4 of UTF-16.
pub(super) fn read_ntlm(bytes: &[u8]) -> Option<digest::Hash> {
    read(bytes, 16, |password, _| {
        let text = std::str::from_utf8(password);
        let units: Zeroizing<Vec<u8>> = Zeroizing::new(match text {
            Ok(text) => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Err(_) => password.iter().flat_map(|&byte| [byte, 0]).collect(),
        });
        Zeroizing::new(Md4::digest(&*units).to_vec())
    })
}

/// A fixed text under two DES keys, which are the first 14 letters in upper case.
pub(super) fn read_lanman(bytes: &[u8]) -> Option<digest::Hash> {
    read(bytes, 16, |password, _| {
        let mut key = Zeroizing::new([0; LANMAN_BYTES]);
        key.iter_mut().zip(password).for_each(|(place, byte)| *place = byte.to_ascii_uppercase());
        let halves = key.as_chunks::<7>().0.iter();
        Zeroizing::new(halves.flat_map(|half| des_crypt::encrypt_text(half, LANMAN_TEXT)).collect())
    })
}

/// MD5 of UTF-16, the high byte first, of which Dovecot fills the low bytes only.
pub(super) fn read_rpa(bytes: &[u8]) -> Option<digest::Hash> {
    read(bytes, 16, |password, _| {
        let units: Zeroizing<Vec<u8>> = Zeroizing::new(password.iter().flat_map(|&byte| [0, byte]).collect());
        Zeroizing::new(Md5::digest(&*units).to_vec())
    })
}

fn read(bytes: &[u8], size: usize, compute: digest::Compute) -> Option<digest::Hash> {
    (bytes.len() == size).then(|| digest::Hash::of(bytes, b"", compute))
}

/// MD5 of `name:realm:password`.
pub(super) struct DigestMd5 {
    /// `name:realm:`, once it is known.
    owner: Option<Vec<u8>>,
    digest: [u8; 16],
}

/// Nothing can be compared before [`DigestMd5::set_owner`] says whose it is.
pub(super) fn read_digest_md5(bytes: &[u8]) -> Option<DigestMd5> {
    let digest = bytes.try_into().ok()?;
    Some(DigestMd5 { owner: None, digest })
}

impl DigestMd5 {
    /// Whose password it is: the part of the address before its last `@` is the name, the rest is the realm.
    pub(super) fn set_owner(&mut self, address: &str) {
        let (name, realm) = address.rsplit_once('@').unwrap_or((address, ""));
        self.owner = Some(format!("{name}:{realm}:").into_bytes());
    }

    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, Unusable> {
        let owner = self.owner.as_ref().ok_or(Unusable::NoOwner(Scheme::DigestMd5))?;
        let computed: Zeroizing<[u8; 16]> =
            Zeroizing::new(Md5::new().chain_update(owner).chain_update(password).finalize().into());
        Ok(bool::from(computed.ct_eq(&self.digest)))
    }
}
