//! One HTTP exchange: a status and a bounded body, or the kind of failure.

use std::error::Error as StdError;
use std::io::ErrorKind;

use reqwest::{RequestBuilder, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::Error;

/// Largest answer that is read. A page of people with the longest attributes stays below.
const MAX_BODY: usize = 4 << 20;

/// The error word of a user store's trouble.
const STORE_TROUBLE: &str = "unknown_error";

/// The body of an answer with status 200. It may hold hashes or a token, so it is wiped.
pub(super) type Body = Zeroizing<Vec<u8>>;

/// Sends a request and reads the whole answer. `call` names it in errors.
pub(super) async fn fetch(call: &'static str, request: RequestBuilder) -> Result<Body, Error> {
    read(call, send(call, request).await?).await
}

/// Sends a request, for whoever wants to see more of the answer than its body.
pub(super) async fn send(call: &'static str, request: RequestBuilder) -> Result<Response, Error> {
    #[cfg(test)]
    let _still = super::double::Still::new();
    request.send().await.map_err(|error| classify(call, &error))
}

/// Reads the rest of an answer.
pub(super) async fn read(call: &'static str, mut response: Response) -> Result<Body, Error> {
    #[cfg(test)]
    let _still = super::double::Still::new();
    let status = response.status().as_u16();
    let body = read_body(call, &mut response).await?;
    match status {
        200 => Ok(body),
        400 => Err(bad_request(call, error_word(&body))),
        401 => Err(Error::Unauthorized { call, error: error_word(&body) }),
        403 => Err(Error::Forbidden { call }),
        404 => Err(Error::NotFound { call, error: error_word(&body) }),
        429 => Err(Error::RateLimited { call }),
        500..=599 => Err(Error::ServerError { call, status }),
        _ => Err(Error::BadAnswer { call, what: format!("status {status}") }),
    }
}

/// Up to 26.3 Keycloak blames a request for whatever goes wrong in a user store behind it.
fn bad_request(call: &'static str, error: String) -> Error {
    match error == STORE_TROUBLE {
        true => Error::StoreDown { call, store: String::new() },
        false => Error::BadRequest { call, error },
    }
}

/// The same for what is no question of the admin API: those endpoints say 400 for some mistakes that are told apart by
/// their error word only.
pub(super) fn of_client(error: Error) -> Error {
    match error {
        Error::BadRequest { call, error } => Error::Unauthorized { call, error },
        Error::StoreDown { call, .. } => Error::Unauthorized { call, error: STORE_TROUBLE.to_owned() },
        error => error,
    }
}

async fn read_body(call: &'static str, response: &mut Response) -> Result<Body, Error> {
    let mut body = Zeroizing::new(Vec::with_capacity(4096));
    while let Some(chunk) = response.chunk().await.map_err(|error| classify(call, &error))? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(Error::BadAnswer { call, what: format!("more than {MAX_BODY} bytes") });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Keycloak's `error` member: a fixed word or sentence. Anything else may hold what must not be shown.
fn error_word(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '.' | ':' | '-');
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) if refusal.error.len() <= 80 && refusal.error.chars().all(plain) => refusal.error,
        _ => "no reason given".to_owned(),
    }
}

/// Finds out what went wrong from the chain of causes, most specific first.
fn classify(call: &'static str, error: &reqwest::Error) -> Error {
    if error.is_dns() {
        return Error::Dns { call, cause: innermost(error) };
    }
    if error.is_timeout() {
        return Error::Timeout { call };
    }
    let causes = || chain(error);
    if let Some(tls) = causes().find_map(tls_error) {
        return Error::Tls { call, cause: tls };
    }
    let cause = innermost(error);
    let io_kind =
        causes().filter_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind).last();
    match io_kind {
        Some(ErrorKind::TimedOut) => Error::Timeout { call },
        Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof) => {
            Error::Reset { call, cause }
        }
        _ if error.is_connect() => Error::Refused { call, cause },
        _ => Error::Reset { call, cause },
    }
}

/// rustls' error hides inside an [`std::io::Error`], sometimes inside two; `source` steps over what is inside.
fn tls_error(cause: &(dyn StdError + 'static)) -> Option<String> {
    if let Some(error) = cause.downcast_ref::<rustls::Error>() {
        return Some(error.to_string());
    }
    tls_error(cause.downcast_ref::<std::io::Error>()?.get_ref()?)
}

fn innermost(error: &reqwest::Error) -> String {
    chain(error).last().map_or_else(|| "no cause given".to_owned(), ToString::to_string)
}

fn chain(error: &reqwest::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(error.source(), |cause| (*cause).source())
}

/// Reads the body of an answer as JSON. The error tells the place and nothing of the body, which may hold secrets.
pub(super) fn parse<T: DeserializeOwned>(call: &'static str, body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| Error::BadAnswer {
        call,
        // The position only: the words of the error may quote the body.
        what: format!("a body of another kind (column {})", error.column()),
    })
}
