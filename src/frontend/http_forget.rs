//! `POST /forget`: a program that changes people in Keycloak says so, and the next login asks anew.
//!
//! Pure: what came in is handed over, and what is answered is a status. The server around it bounds the body.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::auth::{Secret, Username};
use crate::decision::Decision;

/// Largest body.
pub const MAX_BODY_BYTES: usize = 4096;
/// Fewest bytes of a token: it must not be guessed at the pace that is allowed.
const MIN_TOKEN_BYTES: usize = 16;
/// Requests with a wrong token that are looked at in a second.
const MAX_WRONG: u32 = 10;
/// Requests with the right one: each may have to look through all that is remembered.
const MAX_RIGHT: u32 = 100;
const WINDOW: Duration = Duration::from_secs(1);

/// Where the token is; for `[http]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForgetConfig {
    /// A file that holds the token and nothing else; not readable by others.
    pub forget_token_file: Option<PathBuf>,
    /// The name of a systemd credential that holds the token.
    pub forget_token_credential: Option<String>,
}

/// A token that is easily guessed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the token of POST /forget has fewer than {MIN_TOKEN_BYTES} bytes; `openssl rand -hex 32` makes a good one"
)]
pub struct TokenTooShort;

/// What came in.
#[derive(Clone, Copy, Debug)]
pub struct ForgetRequest<'a> {
    /// Such as `POST`.
    pub method: &'a str,
    /// The header of that name, if there is exactly one.
    pub authorization: Option<&'a [u8]>,
    /// At most [`MAX_BODY_BYTES`], or it is refused.
    pub body: &'a [u8],
}

/// What is answered, without a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForgetAnswer {
    /// Whatever was known is forgotten, if anything was.
    Done,
    /// Not this form of body.
    Malformed,
    /// No token, or not this one.
    Unauthorized,
    /// Not `POST`.
    MethodNotAllowed,
    /// The body is larger than any request.
    TooLarge,
    /// More than are looked at in a second.
    TooMany,
}

impl ForgetAnswer {
    /// The status code. With 401 belongs `WWW-Authenticate: Bearer`, with 405 `Allow: POST`, with 429 `Retry-After: 1`.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Done => 204,
            Self::Malformed => 400,
            Self::Unauthorized => 401,
            Self::MethodNotAllowed => 405,
            Self::TooLarge => 413,
            Self::TooMany => 429,
        }
    }
}

/// Whom to forget.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Forget {
    /// An address.
    User(String),
    /// Whoever has this id in Keycloak.
    KeycloakId(String),
}

