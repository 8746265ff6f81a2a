//! Signing out: here, and because Keycloak says so.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::flow::with_cookie;
use crate::app::App;
use crate::cookie;
use crate::guard::Posted;
use crate::pages::{self, Frame};
use crate::problem::Problem;
use crate::routes::redirect;

/// Ends this browser's session.
pub(super) async fn sign_out(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    if let Some(value) = cookie::find(&headers, cookie::SESSION) {
        match app.daemon.end_session(cookie::session_key(value)).await {
            Ok(_) | Err(Problem::NoSession(_)) => {}
            Err(problem) => return Err(problem),
        }
    }
    let response = with_cookie(redirect("/signed-out"), &cookie::forget(cookie::SESSION));
    Ok(with_cookie(response, &cookie::forget(cookie::DRAFT)))
}

/// Says that the session has ended, and how to sign out of Keycloak too.
pub(super) async fn signed_out(State(app): State<Arc<App>>, frame: Frame) -> Result<Response, Problem> {
    pages::signed_out(frame, app.keycloak.sign_out_address(&app.config.portal.public_url))
}

/// `OpenID` Connect Back-Channel Logout 1.0. Keycloak names one of its sessions even where it ends all of them, so every
/// session of the person ends.
pub(super) async fn back_channel(
    State(app): State<Arc<App>>,
    Extension(posted): Extension<Posted>,
) -> Response {
    let Some(token) = posted.field("logout_token") else { return StatusCode::BAD_REQUEST.into_response() };
    let issuer = app.keycloak.issuer().as_str();
    let logout = match app.keycloak.logout(token, app.clock.now()).await {
        Ok(logout) => logout,
        Err(problem @ Problem::KeycloakAway(_)) => return failed(&problem, StatusCode::SERVICE_UNAVAILABLE),
        Err(problem) => return failed(&problem, StatusCode::BAD_REQUEST),
    };
    match app.daemon.back_channel(issuer, logout.subject, logout.session).await {
        Ok(sessions) => {
            tracing::info!(sessions, "sessions ended because Keycloak says so");
            StatusCode::OK.into_response()
        }
        Err(problem) => failed(&problem, StatusCode::SERVICE_UNAVAILABLE),
    }
}

fn failed(problem: &Problem, status: StatusCode) -> Response {
    tracing::warn!(%problem, "a sign-out that Keycloak tells of did not end the portal's sessions");
    status.into_response()
}
