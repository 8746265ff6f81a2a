//! A realm's public keys (JWKS, RFC 7517), and signatures.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use serde::Deserialize;

use super::{Algorithm, Token};
use crate::auth::Denial;

/// Most keys that are kept of one realm. Keycloak shows two or three, and a few more after rotations.
const MAX_KEYS: usize = 64;

/// The public keys of a realm.
#[derive(Debug, Default)]
pub struct Keys(Vec<Key>);

/// Who may have signed a token.
#[derive(Debug)]
pub enum Signer<'a> {
    /// The realm has a key of this name.
    Known(&'a Key),
    /// It has not, as far as is known.
    Unknown,
}

/// One public key.
#[derive(Debug)]
pub struct Key {
    id: String,
    /// What it is for, where the realm says so.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Debug)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point.
    P256(Vec<u8>),
    /// An uncompressed point of the larger curve.
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kid: String,
    kty: String,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
}

impl Keys {
    /// Reads a key set. Keys for encryption and of kinds that no token may be signed with are left out. `None` if it
    /// is no key set.
    #[must_use]
    pub fn parse(json: &[u8]) -> Option<Self> {
        let set: KeySet = serde_json::from_slice(json).ok()?;
        let read = |value| Key::read(serde_json::from_value(value).ok()?);
        Some(Self(set.keys.into_iter().filter_map(read).take(MAX_KEYS).collect()))
    }

    /// Looks for the key that a token names.
    #[must_use]
    pub fn signer(&self, token: &Token<'_>) -> Signer<'_> {
        match self.0.iter().find(|key| key.id == token.key_id) {
            Some(key) => Signer::Known(key),
            None => Signer::Unknown,
        }
    }
}

impl Key {
    fn read(jwk: Jwk) -> Option<Self> {
        if jwk.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let algorithm = match jwk.alg {
            // A key that says what it is for is for nothing else, so one for something unknown is for nothing.
            Some(name) => Some(serde_json::from_value(name.into()).ok()?),
            None => None,
        };
        let number = |text: Option<String>| BASE64_URL_SAFE_NO_PAD.decode(text?).ok();
        let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => Material::Rsa { n: number(jwk.n)?, e: number(jwk.e)? },
            ("EC", Some("P-256")) => Material::P256(point(number(jwk.x)?, &number(jwk.y)?, 32)?),
            ("EC", Some("P-384")) => Material::P384(point(number(jwk.x)?, &number(jwk.y)?, 48)?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(number(jwk.x)?),
            _ => return None,
        };
        Some(Self { id: jwk.kid, algorithm, material })
    }

    /// Verifies that this key has signed the token.
    ///
    /// # Errors
    /// It has not, or not in a way that this key is for.
    pub fn verify(&self, token: &Token<'_>) -> Result<(), Denial> {
        if self.algorithm.is_some_and(|own| own != token.algorithm) {
            return Err(Denial::TokenSignature);
        }
        let (signed, signed_by) = (token.signed, token.signature.as_slice());
        let plain = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key).verify(signed, signed_by)
        };
        // RSA keys of less than 2048 bits are refused by the library.
        let end = match (&self.material, token.algorithm) {
            (Material::Rsa { n, e }, algorithm) => match rsa_parameters(algorithm) {
                Some(parameters) => RsaPublicKeyComponents { n, e }.verify(parameters, signed, signed_by),
                None => return Err(Denial::TokenSignature),
            },
            (Material::P256(point), Algorithm::Es256) => plain(&signature::ECDSA_P256_SHA256_FIXED, point),
            (Material::P384(point), Algorithm::Es384) => plain(&signature::ECDSA_P384_SHA384_FIXED, point),
            (Material::Ed25519(key), Algorithm::EdDsa) => plain(&signature::ED25519, key),
            _ => return Err(Denial::TokenSignature),
        };
        end.map_err(|_| Denial::TokenSignature)
    }
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static signature::RsaParameters> {
    match algorithm {
        Algorithm::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => None,
    }
}

/// An uncompressed point (SEC 1, 2.3.3) of coordinates of exactly this many bytes.
fn point(x: Vec<u8>, y: &[u8], bytes: usize) -> Option<Vec<u8>> {
    (x.len() == bytes && y.len() == bytes).then(|| [&[4][..], &x, y].concat())
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
