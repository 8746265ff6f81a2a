//! What the portal asks Keycloak: a code's ID token, and the realm's public keys. No token is kept.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use keydove_words::auth::Secret;
use keydove_words::token::{IdToken, Keys, Logout, Recipient, Signer, Token};
use reqwest::{RequestBuilder, redirect};
use serde::Deserialize;
use tokio::sync::{Mutex, Semaphore};
use zeroize::{Zeroize, Zeroizing};

use super::{Attempt, CALLBACK};
use crate::config::{self, HttpAddress};
use crate::problem::Problem;

/// How long Keycloak may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many codes are turned into tokens at one time; others wait.
const MOST_AT_ONCE: usize = 32;
/// Largest answer that is read.
const MAX_BODY: usize = 256 * 1024;
/// How often unknown keys are looked up, in seconds.
const KEYS_PAUSE: u64 = 30;
/// How far the clocks may disagree, in seconds.
pub(super) const LEEWAY: u64 = 30;

/// The realm, and the portal's client there.
#[derive(Debug)]
pub struct Keycloak {
    http: reqwest::Client,
    issuer: HttpAddress,
    backend: HttpAddress,
    client: String,
    secret: Secret,
    redirect: String,
    keys: Mutex<KnownKeys>,
    permits: Semaphore,
}

#[derive(Debug, Default)]
struct KnownKeys {
    keys: Arc<Keys>,
    /// When they were fetched; 0 is never.
    fetched: u64,
}

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// `ca_file` cannot be read.
    #[error("cannot read ca_file {path}: {source}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// `ca_file` is not PEM, or the HTTP client cannot be made.
    #[error("cannot prepare HTTPS to Keycloak: {0}")]
    Http(#[from] reqwest::Error),
}

