//! To Keycloak and back.

use std::sync::Arc;

use axum::extract::{Extension, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use keydove_words::portal::SignIn;
use keydove_words::token::IdToken;
use serde::{Deserialize, Serialize};

use super::keycloak::LEEWAY;
use super::{Attempt, Reply};
use crate::app::App;
use crate::cookie;
use crate::guard::{Remote, browser_name};
use crate::pages::Page;
use crate::problem::Problem;
use crate::routes::redirect;
use crate::session::{SignedIn, is_recent};
use crate::texts::Language;

/// Browsers drop cookies that are longer than 4 KiB with their names, and the form would be lost without a word.
const MAX_DRAFT: usize = 3800;

/// A form that waits until its person has proven who they are.
#[derive(Debug, Serialize, Deserialize)]
pub struct Draft {
    subject: String,
    /// Where the form is sent: one of our paths.
    pub action: String,
    /// What was filled in.
    pub fields: Vec<(String, String)>,
}

impl Draft {
    /// The draft of this person that the browser keeps.
    pub(crate) fn find(app: &App, headers: &HeaderMap, who: &SignedIn) -> Option<Self> {
        let value = cookie::find(headers, cookie::DRAFT)?;
        let draft: Self = app.seal.open(cookie::DRAFT, value, app.clock.now())?;
        (draft.subject == who.subject()).then_some(draft)
    }
}

/// Begins a sign-in that a person has asked for.
pub(super) async fn start(
    State(app): State<Arc<App>>,
    Extension(remote): Extension<Remote>,
    Extension(language): Extension<Language>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    app.limits.count(remote.0, app.clock.now())?;
    let query = query.unwrap_or_default();
    let wanted = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "to");
    let to = wanted.and_then(|(_, page)| Page::parse(&page)).unwrap_or(Page::Device);
    send(&app, Attempt::new(to, false)?, language)
}

/// Sends somebody who is signed in to Keycloak once more, because of what their form does. It waits: whoever comes back
/// finds it on its own page, or on one that shows it and sends it.
///
/// # Errors
/// The system has no random bytes, or the form is longer than a cookie.
pub fn away(
    app: &App,
    subject: &str,
    (action, fields): (&str, &[(String, String)]),
    language: Language,
) -> Result<Response, Problem> {
    let draft = Draft { subject: subject.to_owned(), action: action.to_owned(), fields: fields.to_owned() };
    let sealed = app.seal.seal(cookie::DRAFT, &draft, app.clock.now())?;
    if sealed.len() > MAX_DRAFT {
        return Err(Problem::TooLarge);
    }
    let to = Page::of_path(action).filter(|page| page.takes_drafts()).unwrap_or(Page::Confirm);
    let response = send(app, Attempt::new(to, true)?, language)?;
    Ok(with_cookie(response, &cookie::set(cookie::DRAFT, &sealed, Some(cookie::SEALED_LIFE))))
}

fn send(app: &App, attempt: Attempt, language: Language) -> Result<Response, Problem> {
    let sealed = app.seal.seal(cookie::ATTEMPT, &attempt, app.clock.now())?;
    let response = redirect(&app.keycloak.sign_in_address(&attempt, language.code()));
    Ok(with_cookie(response, &cookie::set(cookie::ATTEMPT, &sealed, Some(cookie::SEALED_LIFE))))
}

/// Ends a sign-in: verifies who it is, and has keydove begin a session.
pub(super) async fn finish(
    State(app): State<Arc<App>>,
    Extension(remote): Extension<Remote>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    app.limits.count(remote.0, now)?;
    let sealed = cookie::find(&headers, cookie::ATTEMPT).unwrap_or_default();
    let attempt: Attempt = app.seal.open(cookie::ATTEMPT, sealed, now).ok_or(Problem::AttemptGone)?;
    let reply = Reply::parse(&query.unwrap_or_default());
    let code = attempt.accept(&reply, app.keycloak.issuer().as_str())?;
    let identity = app.keycloak.identity(&code, &attempt, now).await?;
    // The browser could have taken `max_age` out of the address, so only the token's word counts.
    if attempt.again && !is_recent(identity.auth_time.saturating_add(LEEWAY), now) {
        return Err(Problem::NotAskedAgain);
    }
    let value = cookie::random::<32>()?;
    let sign_in = told(&app, identity, &headers, (&value, remote))?;
    app.daemon.sign_in(sign_in).await?;
    let response = with_cookie(redirect(attempt.to.path()), &cookie::set(cookie::SESSION, &value, None));
    Ok(with_cookie(response, &cookie::forget(cookie::ATTEMPT)))
}

/// What keydove is told of a sign-in.
fn told(
    app: &App,
    identity: IdToken,
    headers: &HeaderMap,
    (value, remote): (&str, Remote),
) -> Result<SignIn, Problem> {
    let before = cookie::find(headers, cookie::SESSION).filter(|value| !value.is_empty());
    Ok(SignIn {
        issuer: app.keycloak.issuer().as_str().to_owned(),
        subject: identity.subject,
        email: identity.email.filter(|email| !email.is_empty()).ok_or(Problem::NoAddress)?,
        email_verified: identity.email_verified,
        session: cookie::session_key(value),
        replaces: before.map(cookie::session_key),
        sid: identity.session,
        auth_time: identity.auth_time,
        acr: identity.acr,
        administrator: identity.roles.contains(&app.config.keycloak.administrator_role),
        remote: remote.0,
        browser: browser_name(headers),
    })
}

pub(crate) fn with_cookie(response: Response, line: &str) -> Response {
    let mut response = response.into_response();
    if let Ok(line) = line.parse() {
        response.headers_mut().append(axum::http::header::SET_COOKIE, line);
    }
    response
}
