//! Tokens of requests that not everybody may send.

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use crate::auth::Secret;

/// Fewest bytes of a token: it must not be guessed, however many guesses there are.
const MIN_TOKEN_BYTES: usize = 16;
const BEARER: &str = "Bearer ";
/// In which Dovecot sends a token that was given to it without a header's name.
const API_KEY: &str = "x-api-key";

/// A token that is easily guessed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token of fewer than {MIN_TOKEN_BYTES} bytes is easily guessed")]
pub struct TokenTooShort;

/// A token that callers must have.
#[derive(Debug)]
pub struct Token(Secret);

/// The tokens of all requests; what has none is not there.
#[derive(Debug, Default)]
pub struct Tokens {
    /// Of `POST /forget`.
    pub forget: Option<Token>,
    /// Of `POST /auth-policy`.
    pub policy: Option<Token>,
}

impl Token {
    /// Takes a token.
    ///
    /// # Errors
    /// It is too short.
    pub fn new(token: Secret) -> Result<Self, TokenTooShort> {
        if token.len() < MIN_TOKEN_BYTES { Err(TokenTooShort) } else { Ok(Self(token)) }
    }

    /// Whether the one header says `Bearer TOKEN` (RFC 6750); the scheme's letter case does not count.
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let parts = value.as_bytes().split_at_checked(BEARER.len());
        parts.is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case(BEARER.as_bytes()) && self.0.matches(token.trim_ascii())
        })
    }

    /// The same, or the one header `X-API-Key` is the token.
    pub(super) fn is_in_either(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(API_KEY).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => self.0.matches(value.as_bytes().trim_ascii()),
            (None, _) => self.is_in(headers),
            (Some(_), Some(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_token_that_is_easily_guessed_is_none_and_no_token_is_shown() {
        assert_eq!(Token::new(Secret::from("fifteen bytes..")).err(), Some(TokenTooShort));
        assert!(!format!("{:?}", Token::new(Secret::from(TOKEN)).unwrap()).contains("0123"));
    }

    #[test]
    fn a_token_comes_in_one_header() {
        let token = Token::new(Secret::from(TOKEN)).unwrap();
        let bearer = format!("Bearer {TOKEN}");
        let headers = |given: &[(&'static str, &str)]| {
            let given = given.iter().map(|(name, value)| {
                (name.parse::<hyper::header::HeaderName>().unwrap(), value.parse().unwrap())
            });
            given.collect::<Vec<_>>().into_iter().fold(HeaderMap::new(), |mut all, (name, value)| {
                all.append(name, value);
                all
            })
        };
        for (given, right) in [
            (&[(API_KEY, TOKEN)][..], true),
            (&[("authorization", &*bearer)], true),
            (&[], false),
            (&[("authorization", TOKEN)], false),
            (&[(API_KEY, &TOKEN[1..])], false),
            (&[(API_KEY, "x"), ("authorization", &bearer)], false),
            (&[(API_KEY, TOKEN), (API_KEY, TOKEN)], false),
        ] {
            assert_eq!(token.is_in_either(&headers(given)), right, "{given:?}");
        }
    }
}
