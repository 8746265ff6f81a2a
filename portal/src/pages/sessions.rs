//! *My sessions*: where somebody is signed in at the portal.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, State};
use axum::response::Response;

use super::rows::SessionView;
use super::{Frame, Page, html};
use crate::app::App;
use crate::cookie;
use crate::guard::Posted;
use crate::problem::Problem;
use crate::routes::redirect;
use crate::session::SignedIn;
use crate::sign_in::with_cookie;

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsPage {
    frame: Frame,
    sessions: Vec<SessionView>,
    is_ended: bool,
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    who: SignedIn,
    frame: Frame,
) -> Result<Response, Problem> {
    page(&app, &who, frame, false).await
}

/// Ends another session of the same person.
pub(super) async fn end(
    State(app): State<Arc<App>>,
    who: SignedIn,
    frame: Frame,
    Extension(posted): Extension<Posted>,
) -> Result<Response, Problem> {
    let id = posted.field("id").and_then(|id| id.parse().ok()).ok_or(Problem::BadForm)?;
    app.daemon.end_other(&who, id).await?;
    page(&app, &who, frame, true).await
}

/// Ends all of them, this one too.
pub(super) async fn end_all(State(app): State<Arc<App>>, who: SignedIn) -> Result<Response, Problem> {
    app.daemon.end_all(&who).await?;
    Ok(with_cookie(redirect("/signed-out"), &cookie::forget(cookie::SESSION)))
}

async fn page(app: &App, who: &SignedIn, frame: Frame, is_ended: bool) -> Result<Response, Problem> {
    let language = frame.language;
    let sessions = app.daemon.sessions(who).await?;
    html(&SessionsPage {
        sessions: sessions.into_iter().map(|session| SessionView::new(session, language)).collect(),
        is_ended,
        frame: frame.of(who, Page::Sessions),
    })
}
