//! A form that has waited until its person had signed in again: shown, and sent by a click.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::{Frame, Page, admin, html};
use crate::app::App;
use crate::problem::Problem;
use crate::routes::redirect;
use crate::session::SignedIn;
use crate::sign_in::Draft;

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage {
    frame: Frame,
    action: String,
    fields: Vec<(String, String)>,
    /// What the form does, and to whom.
    what: &'static str,
    whom: Option<String>,
    back: &'static str,
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    who: SignedIn,
    frame: Frame,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let back = |action: &str| Page::of_path(action).unwrap_or(Page::Device);
    let Some(Draft { action, fields, .. }) = Draft::find(&app, &headers, &who) else {
        return Ok(redirect("/"));
    };
    let page = back(&action);
    if page.is_for_administrators() && !who.is_administrator() {
        return Err(Problem::NotAdministrator);
    }
    let names = ["user", "domain", "name"];
    let whom = fields.iter().find(|(name, _)| names.contains(&&**name)).map(|(_, value)| value.clone());
    html(&ConfirmPage {
        what: admin::title_of(&frame.t.admin, &action).unwrap_or_default(),
        whom,
        back: page.path(),
        action,
        fields,
        frame: frame.of(&who, page),
    })
}
