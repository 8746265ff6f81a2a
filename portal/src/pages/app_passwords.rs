//! *App passwords*: the list, the form, and what its buttons do.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use keydove_words::portal::{Limits, Rejection, WantedAppPassword};

use super::device::Program;
use super::made;
use super::rows::{AppPasswordView, service};
use super::{Frame, Page, html};
use crate::app::App;
use crate::cookie;
use crate::daemon::Making;
use crate::guard::{Posted, Remote};
use crate::problem::Problem;
use crate::session::SignedIn;
use crate::sign_in::{Draft, with_cookie};
use crate::texts::{AppPasswordTexts, fill};

/// The services that the form offers, in its order.
const SERVICES: [&str; 6] = ["imap", "pop3", "smtp", "sieve", "dav", "eas"];
/// What is ticked in an empty form.
const USUAL: [&str; 2] = ["imap", "smtp"];
/// How long one may last, as far as the administrator allows it.
const DAYS: [u32; 5] = [7, 30, 90, 180, 365];

/// A choice of the form.
struct Choice {
    value: String,
    title: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "app_passwords.html")]
struct AppPasswordsPage {
    frame: Frame,
    name: String,
    services: Vec<Choice>,
    days: Vec<Choice>,
    networks: String,
    program: &'static str,
    /// Why the form comes back, and at which field.
    fault: Option<(&'static str, &'static str)>,
    is_back: bool,
    notice: Option<String>,
    passwords: Vec<AppPasswordView>,
}

impl AppPasswordsPage {
    fn is_at(&self, field: &str) -> bool {
        self.fault.is_some_and(|(at, _)| at == field)
    }
}

/// What the form begins with.
#[derive(Default)]
struct Start {
    wish: Option<WantedAppPassword>,
    program: Option<Program>,
    fault: Option<(String, Rejection)>,
    is_back: bool,
    notice: Option<String>,
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    who: SignedIn,
    frame: Frame,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut start = Start::default();
    let draft = Draft::find(&app, &headers, &who).filter(|draft| draft.action == Page::AppPasswords.path());
    if let Some(draft) = draft {
        let filled = Posted::of(draft.fields);
        start.is_back = who.clone().recently(app.clock.now()).is_some();
        start.program = filled.field("program").and_then(Program::parse);
        start.wish = Some(read(&app, &who, &filled).await?);
    } else {
        let query = query.unwrap_or_default();
        let wanted = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "program");
        start.program = wanted.and_then(|(_, name)| Program::parse(&name));
    }
    page(&app, &who, frame, start).await
}

/// Makes one. The secret is in the answer itself: nothing leads there a second time.
pub(super) async fn make(
    State(app): State<Arc<App>>,
    who: SignedIn,
    frame: Frame,
    Extension(posted): Extension<Posted>,
    Extension(remote): Extension<Remote>,
) -> Result<Response, Problem> {
    let program = posted.field("program").and_then(Program::parse);
    let wish = read(&app, &who, &posted).await?;
    let recent = who.clone().recently(app.clock.now()).ok_or_else(|| who.stale())?;
    match app.daemon.make_app_password(&recent, wish.clone(), remote.0).await? {
        Making::Made(made) => {
            let device = app.daemon.device(&who).await?;
            let answer =
                made::show(&app, frame.of(&who, Page::AppPasswords), (&made, &wish, &device), program)
                    .await?;
            Ok(with_cookie(answer, &cookie::forget(cookie::DRAFT)))
        }
        Making::Stale => Err(who.stale()),
        Making::Rejected(field, why) => {
            let start = Start { wish: Some(wish), program, fault: Some((field, why)), ..Start::default() };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page(&app, &who, frame, start).await?).into_response())
        }
    }
}

/// Reads the form. The short forms of *Set up a device* leave the end to the administrator's default.
async fn read(app: &App, who: &SignedIn, posted: &Posted) -> Result<WantedAppPassword, Problem> {
    let says_nothing = posted.field("days").is_none_or(|days| days.trim().is_empty());
    let default_days = if says_nothing { app.daemon.app_passwords(who).await?.1.default_days } else { None };
    wish(posted, default_days)
}

/// What a form asks for.
///
/// # Errors
/// [`Problem::BadForm`]: the number of days is none.
pub fn wish(posted: &Posted, default_days: Option<u32>) -> Result<WantedAppPassword, Problem> {
    let text = |name: &str| posted.field(name).unwrap_or_default().trim().to_owned();
    let days = match text("days").as_str() {
        "never" => None,
        "" => default_days,
        days => Some(days.parse().map_err(|_| Problem::BadForm)?),
    };
    let known = |name: &&str| SERVICES.contains(name);
    let networks = text("networks");
    Ok(WantedAppPassword {
        name: text("name"),
        services: posted.fields("services").filter(known).map(str::to_owned).collect(),
        days,
        networks: networks
            .split([',', ' ', '\n', '\r'])
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect(),
    })
}

pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    who: SignedIn,
    frame: Frame,
    Extension(posted): Extension<Posted>,
    Extension(remote): Extension<Remote>,
) -> Result<Response, Problem> {
    let id = posted.field("id").and_then(|id| id.parse().ok()).ok_or(Problem::BadForm)?;
    let end = app.daemon.revoke(&who, id, remote.0).await?;
    page(&app, &who, frame, Start::default().saying(end)).await
}