impl Forget {
    /// Forgets. What is no address is nobody's, and looks the same from outside.
    pub fn carry_out(&self, decision: &Decision) {
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

/// Answers `POST /forget`.
#[derive(Debug)]
pub struct ForgetHandler {
    token: Secret,
    wrong: Mutex<Window>,
    right: Mutex<Window>,
}

impl ForgetHandler {
    /// With the token that callers must have.
    ///
    /// # Errors
    /// The token is too short.
    pub fn new(token: Secret) -> Result<Self, TokenTooShort> {
        if token.len() < MIN_TOKEN_BYTES {
            return Err(TokenTooShort);
        }
        Ok(Self { token, wrong: Mutex::new(Window::default()), right: Mutex::new(Window::default()) })
    }

    /// Judges a request. Only the right token reaches `forget`; whether anything was known is not told.
    pub fn handle(
        &self,
        request: ForgetRequest<'_>,
        now: Instant,
        forget: impl FnOnce(&Forget),
    ) -> ForgetAnswer {
        if request.method != "POST" {
            return ForgetAnswer::MethodNotAllowed;
        }
        // A flood of wrong tokens must not keep the right one out, so they are counted apart.
        if !bearer(request.authorization).is_some_and(|token| self.token.matches(token)) {
            return match admit(&self.wrong, now, MAX_WRONG) {
                true => ForgetAnswer::Unauthorized,
                false => ForgetAnswer::TooMany,
            };
        }
        if !admit(&self.right, now, MAX_RIGHT) {
            return ForgetAnswer::TooMany;
        }
        if request.body.len() > MAX_BODY_BYTES {
            return ForgetAnswer::TooLarge;
        }
        match serde_json::from_slice(request.body) {
            Ok(wanted) => {
                forget(&wanted);
                ForgetAnswer::Done
            }
            Err(_) => ForgetAnswer::Malformed,
        }
    }
}

/// The token of `Bearer TOKEN` (RFC 6750); the scheme's letter case does not count.
fn bearer(authorization: Option<&[u8]>) -> Option<&[u8]> {
    let (scheme, token) = authorization?.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// How many came in the second that began then.
#[derive(Debug, Default)]
struct Window {
    began: Option<Instant>,
    count: u32,
}

fn admit(window: &Mutex<Window>, now: Instant, limit: u32) -> bool {
    let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
    if window.began.is_none_or(|began| now.saturating_duration_since(began) >= WINDOW) {
        *window = Window { began: Some(now), count: 0 };
    }
    window.count = window.count.saturating_add(1);
    window.count <= limit
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test's clock may start anywhere")]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    struct Talk {
        handler: ForgetHandler,
        now: Instant,
        forgotten: Vec<String>,
    }

    impl Talk {
        fn new() -> Self {
            let handler = ForgetHandler::new(Secret::from(TOKEN)).unwrap();
            Self { handler, now: Instant::now(), forgotten: Vec::new() }
        }

        fn post(&mut self, authorization: Option<&str>, body: &str) -> u16 {
            let request = ForgetRequest {
                method: "POST",
                authorization: authorization.map(str::as_bytes),
                body: body.as_bytes(),
            };
            let forgotten = &mut self.forgotten;
            let forget = |wanted: &Forget| forgotten.push(format!("{wanted:?}"));
            self.handler.handle(request, self.now, forget).status()
        }

        fn right(&mut self, body: &str) -> u16 {
            self.post(Some(&format!("Bearer {TOKEN}")), body)
        }
    }

    #[test]
    fn the_right_token_forgets_by_address_or_id() {
        let mut talk = Talk::new();
        assert_eq!(talk.right(r#"{"user": "alice@example.org"}"#), 204);
        assert_eq!(talk.post(Some(&format!("bearer  {TOKEN}")), r#"{"keycloak_id": "7-7"}"#), 204);
        assert_eq!(talk.right(r#"{"user": "nobody"}"#), 204);
        assert_eq!(
            talk.forgotten,
            [r#"User("alice@example.org")"#, r#"KeycloakId("7-7")"#, r#"User("nobody")"#]
        );
    }

    #[test]
    fn what_is_no_request_forgets_nobody() {
        let mut talk = Talk::new();
        for body in
            ["", "{}", "[]", r#"{"user": 7}"#, r#"{"user": "a@b.c", "keycloak_id": "7"}"#, r#"{"x": "y"}"#]
        {
            assert_eq!(talk.right(body), 400, "{body}");
        }
        assert_eq!(talk.right(&format!(r#"{{"user": "{}"}}"#, "x".repeat(MAX_BODY_BYTES))), 413);
        let get = ForgetRequest { method: "GET", authorization: None, body: b"" };
        assert_eq!(talk.handler.handle(get, talk.now, |_| panic!("forgotten")).status(), 405);
        assert!(talk.forgotten.is_empty());
    }

    #[test]
    fn a_wrong_token_is_refused_then_no_longer_looked_at_and_never_keeps_the_right_one_out() {
        let mut talk = Talk::new();
        let body = r#"{"user": "alice@example.org"}"#;
        let shorter = format!("Bearer {}", &TOKEN[1..]);
        let basic = format!("Basic {TOKEN}");
        let wrong = [None, Some("Bearer "), Some(""), Some(TOKEN), Some(&*shorter), Some(&*basic)];
        let answers: Vec<u16> =
            wrong.iter().cycle().take(100).map(|&authorization| talk.post(authorization, body)).collect();
        assert!(answers[..10].iter().all(|status| *status == 401));
        assert!(answers[10..].iter().all(|status| *status == 429));
        assert!(talk.forgotten.is_empty());
        assert_eq!(talk.right(body), 204);
        talk.now += WINDOW;
        assert_eq!(talk.post(None, body), 401);
    }

    #[test]
    fn a_flood_with_the_right_token_is_bounded() {
        let mut talk = Talk::new();
        let answers: Vec<u16> = (0..150).map(|_| talk.right(r#"{"keycloak_id": "7"}"#)).collect();
        assert_eq!(answers.iter().filter(|status| **status == 204).count(), 100);
        assert_eq!(answers.iter().filter(|status| **status == 429).count(), 50);
    }

    #[test]
    fn a_token_that_is_easily_guessed_is_none_and_no_token_is_shown() {
        assert_eq!(ForgetHandler::new(Secret::from("short")).err(), Some(TokenTooShort));
        assert!(!format!("{:?}", Talk::new().handler).contains("0123"));
    }
}
