//! `{ARGON2ID}` and `{ARGON2I}`: Argon2 (RFC 9106) as the PHC string that PHP, libsodium and Dovecot write.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Expense, Policy, Scheme, Unusable, read_count};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Shorter digests are taken for cut off; the algorithm itself would allow four bytes.
const MIN_DIGEST: usize = 16;

pub(super) struct Hash {
    scheme: Scheme,
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

pub(super) fn read_argon2id(text: &[u8]) -> Option<Hash> {
    read(Scheme::Argon2id, Algorithm::Argon2id, text.strip_prefix(b"$argon2id$")?)
}

pub(super) fn read_argon2i(text: &[u8]) -> Option<Hash> {
    read(Scheme::Argon2i, Algorithm::Argon2i, text.strip_prefix(b"$argon2i$")?)
}

/// Reads `v=19$m=KIB,t=PASSES,p=LANES$salt$digest`; without `v=` it is version 16.
fn read(scheme: Scheme, algorithm: Algorithm, text: &[u8]) -> Option<Hash> {
    let text = std::str::from_utf8(text).ok()?;
    let (version, text) = match text.strip_prefix("v=") {
        Some(text) => text.split_once('$')?,
        None => ("16", text),
    };
    let version = match version {
        "19" => Version::V0x13,
        "16" => Version::V0x10,
        _ => return None,
    };
    let (params, text) = text.split_once('$')?;
    let (salt, digest) = text.split_once('$')?;
    let salt = BASE64.decode(salt).ok()?;
    let digest = BASE64.decode(digest).ok()?;
    if salt.len() < argon2::MIN_SALT_LEN || digest.len() < MIN_DIGEST {
        return None;
    }
    let params = read_params(params, digest.len())?;
    Some(Hash { scheme, algorithm, version, params, salt, digest })
}

fn read_params(text: &str, digest_length: usize) -> Option<Params> {
    let mut parts = text.split(',');
    let mut next = |name| read_count(parts.next()?.strip_prefix(name)?.as_bytes());
    let (memory, passes, lanes) = (next("m=")?, next("t=")?, next("p=")?);
    if parts.next().is_some() {
        return None;
    }
    Params::new(memory, passes, lanes, Some(digest_length)).ok()
}

/// Writes Argon2id of version 19, with one lane.
pub(super) fn make(memory_kib: u32, passes: u32, password: &[u8], salt: &[u8]) -> argon2::Result<String> {
    let params = Params::new(memory_kib, passes, 1, None)?;
    let mut digest = Zeroizing::new([0; Params::DEFAULT_OUTPUT_LEN]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(
        password,
        salt,
        &mut *digest,
    )?;
    let (salt, digest) = (BASE64.encode(salt), BASE64.encode(*digest));
    Ok(format!("$argon2id$v=19$m={memory_kib},t={passes},p=1${salt}${digest}"))
}

impl Hash {
    pub(super) fn expenses(&self, policy: &Policy) -> [Expense; 3] {
        let memory_cap = u64::from(policy.max_argon2_memory_mib) * 1024;
        let passes_cap = policy.max_argon2_passes.into();
        let lanes_cap = policy.max_argon2_lanes.into();
        [
            Expense { what: "memory in KiB", cost: self.params.m_cost().into(), cap: memory_cap },
            Expense { what: "passes", cost: self.params.t_cost().into(), cap: passes_cap },
            Expense { what: "lanes", cost: self.params.p_cost().into(), cap: lanes_cap },
        ]
    }

    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, Unusable> {
        let mut computed = Zeroizing::new(vec![0; self.digest.len()]);
        Argon2::new(self.algorithm, self.version, self.params.clone())
            .hash_password_into(password, &self.salt, &mut computed)
            .map_err(|error| match error {
                argon2::Error::OutOfMemory => Unusable::OutOfMemory(self.scheme),
                _ => Unusable::Malformed(self.scheme),
            })?;
        Ok(bool::from(computed.ct_eq(&self.digest)))
    }
}
