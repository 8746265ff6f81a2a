//! The administrators' pages. Each handler takes the proof of an administrator, and each that changes something the proof
//! of one who has just signed in.

mod census;
mod domain;
mod hosting;
mod identity_provider;
mod overview;
mod person;
mod sync;
mod templates;

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use keydove_words::portal::admin::{AdminObstacle, Done, ObstacleKind};

use super::Page;
use crate::app::App;
use crate::cookie;
use crate::routes::redirect;
use crate::sign_in::with_cookie;
use crate::texts::{AdminTexts, fill};

/// The services that a mailbox has switches for, in the order of forms.
const SERVICES: [&str; 6] = ["imap", "pop3", "smtp", "sieve", "dav", "eas"];

/// What is said of a change, or of what was asked.
struct Notice {
    is_good: bool,
    text: String,
    /// In the daemon's words.
    detail: Option<String>,
}

impl Notice {
    fn good(text: &str) -> Self {
        Self { is_good: true, text: text.to_owned(), detail: None }
    }

    fn bad(text: &str, detail: impl Into<Option<String>>) -> Self {
        Self { is_good: false, text: text.to_owned(), detail: detail.into() }
    }
}

/// What a page says of a change, by its end.
struct ChangeTexts {
    /// With the seconds within which it holds, where there is a place for them.
    done: &'static str,
    unchanged: &'static str,
    unknown: &'static str,
    not_done: &'static str,
}

impl ChangeTexts {
    fn say(&self, end: Result<Done, AdminObstacle>) -> (StatusCode, Notice) {
        match end {
            Ok(Done { count: 0, .. }) => (StatusCode::OK, Notice::good(self.unchanged)),
            Ok(Done { holds_within, .. }) => {
                (StatusCode::OK, Notice::good(&fill(self.done, &holds_within.to_string())))
            }
            Err(AdminObstacle { kind, detail }) => {
                let text = if kind == ObstacleKind::Unknown { self.unknown } else { self.not_done };
                (StatusCode::UNPROCESSABLE_ENTITY, Notice::bad(text, detail))
            }
        }
    }
}

/// After so many seconds a page is shown again on which something goes on.
const REFRESH: u32 = 2;

/// The title of a page in a language.
pub(super) type Title = fn(&AdminTexts) -> &'static str;

/// The menu: each page with its title.
pub(super) const MENU: &[(Page, Title)] = &[
    (Page::Overview, |t| t.overview.title),
    (Page::Person, |t| t.person.title),
    (Page::Mailboxes, |t| t.hosting.mailboxes),
    (Page::Domains, |t| t.hosting.domains),
    (Page::Templates, |t| t.templates.title),
    (Page::IdentityProvider, |t| t.provider.title),
    (Page::Sync, |t| t.sync.title),
    (Page::Census, |t| t.census.title),
];

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/admin", get(overview::show))
        .route("/admin/check", get(overview::check))
        .route("/admin/person", get(person::show))
        .route("/admin/person/{form}", post(person::change))
        .route("/admin/mailboxes", get(hosting::mailboxes))
        .route("/admin/domains", get(hosting::domains))
        .route("/admin/domains/show", get(domain::show))
        .route("/admin/domains/set", post(domain::change))
        .route("/admin/templates", get(templates::list))
        .route("/admin/templates/show", get(templates::show))
        .route("/admin/templates/compare", post(templates::compare))
        .route("/admin/templates/{form}", post(templates::change))
        .route("/admin/identity-provider", get(identity_provider::show))
        .route("/admin/identity-provider/test", post(identity_provider::test))
        .route("/admin/sync", get(sync::show))
        .route("/admin/sync/run", get(sync::run))
        .route("/admin/sync/rehearse", post(sync::rehearse))
        .route("/admin/sync/start", post(sync::start))
        .route("/admin/census", get(census::show))
        .route("/admin/census/count", post(census::count))
}

/// What a form does that is sent there, for whoever is asked to send it once more.
pub(super) fn title_of(words: &AdminTexts, action: &str) -> Option<&'static str> {
    match action {
        "/admin/sync/start" => return Some(words.sync.start),
        "/admin/domains/set" => return Some(words.hosting.change),
        "/admin/templates/add" => return Some(words.templates.add),
        "/admin/templates/set" => return Some(words.templates.set),
        "/admin/templates/replace" => return Some(words.templates.replace),
        _ => {}
    }
    let form = action.strip_prefix("/admin/person/")?;
    person::Form::parse(form).map(|form| form.title(words))
}

/// Something has begun: its page shows how it goes on.
fn begun(page: Page) -> Response {
    with_cookie(redirect(page.path()), &cookie::forget(cookie::DRAFT))
}

/// While something goes on the page is shown again soon, also without a script.
fn refreshing_while(is_running: bool, mut answer: Response, page: Page) -> Response {
    if is_running && let Ok(line) = format!("{REFRESH}; url={}", page.path()).parse() {
        answer.headers_mut().insert(header::REFRESH, line);
    }
    answer
}

/// A field of a query.
fn field(query: &str, wanted: &str) -> Option<String> {
    let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == wanted);
    found.next().map(|(_, value)| value.trim().to_owned())
}

/// A size in a unit that fits.
fn size(bytes: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => {
            let tenths = bytes.saturating_mul(10) / unit;
            match tenths % 10 {
                0 => format!("{} {name}", tenths / 10),
                tenth => format!("{}.{tenth} {name}", tenths / 10),
            }
        }
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_written_in_a_unit_that_fits() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (3 << 30, "3 GiB"),
            ((3 << 30) + 1, "3 GiB"),
            (u64::MAX, "1677721.5 TiB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }
}