/// The answer to a code. The access token and the refresh token are not even read.
#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Keycloak {
    /// The realm of a configuration.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn new(config: &config::Keycloak, portal: &HttpAddress, secret: Secret) -> Result<Self, SetupError> {
        // Twice is no harm: the first one counts.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(2);
        if let Some(path) = &config.ca_file {
            let failed = |source| SetupError::CaFile { path: path.clone(), source };
            let pem = std::fs::read(path).map_err(failed)?;
            for certificate in reqwest::Certificate::from_pem_bundle(&pem)? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        Ok(Self {
            http: builder.build()?,
            issuer: config.issuer.clone(),
            backend: config.backend().clone(),
            client: config.client_id.clone(),
            secret,
            redirect: format!("{portal}{CALLBACK}"),
            keys: Mutex::default(),
            permits: Semaphore::new(MOST_AT_ONCE),
        })
    }

    /// Who issues the tokens.
    #[must_use]
    pub fn issuer(&self) -> &HttpAddress {
        &self.issuer
    }

    /// Where a browser begins a sign-in.
    #[must_use]
    pub fn sign_in_address(&self, attempt: &Attempt, language: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client)
            .append_pair("redirect_uri", &self.redirect)
            .append_pair("scope", "openid email")
            .append_pair("state", &attempt.state)
            .append_pair("nonce", &attempt.nonce)
            .append_pair("code_challenge", &attempt.challenge())
            .append_pair("code_challenge_method", "S256")
            .append_pair("ui_locales", language);
        if attempt.again {
            query.append_pair("max_age", "300");
        }
        format!("{}/protocol/openid-connect/auth?{}", self.issuer, query.finish())
    }

    /// Where a browser signs out of Keycloak itself. Keycloak asks whether that is meant.
    #[must_use]
    pub fn sign_out_address(&self, portal: &HttpAddress) -> String {
        let back = format!("{portal}/signed-out");
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("client_id", &self.client).append_pair("post_logout_redirect_uri", &back);
        format!("{}/protocol/openid-connect/logout?{}", self.issuer, query.finish())
    }

    /// Turns a code into who has signed in.
    ///
    /// # Errors
    /// Keycloak does not answer, or the code or the token is not taken.
    pub async fn identity(&self, code: &str, attempt: &Attempt, now: u64) -> Result<IdToken, Problem> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect),
            ("code_verifier", &attempt.verifier),
        ];
        let secret = std::str::from_utf8(self.secret.expose()).unwrap_or_default();
        // RFC 6749, 2.3.1: both are encoded as in a form.
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let address = format!("{}/protocol/openid-connect/token", self.backend);
        let request =
            self.http.post(address).basic_auth(encode(&self.client), Some(encode(secret))).form(&form);
        let permit = self.permits.acquire().await;
        let (status, body) = fetch(request).await?;
        drop(permit);
        if status != 200 {
            return Err(refusal(status, &body));
        }
        let odd = |_| Problem::TokenNotTaken("Keycloak's answer holds no ID token".to_owned());
        let mut tokens: Tokens = serde_json::from_slice(&body).map_err(odd)?;
        let read =
            self.read(tokens.id_token.as_bytes(), now, |token, to| IdToken::read(token, to, &attempt.nonce));
        let identity = read.await;
        tokens.id_token.zeroize();
        identity
    }

    /// Reads a logout token.
    ///
    /// # Errors
    /// It is not taken, or the keys cannot be fetched.
    pub async fn logout(&self, token: &str, now: u64) -> Result<Logout, Problem> {
        self.read(token.as_bytes(), now, Logout::read).await
    }

    /// The signature first: nothing is told of what nobody has signed.
    async fn read<T>(
        &self,
        text: &[u8],
        now: u64,
        read: impl FnOnce(&Token<'_>, Recipient<'_>) -> Result<T, keydove_words::token::IdentityFault>,
    ) -> Result<T, Problem> {
        let token =
            Token::parse(text).map_err(|_| Problem::TokenNotTaken("it is no signed token".to_owned()))?;
        let keys = self.keys_for(&token, now).await?;
        let Signer::Known(key) = keys.signer(&token) else {
            return Err(Problem::TokenNotTaken("the realm has no such key".to_owned()));
        };
        key.verify(&token).map_err(|_| Problem::TokenNotTaken("its signature is wrong".to_owned()))?;
        let to = Recipient { issuer: self.issuer.as_str(), client: &self.client, now, leeway: LEEWAY };
        read(&token, to).map_err(|fault| Problem::TokenNotTaken(fault.to_string()))
    }

    async fn keys_for(&self, token: &Token<'_>, now: u64) -> Result<Arc<Keys>, Problem> {
        let mut known = self.keys.lock().await;
        let is_known = matches!(known.keys.signer(token), Signer::Known(_));
        if !is_known && (known.fetched == 0 || now >= known.fetched + KEYS_PAUSE) {
            known.keys = Arc::new(self.fetch_keys().await?);
            known.fetched = now;
        }
        Ok(Arc::clone(&known.keys))
    }

    async fn fetch_keys(&self) -> Result<Keys, Problem> {
        let (status, body) =
            fetch(self.http.get(format!("{}/protocol/openid-connect/certs", self.backend))).await?;
        let away = || Problem::KeycloakAway(format!("its keys: status {status}"));
        if status == 200 { Keys::parse(&body).ok_or_else(away) } else { Err(away()) }
    }

    /// Whether the realm answers and knows the client and its secret.
    ///
    /// # Errors
    /// What is wrong, in a sentence.
    pub async fn check(&self) -> Result<(), String> {
        let (status, body) =
            fetch(self.http.get(format!("{}/.well-known/openid-configuration", self.backend)))
                .await
                .map_err(|problem| problem.to_string())?;
        if status != 200 {
            return Err(format!("{} answers with status {status}: is the realm's name right?", self.backend));
        }
        #[derive(Deserialize)]
        struct Discovery {
            issuer: String,
        }
        let issuer = serde_json::from_slice::<Discovery>(&body).map(|discovery| discovery.issuer);
        if issuer.as_deref().ok() != Some(self.issuer.as_str()) {
            let said = issuer.unwrap_or_default();
            return Err(format!(
                "Keycloak names the realm `{said}`, the setting issuer is `{}`",
                self.issuer
            ));
        }
        self.fetch_keys().await.map_err(|problem| problem.to_string())?;
        // No code is as good as any: Keycloak looks at the client first.
        let attempt = Attempt::new(crate::pages::Page::Device, false).map_err(|error| error.to_string())?;
        match self.identity("none", &attempt, 0).await {
            Err(Problem::CodeNotTaken) => Ok(()),
            Err(problem) => Err(problem.to_string()),
            Ok(_) => Err("Keycloak takes a code that it never gave".to_owned()),
        }
    }
}

