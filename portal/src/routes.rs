//! Every path of the portal.

use std::sync::Arc;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;
use crate::problem::Problem;
use crate::{formats, guard, pages, sign_in};

const STYLE: &str = include_str!("../assets/style.css");
const SCRIPT: &str = include_str!("../assets/script.js");
const ICON: &str = include_str!("../assets/icon.svg");

/// All of it, with what goes around each request.
pub fn routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/style.css", get(|| async { asset(STYLE, "text/css; charset=utf-8") }))
        .route("/script.js", get(|| async { asset(SCRIPT, "text/javascript; charset=utf-8") }))
        .route("/icon.svg", get(|| async { asset(ICON, "image/svg+xml") }))
        .route("/health", get(|| async { "ok\n" }))
        .merge(pages::routes())
        .merge(sign_in::routes())
        .merge(formats::routes())
        .fallback(|| async { Problem::NotFound })
        .method_not_allowed_fallback(|| async { Problem::NotFound })
        .layer(from_fn_with_state(Arc::clone(&app), guard::around))
        .with_state(app)
}

/// Where programs post, which are no browsers, have no cookies and change nothing of a person's.
#[must_use]
pub fn is_for_programs(path: &str) -> bool {
    path == sign_in::BACK_CHANNEL || formats::is_autodiscover(path)
}

/// `303 See Other`: the browser goes on with GET.
#[must_use]
pub fn redirect(to: &str) -> Response {
    match HeaderValue::from_str(to) {
        Ok(to) => (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Their address changes with the version, so browsers may keep them.
fn asset(text: &'static str, kind: &'static str) -> Response {
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, text).into_response()
}
