//! Which path is answered by what.

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};
use tokio::time::Instant;

use super::readiness::Readiness;
use super::token::BearerToken;
use super::{Numbers, Operations, Watched};
use super::{auth_policy, forget};

const PLAIN: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers a request.
pub(super) async fn answer(operations: &Operations, request: Request<Incoming>) -> Response<String> {
    let tokens = &operations.tokens;
    match (request.uri().path(), &tokens.forget, &tokens.policy) {
        ("/forget", Some(token), _) => return forget(operations, token, request).await,
        ("/auth-policy", _, Some(token)) => return auth_policy(operations, token, request).await,
        _ => {}
    }
    match (request.method().as_str(), request.uri().path()) {
        ("GET" | "HEAD", "/metrics") => {
            response(StatusCode::OK, METRICS, Numbers::collect(operations).to_text())
        }
        ("GET" | "HEAD", "/livez") => response(StatusCode::OK, PLAIN, "alive\n".to_owned()),
        ("GET" | "HEAD", "/readyz") => {
            let readiness = Readiness::find_out(operations, Instant::now());
            let status = match readiness {
                Readiness::Ready | Readiness::Degraded(_) => StatusCode::OK,
                Readiness::NotReady(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            response(status, PLAIN, readiness.to_string())
        }
        (_, "/metrics" | "/livez" | "/readyz") => {
            response(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET is answered here\n".to_owned())
        }
        _ => response(StatusCode::NOT_FOUND, PLAIN, "there are /metrics, /livez and /readyz\n".to_owned()),
    }
}

async fn forget(
    operations: &Operations,
    token: &BearerToken,
    request: Request<Incoming>,
) -> Response<String> {
    let watched = match watched_for_post(operations, &request) {
        Ok(watched) => watched,
        Err(answer) => return *answer,
    };
    match forget::read(token, request).await {
        Ok(whom) => {
            whom.carry_out(&watched.decision).await;
            response(StatusCode::NO_CONTENT, PLAIN, String::new())
        }
        Err(status) => fault(status),
    }
}

async fn auth_policy(
    operations: &Operations,
    token: &BearerToken,
    request: Request<Incoming>,
) -> Response<String> {
    let watched = match watched_for_post(operations, &request) {
        Ok(watched) => watched,
        Err(answer) => return *answer,
    };
    match auth_policy::answer(token, (watched.decision.throttle(), &watched.default_domain), request).await {
        Ok(answer) => response(StatusCode::OK, JSON, answer),
        Err(status) => fault(status),
    }
}

/// The running parts, for a request that must be a POST.
fn watched_for_post<'a>(
    operations: &'a Operations,
    request: &Request<Incoming>,
) -> Result<&'a Watched, Box<Response<String>>> {
    let complain = |status, text: &str| Box::new(response(status, PLAIN, text.to_owned()));
    if request.method() != Method::POST {
        return Err(complain(StatusCode::METHOD_NOT_ALLOWED, "only POST is answered here\n"));
    }
    let starting = || complain(StatusCode::SERVICE_UNAVAILABLE, "keydove is starting\n");
    operations.watched.get().ok_or_else(starting)
}

fn fault(status: StatusCode) -> Response<String> {
    let mut response = response(status, PLAIN, format!("{status}\n"));
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn response(status: StatusCode, kind: &'static str, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
