//! `POST /forget`: a program that changes people in Keycloak says so, and their next login asks anew.
//!
//! The only route that changes anything, and so the only one that demands a token.

use http_body_util::{BodyExt, Limited};
use hyper::body::Body;
use hyper::{Request, StatusCode};
use serde::Deserialize;

use super::token::BearerToken;
use crate::auth::Username;
use crate::backend::sql::Invalidation;
use crate::login::decision::Decision;

/// Largest body.
const MAX_BODY_BYTES: usize = 4096;

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
    /// Forgets, here and on every node. What is no address is nobody's. Whether anything was known is not told.
    pub(super) async fn carry_out(self, decision: &Decision) {
        let outdated = match self {
            Self::User(text) => match Username::parse(text.as_bytes()) {
                Ok(user) => Invalidation::Person(user),
                Err(_) => return,
            },
            Self::KeycloakId(id) => Invalidation::KeycloakId(id),
        };
        let forgotten = decision.forget_everywhere(outdated).await;
        tracing::debug!(people = forgotten.people, mailboxes = forgotten.mailboxes, "forgotten over HTTP");
    }
}

/// Whom a request wants to be forgotten. The body of whoever has not the token is not read.
///
/// # Errors
/// The status that says what is wrong.
pub(super) async fn read<B: Body<Error: std::error::Error + Send + Sync + 'static>>(
    token: &BearerToken,
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
    use hyper::header::AUTHORIZATION;

    use super::*;
    use crate::auth::Secret;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    async fn post(authorization: &[&str], body: &str) -> Result<Forget, StatusCode> {
        let mut request = Request::post("/forget");
        for value in authorization {
            request = request.header(AUTHORIZATION, *value);
        }
        let token = BearerToken::new(Secret::from(TOKEN)).unwrap();
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
}