/// What Keycloak's no to a code means.
fn refusal(status: u16, body: &[u8]) -> Problem {
    let error = serde_json::from_slice::<Refusal>(body).map(|refusal| refusal.error).unwrap_or_default();
    match (status, error.as_str()) {
        (400, "invalid_grant") => Problem::CodeNotTaken,
        (400 | 401, "invalid_client" | "unauthorized_client") => Problem::ClientNotTaken(format!(
            "Keycloak does not take the portal's client or its secret ({error})"
        )),
        (400..=499, _) => Problem::ClientNotTaken(format!("Keycloak says {status} {error}")),
        _ => Problem::KeycloakAway(format!("status {status}")),
    }
}

async fn fetch(request: RequestBuilder) -> Result<(u16, Zeroizing<Vec<u8>>), Problem> {
    let away = |error: reqwest::Error| {
        let mut told = error.without_url().to_string();
        told.truncate(told.floor_char_boundary(200));
        Problem::KeycloakAway(told)
    };
    let mut response = request.send().await.map_err(away)?;
    let mut body = Zeroizing::new(Vec::with_capacity(4096));
    while let Some(chunk) = response.chunk().await.map_err(away)? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(Problem::KeycloakAway("its answer is too large".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((response.status().as_u16(), body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keycloak() -> Keycloak {
        let text = include_str!("../../../packaging/portal/keydove-portal.toml");
        let config = config::Config::parse(std::path::Path::new("p.toml"), text).unwrap();
        Keycloak::new(&config.keycloak, &config.portal.public_url, Secret::from("s3cret")).unwrap()
    }

    #[test]
    fn the_redirect_address_is_that_of_the_configuration_and_pkce_is_always_asked_for() {
        let (keycloak, attempt) = (keycloak(), Attempt::new(crate::pages::Page::Device, true).unwrap());
        let address = keycloak.sign_in_address(&attempt, "de");
        let (path, query) = address.split_once('?').unwrap();
        assert_eq!(path, "https://sso.example.org/realms/mail/protocol/openid-connect/auth");
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let has = |name: &str, value: &str| pairs.contains(&(name.to_owned(), value.to_owned()));
        assert!(has("redirect_uri", "https://account.example.org/sign-in/done"));
        assert!(has("code_challenge_method", "S256") && has("code_challenge", &attempt.challenge()));
        assert!(has("state", &attempt.state) && has("nonce", &attempt.nonce) && has("max_age", "300"));
        assert!(!address.contains(&attempt.verifier));
        assert!(!format!("{keycloak:?}").contains("s3cret"));
    }

    #[test]
    fn keycloaks_refusals_are_told_apart() {
        let of = |status, body: &str| refusal(status, body.as_bytes());
        assert!(matches!(of(400, r#"{"error":"invalid_grant"}"#), Problem::CodeNotTaken));
        assert!(matches!(of(401, r#"{"error":"unauthorized_client"}"#), Problem::ClientNotTaken(_)));
        assert!(matches!(of(503, "<html>"), Problem::KeycloakAway(_)));
        assert!(matches!(of(404, ""), Problem::ClientNotTaken(_)));
    }
}
