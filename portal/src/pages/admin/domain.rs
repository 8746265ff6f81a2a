//! A domain: its limits, and what is left of them.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, RawQuery, State};
use axum::response::{IntoResponse, Response};
use keydove_words::portal::admin::{DomainLine, HostingRequest};

use super::{ChangeTexts, Notice, field, size};
use crate::app::App;
use crate::cookie;
use crate::guard::{Posted, Remote};
use crate::pages::{Frame, Page, html};
use crate::problem::Problem;
use crate::session::{Administrator, RecentAdministrator};
use crate::sign_in::with_cookie;
use crate::texts::{HostingTexts, fill};

const MIB: u64 = 1 << 20;

/// A number of the form.
struct Field {
    name: &'static str,
    title: &'static str,
    value: u64,
    hint: String,
}

#[derive(Template)]
#[template(path = "admin/domain.html")]
struct DomainPage {
    frame: Frame,
    notice: Option<Notice>,
    name: String,
    description: String,
    is_on: bool,
    fields: [Field; 4],
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    who: Administrator,
    frame: Frame,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let name = field(&query.unwrap_or_default(), "domain").ok_or(Problem::NotFound)?;
    page(&app, &who, frame, (&name, None)).await
}

/// Makes a change, and shows what there is then.
pub(super) async fn change(
    State(app): State<Arc<App>>,
    who: RecentAdministrator,
    frame: Frame,
    (Extension(posted), Extension(remote)): (Extension<Posted>, Extension<Remote>),
) -> Result<Response, Problem> {
    let name = posted.field("domain").ok_or(Problem::BadForm)?.to_owned();
    let values = posted.all().iter().filter(|(key, _)| key != "domain").cloned().collect();
    let request = HostingRequest::SetDomain { domain: name.clone(), values };
    let (status, notice) =
        texts(&frame.t.admin.hosting).say(app.daemon.change_hosting(&who, request, remote.0).await?);
    let page = page(&app, who.administrator(), frame, (&name, Some(notice))).await?;
    Ok(with_cookie((status, page).into_response(), &cookie::forget(cookie::DRAFT)))
}

/// What is said of a change here.
fn texts(words: &HostingTexts) -> ChangeTexts {
    let &HostingTexts { done, unchanged, unknown, not_done, .. } = words;
    ChangeTexts { done, unchanged, unknown, not_done }
}

async fn page(
    app: &App,
    who: &Administrator,
    frame: Frame,
    (name, notice): (&str, Option<Notice>),
) -> Result<Response, Problem> {
    let words = &frame.t.admin.hosting;
    let line = app.daemon.domain(who, name).await?.ok_or(Problem::NotFound)?;
    let number = |name, title, bytes: u64, hint: String| Field { name, title, value: bytes / MIB, hint };
    let DomainLine { mailboxes, mailboxes_used, default_quota, max_quota, quota, quota_given, .. } = line;
    let fields = [
        Field {
            name: "mailboxes",
            title: words.most_mailboxes,
            value: mailboxes,
            hint: fill(words.there_are, &mailboxes_used.to_string()),
        },
        number("default_quota", words.default_quota, default_quota, size(default_quota)),
        number("max_quota", words.max_quota, max_quota, size(max_quota)),
        number("quota", words.all_quota, quota, fill(words.given_so_far, &size(quota_given))),
    ];
    html(&DomainPage {
        notice,
        name: line.name,
        description: line.description,
        is_on: line.active,
        fields,
        frame: frame.of(who.who(), Page::Domains),
    })
}
