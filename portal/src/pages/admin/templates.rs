//! *Templates*: what new mailboxes get, and who gets which.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use keydove_words::portal::admin::{TemplateCard, TemplateDifferences, TemplatesRequest};

use super::identity_provider::{SettingRow, setting_row};
use super::{ChangeTexts, Notice, field, size};
use crate::app::App;
use crate::cookie;
use crate::guard::{Posted, Remote};
use crate::pages::{Frame, Page, html};
use crate::problem::Problem;
use crate::session::{Administrator, RecentAdministrator};
use crate::sign_in::with_cookie;
use crate::texts::TemplateTexts;

struct TemplateRow {
    name: String,
    link: String,
    quota: String,
    services: String,
}

#[derive(Template)]
#[template(path = "admin/templates.html")]
struct ListPage {
    frame: Frame,
    notice: Option<Notice>,
    templates: Vec<TemplateRow>,
    mapping: Vec<SettingRow>,
}

#[derive(Template)]
#[template(path = "admin/template.html")]
struct CardPage {
    frame: Frame,
    notice: Option<Notice>,
    card: TemplateCard,
    /// What was compared with it, where something was.
    compared: Option<Compared>,
}

/// A text beside what is stored.
struct Compared {
    text: String,
    differences: TemplateDifferences,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    who: Administrator,
    frame: Frame,
) -> Result<Response, Problem> {
    list_page(&app, &who, frame, None).await
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    who: Administrator,
    frame: Frame,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let name = field(&query.unwrap_or_default(), "name").ok_or(Problem::NotFound)?;
    card_page(&app, &who, frame, (&name, None, None)).await
}

/// Shows what a text would change. It changes nothing, and has a form because texts are long.
pub(super) async fn compare(
    State(app): State<Arc<App>>,
    who: Administrator,
    frame: Frame,
    Extension(posted): Extension<Posted>,
) -> Result<Response, Problem> {
    let [name, text] = ["name", "text"].map(|field| posted.field(field).map(str::to_owned));
    let (name, text) = name.zip(text).ok_or(Problem::BadForm)?;
    match app.daemon.compare_template(&who, &name, &text).await? {
        Ok(differences) => {
            let compared = Compared { text, differences };
            card_page(&app, &who, frame, (&name, None, Some(compared))).await
        }
        Err(obstacle) => {
            let (status, notice) = texts(&frame.t.admin.templates).say(Err(obstacle));
            // What was sent stays, to be mended.
            let compared = Compared { text, differences: TemplateDifferences::default() };
            let page = card_page(&app, &who, frame, (&name, Some(notice), Some(compared))).await?;
            Ok((status, page).into_response())
        }
    }
}

/// Makes a change, and shows what there is then.
pub(super) async fn change(
    State(app): State<Arc<App>>,
    who: RecentAdministrator,
    frame: Frame,
    Path(form): Path<String>,
    (Extension(posted), Extension(remote)): (Extension<Posted>, Extension<Remote>),
) -> Result<Response, Problem> {
    let name = posted.field("name").ok_or(Problem::BadForm)?.to_owned();
    let (request, is_new) = match form.as_str() {
        "add" => (TemplatesRequest::Add { name: name.clone() }, true),
        "set" => {
            let values = posted.all().iter().filter(|(key, _)| key != "name").cloned().collect();
            (TemplatesRequest::Set { name: name.clone(), values }, false)
        }
        "replace" => {
            let [text, of] = ["text", "of"].map(|field| posted.field(field).map(str::to_owned));
            let (text, of) = text.zip(of).ok_or(Problem::BadForm)?;
            (TemplatesRequest::Replace { name: name.clone(), text, of }, false)
        }
        _ => return Err(Problem::NotFound),
    };
    let words = &frame.t.admin.templates;
    let (status, notice) = texts(words).say(app.daemon.change_templates(&who, request, remote.0).await?);
    let who = who.administrator();
    let page = match is_new {
        true => list_page(&app, who, frame, Some(notice)).await?,
        false => card_page(&app, who, frame, (&name, Some(notice), None)).await?,
    };
    Ok(with_cookie((status, page).into_response(), &cookie::forget(cookie::DRAFT)))
}

/// What is said of a change here.
fn texts(words: &TemplateTexts) -> ChangeTexts {
    let &TemplateTexts { done, unchanged, unknown, not_done, .. } = words;
    ChangeTexts { done, unchanged, unknown, not_done }
}

async fn list_page(
    app: &App,
    who: &Administrator,
    frame: Frame,
    notice: Option<Notice>,
) -> Result<Response, Problem> {
    let list = app.daemon.templates(who).await?;
    let words = &frame.t.admin;
    let row = |line: keydove_words::portal::admin::TemplateLine| TemplateRow {
        link: format!(
            "/admin/templates/show?name={}",
            form_urlencoded::byte_serialize(line.name.as_bytes()).collect::<String>()
        ),
        name: line.name,
        quota: if line.quota == 0 { words.templates.no_quota.to_owned() } else { size(line.quota) },
        services: line.services.join(", "),
    };
    html(&ListPage {
        notice,
        templates: list.templates.into_iter().map(row).collect(),
        mapping: list.mapping.into_iter().map(|setting| setting_row(&words.provider, setting)).collect(),
        frame: frame.of(who.who(), Page::Templates),
    })
}

async fn card_page(
    app: &App,
    who: &Administrator,
    frame: Frame,
    (name, notice, compared): (&str, Option<Notice>, Option<Compared>),
) -> Result<Response, Problem> {
    let card = app.daemon.template(who, name).await?.ok_or(Problem::NotFound)?;
    html(&CardPage { notice, card, compared, frame: frame.of(who.who(), Page::Templates) })
}