pub(super) async fn revoke_all(
    State(app): State<Arc<App>>,
    who: SignedIn,
    frame: Frame,
    Extension(remote): Extension<Remote>,
) -> Result<Response, Problem> {
    let end = app.daemon.revoke_all(&who, remote.0).await?;
    page(&app, &who, frame, Start::default().saying(end)).await
}

impl Start {
    /// Whose notice the page fills in: how many are revoked, and when that holds everywhere.
    fn saying(mut self, (passwords, within): (u64, u64)) -> Self {
        self.notice = Some(format!("{passwords} {within}"));
        self
    }
}

/// The notice in the page's language.
fn notice(words: &AppPasswordTexts, told: &str) -> String {
    let (passwords, within) = told.split_once(' ').unwrap_or((told, "0"));
    let first = fill(words.revoked, passwords);
    if within == "0" { first } else { format!("{first} {}", fill(words.revoked_within, within)) }
}

async fn page(app: &App, who: &SignedIn, frame: Frame, start: Start) -> Result<Response, Problem> {
    let (passwords, limits) = app.daemon.app_passwords(who).await?;
    let device = app.daemon.device(who).await?;
    let (t, language) = (frame.t, frame.language);
    let is_ticked = |name: &str| match &start.wish {
        Some(wish) => wish.services.iter().any(|wished| wished == name),
        None => USUAL.contains(&name),
    };
    let offered = SERVICES.into_iter().filter(|name| device.services.iter().any(|on| on == name));
    let services = offered.map(|name| Choice {
        value: name.to_owned(),
        title: service(t, name).to_owned(),
        is_chosen: is_ticked(name),
    });
    let named = start.wish.as_ref().map(|wish| wish.name.clone());
    let of_program =
        || start.program.map(|program| program.title(&t.programs).to_owned()).unwrap_or_default();
    html(&AppPasswordsPage {
        name: named.unwrap_or_else(of_program),
        services: services.collect(),
        days: ends(&t.app_passwords, limits, start.wish.as_ref()),
        networks: start.wish.as_ref().map(|wish| wish.networks.join(", ")).unwrap_or_default(),
        program: start.program.map_or("", Program::name),
        fault: start.fault.map(|(field, why)| sentence(&t.app_passwords, &field, why)),
        is_back: start.is_back,
        notice: start.notice.map(|told| notice(&t.app_passwords, &told)),
        passwords: passwords.into_iter().map(|password| AppPasswordView::new(password, language)).collect(),
        frame: frame.of(who, Page::AppPasswords),
    })
}

/// When it may end, with the administrator's default chosen.
fn ends(words: &AppPasswordTexts, limits: Limits, wish: Option<&WantedAppPassword>) -> Vec<Choice> {
    let chosen = wish.map_or(limits.default_days, |wish| wish.days);
    let is_allowed = |days: u32| limits.longest_days.is_none_or(|longest| days <= longest);
    let mut days: Vec<u32> =
        DAYS.into_iter().chain(limits.default_days).chain(limits.longest_days).chain(chosen).collect();
    days.retain(|days| is_allowed(*days));
    days.sort_unstable();
    days.dedup();
    let mut choices: Vec<_> = days
        .into_iter()
        .map(|days| Choice {
            value: days.to_string(),
            title: fill(words.days, &days.to_string()),
            is_chosen: chosen == Some(days),
        })
        .collect();
    if limits.longest_days.is_none() {
        let never =
            Choice { value: "never".to_owned(), title: words.never.to_owned(), is_chosen: chosen.is_none() };
        choices.push(never);
    }
    choices
}

/// Which field is wrong, and how.
fn sentence(words: &AppPasswordTexts, field: &str, why: Rejection) -> (&'static str, &'static str) {
    match (field, why) {
        (_, Rejection::TooMany) => ("", words.too_many),
        (_, Rejection::TooFast) => ("", words.too_fast),
        ("name", Rejection::Empty) => ("name", words.name_empty),
        ("name", _) => ("name", words.name_long),
        ("services", Rejection::Empty) => ("services", words.services_empty),
        ("services", _) => ("services", words.services_not_allowed),
        ("days", _) => ("days", words.days_wrong),
        ("networks", _) => ("networks", words.networks_wrong),
        _ => ("", words.not_allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Language;

    fn values(limits: Limits) -> Vec<String> {
        let choices = ends(&Language::English.texts().app_passwords, limits, None);
        choices
            .into_iter()
            .map(|choice| if choice.is_chosen { format!("[{}]", choice.value) } else { choice.value })
            .collect()
    }

    #[test]
    fn the_administrators_default_is_chosen_and_nothing_longer_than_allowed_is_offered() {
        let limits = |default_days, longest_days| Limits { default_days, longest_days, most: 10 };
        assert_eq!(values(limits(None, None)), ["7", "30", "90", "180", "365", "[never]"]);
        assert_eq!(values(limits(Some(90), None)), ["7", "30", "[90]", "180", "365", "never"]);
        assert_eq!(values(limits(Some(60), Some(100))), ["7", "30", "[60]", "90", "100"]);
        assert_eq!(values(limits(Some(3), Some(3))), ["[3]"]);
    }
}
