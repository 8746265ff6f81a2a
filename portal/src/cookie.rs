//! Cookies: their names, their form, and the seal of those that the portal keeps nothing about.
//!
//! All names begin with `__Host-`: a browser takes such a cookie only from this very host and over TLS, so no other host
//! of the domain can plant one.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use keydove_words::auth::Secret;
use keydove_words::portal::SessionKey;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// The session.
pub const SESSION: &str = "__Host-keydove";
/// A sign-in under way, sealed.
pub const ATTEMPT: &str = "__Host-keydove-attempt";
/// A form that waits for a sign-in, sealed.
pub const DRAFT: &str = "__Host-keydove-draft";
/// The language that was chosen.
pub const LANGUAGE: &str = "__Host-keydove-language";
/// How long a sealed cookie lasts, in seconds.
pub const SEALED_LIFE: u64 = 600;
/// Longest value that is looked at.
const MAX_VALUE: usize = 8192;

/// The value of a cookie that the browser sent.
#[must_use]
pub fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(found, value)| *found == name && value.len() <= MAX_VALUE).map(|(_, value)| value).next()
}

/// The line that sets a cookie; without a life it lasts as long as the browser runs.
#[must_use]
pub fn set(name: &str, value: &str, life: Option<u64>) -> String {
    let life = life.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{life}")
}

/// The line that takes a cookie away.
#[must_use]
pub fn forget(name: &str) -> String {
    set(name, "", Some(0))
}

/// Random bytes as text.
///
/// # Errors
/// The system has none.
pub fn random<const BYTES: usize>() -> Result<String, getrandom::Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// What the daemon knows a session by: only the browser has the cookie's value.
#[must_use]
pub fn session_key(value: &str) -> SessionKey {
    let digest = Sha256::digest(value.as_bytes());
    SessionKey(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Seals what a browser keeps for the portal: nobody else can read, change or make it, and it ends.
pub struct Seal(LessSafeKey);

impl Seal {
    /// Several portals of one client have one key, because it comes from the client's secret.
    ///
    /// # Errors
    /// Never, with the lengths that are used here.
    pub fn new(secret: &Secret) -> Result<Self, ring::error::Unspecified> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"keydove-portal");
        let random = salt.extract(secret.expose());
        let key: UnboundKey = random.expand(&[b"sealed cookies, first form"], &AES_256_GCM)?.into();
        Ok(Self(LessSafeKey::new(key)))
    }

    /// The value of a cookie of this name.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn seal(&self, name: &str, content: &impl Serialize, now: u64) -> Result<String, getrandom::Error> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce)?;
        let mut sealed = (now + SEALED_LIFE).to_be_bytes().to_vec();
        sealed.extend(serde_json::to_vec(content).unwrap_or_default());
        let bound = Aad::from(name.as_bytes());
        let end = self.0.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound, &mut sealed);
        end.map_err(|_| getrandom::Error::UNEXPECTED)?;
        Ok(BASE64_URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()))
    }

    /// What is in a cookie of this name; `None` if the portal has not sealed it, or too long ago.
    #[must_use]
    pub fn open<T: DeserializeOwned>(&self, name: &str, value: &str, now: u64) -> Option<T> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(value).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
        let (nonce, mut sealed) = (Nonce::try_assume_unique_for_key(nonce).ok()?, sealed.to_vec());
        let plain = self.0.open_in_place(nonce, Aad::from(name.as_bytes()), &mut sealed).ok()?;
        let (end, content) = plain.split_first_chunk::<8>()?;
        let is_over = now >= u64::from_be_bytes(*end);
        if is_over { None } else { serde_json::from_slice(content).ok() }
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(..)")
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn seal(secret: &str) -> Seal {
        Seal::new(&Secret::from(secret)).unwrap()
    }

    #[test]
    fn only_what_this_portal_has_sealed_for_this_name_opens_and_only_for_ten_minutes() {
        let own = seal("s3cret");
        let value = own.seal(ATTEMPT, &"content", 1000).unwrap();
        let open = |seal: &Seal, name: &str, value: &str, now| seal.open::<String>(name, value, now);
        assert_eq!(open(&own, ATTEMPT, &value, 1599).as_deref(), Some("content"));
        assert_eq!(open(&own, ATTEMPT, &value, 1600), None);
        assert_eq!(open(&own, DRAFT, &value, 1000), None);
        assert_eq!(open(&seal("other"), ATTEMPT, &value, 1000), None);
        assert!(!value.contains("content") && value != own.seal(ATTEMPT, &"content", 1000).unwrap());
        for at in 0..value.len() {
            let mut changed = value.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(open(&own, ATTEMPT, &changed, 1000), None, "{at}");
        }
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("x__Host-keydove=1; __Host-keydove-draft=2"));
        headers.append(COOKIE, HeaderValue::from_static("a=b;__Host-keydove=3; __Host-keydove=4"));
        assert_eq!(find(&headers, SESSION), Some("3"));
        assert_eq!(find(&headers, DRAFT), Some("2"));
        assert_eq!(find(&headers, ATTEMPT), None);
    }

    #[test]
    fn cookies_are_for_this_host_alone_and_no_script_reads_them() {
        assert_eq!(set(SESSION, "v", None), "__Host-keydove=v; Path=/; Secure; HttpOnly; SameSite=Lax");
        assert!(forget(SESSION).ends_with("; Max-Age=0"));
    }

    #[test]
    fn the_daemon_sees_a_digest_only() {
        let key = session_key("abc");
        assert_eq!(key.0, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_value_is_opened_without_harm(value in "\\PC{0,200}") {
            prop_assert_eq!(seal("s3cret").open::<String>(ATTEMPT, &value, 0), None);
        }
    }
}
