//! Which path is answered by what.

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};
use tokio::time::Instant;

use super::forget::{self, ForgetToken};
use super::readiness::Readiness;
use super::{Numbers, Operations};

const PLAIN: &str = "text/plain; charset=utf-8";
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers a request.
pub(super) async fn answer(operations: &Operations, request: Request<Incoming>) -> Response<String> {
    if let ("/forget", Some(token)) = (request.uri().path(), &operations.forget_token) {
        return forget(operations, token, request).await;
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
    token: &ForgetToken,
    request: Request<Incoming>,
) -> Response<String> {
    if request.method() != Method::POST {
        return response(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only POST is answered here\n".to_owned());
    }
    let Some(watched) = operations.watched.get() else {
        return response(StatusCode::SERVICE_UNAVAILABLE, PLAIN, "keydove is starting\n".to_owned());
    };
    match forget::read(token, request).await {
        Ok(whom) => {
            whom.carry_out(&watched.decision);
            response(StatusCode::NO_CONTENT, PLAIN, String::new())
        }
        Err(status) => {
            let mut response = response(status, PLAIN, format!("{status}\n"));
            if status == StatusCode::UNAUTHORIZED {
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            response
        }
    }
}

fn response(status: StatusCode, kind: &'static str, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
