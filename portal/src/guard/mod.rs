//! What stands around every page: headers, cross-site requests, bodies with a bound, time limits, and problems made pages.

mod headers;
mod limits;
mod origin;
mod remote;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT_LANGUAGE, CONTENT_TYPE};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use keydove_words::portal::NoSession;
use tokio::time::timeout;

use crate::app::App;
use crate::cookie;
use crate::pages::{self, Frame, Page};
use crate::problem::{Carried, Problem};
use crate::routes::{self, redirect};
use crate::sign_in;
use crate::texts::Language;

pub use headers::Policy;
pub use limits::SignInLimits;
pub use remote::{Peer, Remote, browser_name};

/// Largest form.
pub const MAX_FORM: usize = 16 * 1024;
/// How long a request may take from its head to its answer: longer than keydove and Keycloak may take together.
const PATIENCE: Duration = Duration::from_secs(40);

/// A form that a browser sent.
#[derive(Clone, Debug, Default)]
pub struct Posted(Arc<Vec<(String, String)>>);

impl Posted {
    /// A form with these fields.
    #[must_use]
    pub fn of(fields: Vec<(String, String)>) -> Self {
        Self(Arc::new(fields))
    }

    /// Reads a body as browsers write forms.
    #[must_use]
    pub fn parse(body: &[u8]) -> Self {
        Self(Arc::new(form_urlencoded::parse(body).into_owned().collect()))
    }

    /// The first field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// All fields of this name.
    pub fn fields(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// All of it.
    #[must_use]
    pub fn all(&self) -> &[(String, String)] {
        &self.0
    }
}

/// Goes around each request.
pub async fn around(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let language = language(&app, request.headers());
    let peer = request.extensions().get::<Peer>().copied().unwrap_or(Peer::Nobody);
    let remote = Remote::find(peer, request.headers(), &app.config.portal.trusted_proxies);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    request.extensions_mut().insert(language);
    request.extensions_mut().insert(remote);
    let (posted, answer) = match admit(&app, request).await {
        Ok(request) => {
            let posted = request.extensions().get::<Posted>().cloned();
            let late = |_| Problem::Internal("a request took too long".to_owned()).into_response();
            (posted, timeout(PATIENCE, next.run(request)).await.unwrap_or_else(late))
        }
        Err(problem) => (None, problem.into_response()),
    };
    let mut answer = match answer.extensions().get::<Carried>().cloned() {
        Some(Carried(problem)) => show(&app, &problem, (&method, &path, posted.as_ref()), language),
        None => answer,
    };
    app.policy.apply(answer.headers_mut());
    answer
}

/// Lets a request in: it changes nothing, or one of our own pages sent it, and it is no larger than a form.
async fn admit(app: &App, request: Request) -> Result<Request, Problem> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(request);
    }
    if !routes::is_for_programs(request.uri().path()) {
        origin::check(request.headers(), app.config.portal.public_url.origin())?;
    }
    let (mut parts, body) = request.into_parts();
    let bytes = collect(body).await?;
    let is_form = parts
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    if is_form {
        parts.extensions.insert(Posted::parse(&bytes));
    } else {
        parts.extensions.insert(Posted::default());
    }
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

async fn collect(body: Body) -> Result<Bytes, Problem> {
    let collected = timeout(PATIENCE, Limited::new(body, MAX_FORM).collect()).await;
    match collected {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(Problem::TooLarge),
        _ => Err(Problem::BadForm),
    }
}

/// Makes a page of a problem. What was filled in stays: the page can send it once more.
fn show(
    app: &App,
    problem: &Problem,
    (method, path, posted): (&Method, &str, Option<&Posted>),
    language: Language,
) -> Response {
    problem.log(path);
    let is_over =
        matches!(problem, Problem::NoSession(NoSession::Unknown | NoSession::Idle | NoSession::Expired));
    if is_over && method == Method::GET {
        let to = Page::of_path(path).unwrap_or(Page::Device);
        return redirect(&format!("/sign-in?to={}", to.name()));
    }
    if let Problem::Stale { subject } = problem {
        let form = (path, posted.map(Posted::all).unwrap_or_default());
        return match sign_in::away(app, subject, form, language) {
            Ok(answer) => answer,
            Err(problem) => show(app, &problem, (method, path, posted), language),
        };
    }
    let repeat = (problem.may_pass() && method == Method::POST)
        .then(|| (path.to_owned(), posted.cloned().unwrap_or_default()));
    let status = problem.status();
    match pages::problem(Frame::new(app, language), problem, repeat, app) {
        Ok(page) => (status, page).into_response(),
        Err(problem) => problem.status().into_response(),
    }
}

fn language(app: &App, headers: &HeaderMap) -> Language {
    let offered = &app.config.portal.languages;
    let chosen = cookie::find(headers, cookie::LANGUAGE).and_then(Language::parse);
    let accepted = || headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    chosen
        .filter(|language| offered.contains(language))
        .unwrap_or_else(|| Language::choose(accepted(), offered))
}
