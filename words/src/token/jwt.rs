//! The outer form of a token: JWS compact serialization (RFC 7515, 3.1).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::auth::Denial;

/// Longest token in bytes. Neither a login process nor Postfix passes on more.
const MAX_BYTES: usize = 16_384;

/// How a token is signed: by one of two keys, of which only one is secret. `none` and the algorithms with a shared
/// secret (`HS256` and the like) are not here, so nobody can ask for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256; Keycloak's default.
    #[serde(rename = "RS256")]
    Rs256,
    /// The same with SHA-384.
    #[serde(rename = "RS384")]
    Rs384,
    /// The same with SHA-512.
    #[serde(rename = "RS512")]
    Rs512,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// The same with SHA-384.
    #[serde(rename = "PS384")]
    Ps384,
    /// The same with SHA-512.
    #[serde(rename = "PS512")]
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// ECDSA on P-384 with SHA-384.
    #[serde(rename = "ES384")]
    Es384,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// A token taken apart; nothing in it is proven yet.
pub struct Token<'a> {
    /// How it says that it is signed.
    pub algorithm: Algorithm,
    /// Which key it says that it is signed with.
    pub key_id: String,
    /// What is signed.
    pub(super) signed: &'a [u8],
    pub(super) signature: Vec<u8>,
    pub(super) payload: Map<String, Value>,
}

#[derive(Deserialize)]
struct Header {
    alg: Algorithm,
    kid: String,
    /// Extensions that must be understood: none is.
    #[serde(default)]
    crit: Option<Value>,
}

impl<'a> Token<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// It is none, or of a kind that is not taken.
    pub fn parse(text: &'a [u8]) -> Result<Self, Denial> {
        Self::read(text).ok_or(Denial::TokenInvalid)
    }

    fn read(text: &'a [u8]) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let last_dot = text.iter().rposition(|&byte| byte == b'.')?;
        let (signed, signature) = (&text[..last_dot], &text[last_dot + 1..]);
        let mut parts = signed.split(|&byte| byte == b'.');
        let (header, payload) = (parts.next()?, parts.next()?);
        if parts.next().is_some() || signature.is_empty() {
            return None;
        }
        let decode = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.decode(part).ok().map(Zeroizing::new);
        let header: Header = serde_json::from_slice(&decode(header)?).ok()?;
        if header.crit.is_some() {
            return None;
        }
        Some(Self {
            algorithm: header.alg,
            key_id: header.kid,
            signed,
            signature: BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?,
            payload: serde_json::from_slice(&decode(payload)?).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(header: &str, payload: &str) -> String {
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.c2ln", encode(header), encode(payload))
    }

    fn is_taken(text: &str) -> bool {
        Token::parse(text.as_bytes()).is_ok()
    }

    #[test]
    fn only_signatures_with_a_public_key_are_known() {
        for algorithm in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"] {
            assert!(is_taken(&token(&format!(r#"{{"alg":"{algorithm}","kid":"a"}}"#), "{}")), "{algorithm}");
        }
        for algorithm in ["none", "None", "NONE", "HS256", "HS384", "HS512", "ES512", "ES256K", "rs256", ""] {
            assert!(!is_taken(&token(&format!(r#"{{"alg":"{algorithm}","kid":"a"}}"#), "{}")), "{algorithm}");
        }
    }

    #[test]
    fn other_forms_are_no_tokens() {
        let good = token(r#"{"alg":"RS256","kid":"a","typ":"JWT"}"#, "{}");
        assert!(is_taken(&good));
        for wrong in [
            String::new(),
            "..".to_owned(),
            good.replace('.', ""),
            format!("{good}."),
            format!("{good}.x.y"),
            format!("{good}="),
            format!(" {good}"),
            good.trim_end_matches("c2ln").to_owned(),
            "x".repeat(20_000),
            token(r#"{"alg":"RS256"}"#, "{}"),
            token(r#"{"kid":"a"}"#, "{}"),
            token(r#"{"alg":"RS256","kid":7}"#, "{}"),
            token(r#"{"alg":"RS256","alg":"RS256","kid":"a"}"#, "{}"),
            token(r#"{"alg":"RS256","kid":"a","crit":["exp"]}"#, "{}"),
            token(r#"{"alg":"RS256","kid":"a"}"#, "[]"),
            token(r#"{"alg":"RS256","kid":"a"}"#, "{} {}"),
        ] {
            assert!(!is_taken(&wrong), "{wrong}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = Token::parse(&bytes);
        }

        #[test]
        fn any_header_and_payload_are_read_without_harm(header in "\\PC{0,60}", payload in "\\PC{0,60}") {
            let _ = Token::parse(token(&header, &payload).as_bytes());
        }
    }
}
