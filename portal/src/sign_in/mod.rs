//! Signing in with Keycloak and out again: `OpenID` Connect's code flow with PKCE.
//!
//! The portal remembers nothing of a sign-in under way: state, nonce and PKCE verifier travel in a sealed cookie, so ten
//! thousand sign-ins that nobody finishes cost no memory. Where the way ends is one of our pages, never an address.

mod attempt;
mod flow;
mod keycloak;
mod out;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::app::App;

pub use attempt::{Attempt, Reply};
pub(crate) use flow::with_cookie;
pub use flow::{Draft, away};
pub use keycloak::{Keycloak, SetupError};

/// Where Keycloak sends browsers back to, below the portal's address.
pub const CALLBACK: &str = "/sign-in/done";
/// Where Keycloak tells that somebody has signed out.
pub const BACK_CHANNEL: &str = "/back-channel-logout";

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/sign-in", get(flow::start))
        .route(CALLBACK, get(flow::finish))
        .route("/sign-out", post(out::sign_out))
        .route("/signed-out", get(out::signed_out))
        .route(BACK_CHANNEL, post(out::back_channel))
}
