//! The service account's token: fetched once, used until shortly before its end.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use tokio::sync::Mutex;
// Tokio's clock instead of std's: tests move it.
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::config::Address;
use super::http::{fetch, of_client};
use super::{Error, http::Body};
use crate::auth::Secret;

const CALL: &str = "the token request";
/// A token is renewed this long before its end at the latest: a call that has just begun may still need it.
const MARGIN: Duration = Duration::from_secs(30);

/// Holds the token. Everybody who needs one while it is being fetched waits for the same fetch.
#[derive(Debug)]
pub(super) struct TokenStore {
    url: String,
    client_id: String,
    client_secret: Secret,
    current: Mutex<Option<Token>>,
    generation: std::sync::atomic::AtomicU64,
}

#[derive(Debug)]
struct Token {
    bearer: Secret,
    renew_at: Instant,
    generation: u64,
}

/// A token on loan: its number says which one was found to be bad.
pub(super) struct Loan {
    pub(super) bearer: Secret,
    pub(super) generation: u64,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Zeroizing<String>,
    expires_in: u64,
}

impl TokenStore {
    pub(super) fn new(address: &Address, client_secret: Secret) -> Self {
        Self {
            url: address.token_url(),
            client_id: address.client_id.clone(),
            client_secret,
            current: Mutex::new(None),
            generation: std::sync::atomic::AtomicU64::new(0),
        }
    }

    /// The present token, or a new one.
    pub(super) async fn borrow(&self, http: &reqwest::Client) -> Result<Loan, Error> {
        let mut current = self.current.lock().await;
        let token = match current.take() {
            Some(token) if Instant::now() < token.renew_at => current.insert(token),
            _ => current.insert(self.fetch(http).await?),
        };
        Ok(Loan { bearer: token.bearer.duplicate(), generation: token.generation })
    }

    /// Whom the client claims to be, and by what it proves it.
    pub(super) fn client(&self) -> (&str, &Secret) {
        (&self.client_id, &self.client_secret)
    }

    /// Throws away a token that Keycloak did not accept, unless somebody has replaced it already.
    pub(super) async fn discard(&self, generation: u64) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|token| token.generation == generation) {
            *current = None;
        }
    }

    /// Whether a token can be had now. It is not kept.
    pub(super) async fn try_out(&self, http: &reqwest::Client) -> Result<(), Error> {
        self.fetch(http).await.map(drop)
    }

    /// When Keycloak says that a new token was made, by its own clock. `None` where the token does not say it.
    pub(super) async fn issued_at(&self, http: &reqwest::Client) -> Result<Option<SystemTime>, Error> {
        let token = self.fetch(http).await?;
        Ok(issued_at(token.bearer.expose()))
    }

    async fn fetch(&self, http: &reqwest::Client) -> Result<Token, Error> {
        let secret = std::str::from_utf8(self.client_secret.expose()).unwrap_or_default();
        let form =
            [("grant_type", "client_credentials"), ("client_id", &self.client_id), ("client_secret", secret)];
        let asked_at = Instant::now();
        let body = fetch(CALL, http.post(&self.url).form(&form)).await.map_err(of_client)?;
        let answer = parse(&body)?;
        let lifetime = Duration::from_secs(answer.expires_in);
        // A fifth, so that tokens of a minute or less are used at all.
        let margin = MARGIN.min(lifetime / 5);
        let generation = self.generation.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(Token {
            bearer: Secret::from(answer.access_token.as_str()),
            renew_at: asked_at + (lifetime - margin),
            generation,
        })
    }
}

/// The claim `iat`. Nothing is verified: it came over the connection that all trust rests on.
fn issued_at(token: &[u8]) -> Option<SystemTime> {
    #[derive(Deserialize)]
    struct Claims {
        iat: u64,
    }
    let payload = token.split(|byte| *byte == b'.').nth(1)?;
    let claims: Claims = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(claims.iat))
}

fn parse(body: &Body) -> Result<TokenAnswer, Error> {
    let bad = |what: &str| Error::BadAnswer { call: CALL, what: what.to_owned() };
    let answer: TokenAnswer = serde_json::from_slice(body).map_err(|_| bad("something that is no token"))?;
    if answer.access_token.is_empty() {
        return Err(bad("an empty token"));
    }
    Ok(answer)
}
