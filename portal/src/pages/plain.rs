//! Pages without a session: the first one, the help, the end of a session, and problems.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::{Frame, Page, html};
use crate::app::App;
use crate::cookie;
use crate::guard::Posted;
use crate::problem::Problem;
use crate::routes::redirect;
use crate::sign_in::with_cookie;
use crate::texts::{Language, Told};

/// A year, in seconds.
const LANGUAGE_LIFE: u64 = 31_536_000;

#[derive(Template)]
#[template(path = "welcome.html")]
struct Welcome {
    frame: Frame,
}

#[derive(Template)]
#[template(path = "help.html")]
struct Help {
    frame: Frame,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOut {
    frame: Frame,
    everywhere: String,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    told: Told,
    code: Option<String>,
    /// Where to send the same form once more, and what was in it.
    repeat: Option<(String, Posted)>,
    starts_again: bool,
    other_person: Option<String>,
}

/// The first page: for who is signed in, the one that they came for.
pub(super) async fn welcome(frame: Frame, headers: HeaderMap) -> Result<Response, Problem> {
    if cookie::find(&headers, cookie::SESSION).is_some_and(|value| !value.is_empty()) {
        return Ok(redirect(Page::Device.path()));
    }
    html(&Welcome { frame })
}

/// The page for people.
pub(super) async fn help(frame: Frame) -> Result<Response, Problem> {
    html(&Help { frame })
}

/// Remembers a language in the browser.
pub(super) async fn set_language(
    State(app): State<Arc<App>>,
    Extension(posted): Extension<Posted>,
) -> Result<Response, Problem> {
    let language = posted.field("language").and_then(Language::parse);
    let language =
        language.filter(|language| app.config.portal.languages.contains(language)).ok_or(Problem::BadForm)?;
    let back = posted.field("to").and_then(Page::parse).map_or("/", Page::path);
    Ok(with_cookie(redirect(back), &cookie::set(cookie::LANGUAGE, language.code(), Some(LANGUAGE_LIFE))))
}

/// Says that the session has ended.
pub(crate) fn signed_out(frame: Frame, everywhere: String) -> Result<Response, Problem> {
    html(&SignedOut { frame, everywhere })
}

/// Says what went wrong, and who can mend it.
pub(crate) fn problem(
    frame: Frame,
    problem: &Problem,
    repeat: Option<(String, Posted)>,
    app: &App,
) -> Result<Response, Problem> {
    let other_person = || app.keycloak.sign_out_address(&app.config.portal.public_url);
    html(&ProblemPage {
        told: frame.t.problems.of(problem),
        frame,
        code: problem.code().map(str::to_owned),
        repeat,
        starts_again: problem.wants_new_sign_in(),
        other_person: problem.is_about_the_person().then(other_person),
    })
}
