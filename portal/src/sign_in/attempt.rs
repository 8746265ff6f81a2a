//! One sign-in under way.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cookie;
use crate::pages::Page;
use crate::problem::Problem;

/// What a sign-in must be finished with. It travels in a sealed cookie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Comes back through the browser: the answer belongs to this browser.
    pub state: String,
    /// Comes back in the ID token: the token belongs to this sign-in.
    pub nonce: String,
    /// Proves to Keycloak that the code was asked for here (RFC 7636).
    pub verifier: String,
    /// Where it leads.
    pub to: Page,
    /// Whether the person must prove who they are although Keycloak remembers them.
    pub again: bool,
}

impl Attempt {
    /// A new one.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn new(to: Page, again: bool) -> Result<Self, getrandom::Error> {
        let (state, nonce) = (cookie::random::<32>()?, cookie::random::<32>()?);
        Ok(Self { state, nonce, verifier: cookie::random::<32>()?, to, again })
    }

    /// What Keycloak is told of the verifier beforehand.
    #[must_use]
    pub fn challenge(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.as_bytes()))
    }

    /// The code of an answer, if the answer belongs to this attempt and comes from this Keycloak.
    ///
    /// # Errors
    /// It does not, or Keycloak says no.
    pub fn accept(&self, answer: &Reply, issuer: &str) -> Result<String, Problem> {
        if answer.state.as_deref() != Some(self.state.as_str()) {
            return Err(Problem::ForeignAnswer("the state is another one"));
        }
        // RFC 9207: an answer of another server, for instance of one that an attacker runs, is not taken.
        if answer.issuer.as_deref() != Some(issuer) {
            return Err(Problem::ForeignAnswer("another server answers, or Keycloak does not say who it is"));
        }
        match (&answer.error, &answer.code) {
            (Some(error), _) => Err(Problem::KeycloakSaidNo(error.clone())),
            (None, Some(code)) if !code.is_empty() => Ok(code.clone()),
            _ => Err(Problem::ForeignAnswer("there is no code")),
        }
    }
}

/// What Keycloak sends back through the browser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    state: Option<String>,
    issuer: Option<String>,
    code: Option<String>,
    error: Option<String>,
}

impl Reply {
    /// Reads a query. A part that stands there twice makes it nobody's.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let one = |wanted: &str| {
            let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == wanted);
            match (found.next(), found.next()) {
                (Some((_, value)), None) => Some(value.into_owned()),
                _ => None,
            }
        };
        let is_plain = |text: &String| {
            text.len() <= 100 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        let error = one("error").map(|text| if is_plain(&text) { text } else { "unknown".to_owned() });
        Self { state: one("state"), issuer: one("iss"), code: one("code"), error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://sso.example.org/realms/mail";
    const ISS: &str = "iss=https%3A%2F%2Fsso.example.org%2Frealms%2Fmail";

    fn accept(query: &str) -> Result<String, Problem> {
        let attempt = Attempt {
            state: "s".to_owned(),
            nonce: "n".to_owned(),
            verifier: "v".to_owned(),
            to: Page::Device,
            again: false,
        };
        attempt.accept(&Reply::parse(query), ISSUER)
    }

    #[test]
    fn an_answer_must_belong_to_the_attempt_and_come_from_keycloak() {
        assert_eq!(accept(&format!("state=s&code=c&{ISS}")).unwrap(), "c");
        for query in [
            String::new(),
            format!("code=c&{ISS}"),
            format!("state=other&code=c&{ISS}"),
            format!("state=s&state=s&code=c&{ISS}"),
            format!("state=s&code=c&code=d&{ISS}"),
            "state=s&code=c".to_owned(),
            "state=s&code=c&iss=https://evil.example".to_owned(),
            format!("state=s&code=&{ISS}"),
            format!("state=s&{ISS}"),
        ] {
            assert!(matches!(accept(&query), Err(Problem::ForeignAnswer(_))), "{query}");
        }
    }

    #[test]
    fn keycloaks_no_is_told_without_what_anybody_could_have_written() {
        let no = |error: &str| match accept(&format!("state=s&{ISS}&error={error}")) {
            Err(Problem::KeycloakSaidNo(error)) => error,
            other => panic!("{other:?}"),
        };
        assert_eq!(no("access_denied"), "access_denied");
        assert_eq!(no("%3Cscript%3E"), "unknown");
        // A forged error does not end somebody's sign-in.
        assert!(matches!(accept("state=x&error=access_denied"), Err(Problem::ForeignAnswer(_))));
    }

    #[test]
    fn the_challenge_is_that_of_rfc_7636() {
        let mut attempt = Attempt::new(Page::Device, false).unwrap();
        attempt.verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned();
        assert_eq!(attempt.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        let other = Attempt::new(Page::Device, false).unwrap();
        assert!(other.state != attempt.state && other.nonce != attempt.nonce && other.state != other.nonce);
    }
}
