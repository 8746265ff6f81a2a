//! `POST /forget`: a program that changes people in Keycloak says so, and their next login asks anew.
//!
//! The only route that changes anything, and so the only one that demands a token.

use http_body_util::{BodyExt, Limited};
use hyper::body::Body;
use hyper::header::AUTHORIZATION;
use hyper::{HeaderMap, Request, StatusCode};
use serde::Deserialize;

use crate::auth::{Secret, Username};
use crate::decision::Decision;

/// Largest body.
const MAX_BODY_BYTES: usize = 4096;
/// Fewest bytes of a token: it must not be guessed, however many guesses there are.
const MIN_TOKEN_BYTES: usize = 16;

/// A token that is easily guessed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token of POST /forget has fewer than {MIN_TOKEN_BYTES} bytes")]
pub struct TokenTooShort;

/// The token that callers must have.
#[derive(Debug)]
pub struct ForgetToken(Secret);

impl ForgetToken {
    /// Takes a token.
    ///
    /// # Errors
    /// It is too short.
    pub fn new(token: Secret) -> Result<Self, TokenTooShort> {
        if token.len() < MIN_TOKEN_BYTES { Err(TokenTooShort) } else { Ok(Self(token)) }
    }

    /// Whether the one header says `Bearer TOKEN` (RFC 6750); the scheme's letter case does not count.
    fn is_in(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let parts = value.as_bytes().split_at_checked("Bearer ".len());
        parts.is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case(b"Bearer ") && self.0.matches(token.trim_ascii())
        })
    }
}

/// Whom to forget.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Forget {
    /// An address.
    User(String),
    /// Whoever has this id in Keycloak.
    KeycloakId(String),
}

impl Forget {
    /// Forgets. What is no address is nobody's. Whether anything was known is not told.
    pub(super) fn carry_out(&self, decision: &Decision) {
        let forgotten = match self {
            Self::User(text) => match Username::parse(text.as_bytes()) {
                Ok(user) => decision.forget(&user),
                Err(_) => return,
            },
            Self::KeycloakId(id) => decision.forget_keycloak_id(id),
        };
        tracing::debug!(people = forgotten.people, mailboxes = forgotten.mailboxes, "forgotten over HTTP");
    }
}

/// Whom a request wants to be forgotten. The body of whoever has not the token is not read.
///
/// # Errors
/// The status that says what is wrong.
pub(super) async fn read<B: Body<Error: std::error::Error + Send + Sync + 'static>>(
    token: &ForgetToken,
    request: Request<B>,
) -> Result<Forget, StatusCode> {
    if !token.is_in(request.headers()) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let body = Limited::new(request.into_body(), MAX_BODY_BYTES).collect().await;
    let body = body.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?.to_bytes();
    serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    async fn post(authorization: &[&str], body: &str) -> Result<Forget, StatusCode> {
        let mut request = Request::post("/forget");
        for value in authorization {
            request = request.header(AUTHORIZATION, *value);
        }
        let token = ForgetToken::new(Secret::from(TOKEN)).unwrap();
        read(&token, request.body(body.to_owned()).unwrap()).await
    }

    async fn post_right(body: &str) -> Result<Forget, StatusCode> {
        post(&[&format!("Bearer {TOKEN}")], body).await
    }

    #[tokio::test]
    async fn the_right_token_forgets_by_address_or_id() {
        let alice = Forget::User("alice@example.org".to_owned());
        assert_eq!(post_right(r#"{"user": "alice@example.org"}"#).await, Ok(alice));
        let by_id = post(&[&format!("bearer  {TOKEN}")], r#"{"keycloak_id": "7-7"}"#).await;
        assert_eq!(by_id, Ok(Forget::KeycloakId("7-7".to_owned())));
    }

    #[tokio::test]
    async fn what_is_no_request_forgets_nobody() {
        for body in
            ["", "{}", "[]", r#"{"user": 7}"#, r#"{"user": "a@b.c", "keycloak_id": "7"}"#, r#"{"x": "y"}"#]
        {
            assert_eq!(post_right(body).await, Err(StatusCode::BAD_REQUEST), "{body}");
        }
        let large = format!(r#"{{"user": "{}"}}"#, "x".repeat(MAX_BODY_BYTES));
        assert_eq!(post_right(&large).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
    }

    #[tokio::test]
    async fn without_the_token_nobody_is_forgotten() {
        let right = format!("Bearer {TOKEN}");
        let shorter = &right[..right.len() - 1];
        let basic = format!("Basic {TOKEN}");
        for authorization in [
            &[][..],
            &["Bearer "],
            &[""],
            &[TOKEN],
            &[shorter],
            &[&basic],
            &[&right, &right],
            &["Bearer x", &right],
        ] {
            let end = post(authorization, r#"{"user": "alice@example.org"}"#).await;
            assert_eq!(end, Err(StatusCode::UNAUTHORIZED), "{authorization:?}");
        }
    }

    #[test]
    fn a_token_that_is_easily_guessed_is_none_and_no_token_is_shown() {
        assert_eq!(ForgetToken::new(Secret::from("fifteen bytes..")).err(), Some(TokenTooShort));
        assert!(!format!("{:?}", ForgetToken::new(Secret::from(TOKEN)).unwrap()).contains("0123"));
    }
}
