//! A person: why their login ends as it does, and what an administrator changes about it.

mod form;

use std::net::IpAddr;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use keydove_words::portal::MailSignIn;
use keydove_words::portal::admin::{
    AdminObstacle, Done, ExplainedEnd, ExplainedLogin, MailState, MailboxCard, ObstacleKind, PasswordSource,
    PersonCard,
};

use super::{Notice, SERVICES, size};
use crate::app::App;
use crate::cookie;
use crate::guard::{Posted, Remote};
use crate::pages::rows::{AppPasswordView, Moment, SessionView, service};
use crate::pages::{Frame, Page, html};
use crate::problem::Problem;
use crate::session::{Administrator, RecentAdministrator};
use crate::sign_in::with_cookie;
use crate::texts::{AdminTexts, PersonTexts, Texts, fill};

pub(super) use form::Form;

/// A choice of a form.
struct Choice {
    value: &'static str,
    title: &'static str,
    is_chosen: bool,
}

/// A login, or an attempt.
struct Row {
    at: Moment,
    service: String,
    remote: String,
    note: String,
}

struct StepRow {
    step: String,
    /// The name is the daemon's.
    is_daemons: bool,
    end: &'static str,
    is_end: bool,
    from: String,
    saw: String,
}

/// How a login would end.
struct Explained {
    verdict: &'static str,
    is_good: bool,
    reason: String,
    detail: Option<String>,
    cure: String,
    /// In the daemon's words.
    is_daemons: bool,
    /// How many steps there are.
    count: String,
    steps: Vec<StepRow>,
}

/// The mailbox as its card shows it.
struct MailboxView {
    name: String,
    quota: String,
    used: String,
    source: String,
    other_sources: Vec<Choice>,
    states: Vec<Choice>,
    services: Vec<Choice>,
}

struct Known {
    user: String,
    is_own: bool,
    explained: Explained,
    mailbox: Option<MailboxView>,
    owner: Option<String>,
    app_passwords: Vec<AppPasswordView>,
    accepted: Vec<Row>,
    refused: Vec<Row>,
    sessions: Vec<SessionView>,
}

#[derive(Template)]
#[template(path = "admin/person.html")]
struct PersonPage {
    frame: Frame,
    asked: Asked,
    services: Vec<Choice>,
    notice: Option<Notice>,
    known: Option<Known>,
}

/// What is asked for.
#[derive(Default)]
struct Asked {
    user: String,
    service: String,
    from: String,
}

impl Asked {
    fn read(query: &str) -> Self {
        let field = |wanted: &str| {
            let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == wanted);
            found.next().map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        Self { user: field("user"), service: field("service"), from: field("from") }
    }

    fn service(&self) -> &'static str {
        SERVICES.into_iter().chain(["portal"]).find(|name| *name == self.service).unwrap_or("imap")
    }

    fn remote(&self) -> Option<IpAddr> {
        self.from.parse().ok()
    }
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    who: Administrator,
    frame: Frame,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    page(&app, &who, frame, Asked::read(&query.unwrap_or_default()), None).await
}

/// Makes a change, and shows what there is then.
pub(super) async fn change(
    State(app): State<Arc<App>>,
    who: RecentAdministrator,
    frame: Frame,
    Path(form): Path<String>,
    (Extension(posted), Extension(remote)): (Extension<Posted>, Extension<Remote>),
) -> Result<Response, Problem> {
    let form = Form::parse(&form).ok_or(Problem::NotFound)?;
    let change = form.read(&posted).ok_or(Problem::BadForm)?;
    let user = posted.field("user").ok_or(Problem::BadForm)?.to_owned();
    let words = &frame.t.admin;
    let (status, notice) = match app.daemon.change_person(&who, &user, change, remote.0).await? {
        Ok(done) => (StatusCode::OK, said(&words.person, form.title(words), done)),
        Err(obstacle) => (StatusCode::UNPROCESSABLE_ENTITY, refused(&words.person, obstacle)),
    };
    let asked = Asked { user, ..Asked::default() };
    let page = page(&app, who.administrator(), frame, asked, Some(notice)).await?;
    Ok(with_cookie((status, page).into_response(), &cookie::forget(cookie::DRAFT)))
}

/// What was done, and when it holds.
fn said(words: &PersonTexts, what: &str, done: Done) -> Notice {
    let first = fill(words.done, what);
    let count = fill(words.done_count, &done.count.to_string());
    let holds = match done.holds_within {
        0 => words.holds_now.to_owned(),
        within => fill(words.holds_within, &within.to_string()),
    };
    Notice::good(&format!("{first} {count} {holds}"))
}

fn refused(words: &PersonTexts, obstacle: AdminObstacle) -> Notice {
    let (why, detail) = match obstacle.kind {
        ObstacleKind::Malformed => (words.malformed, None),
        ObstacleKind::Unknown => (words.unknown, None),
        ObstacleKind::NoOwnPassword => (words.no_own_password, None),
        ObstacleKind::UnderWay | ObstacleKind::Other => (words.other, Some(obstacle.detail)),
    };
    Notice::bad(&format!("{} {why}", words.not_done), detail)
}

async fn page(
    app: &App,
    who: &Administrator,
    frame: Frame,
    asked: Asked,
    mut notice: Option<Notice>,
) -> Result<Response, Problem> {
    let (t, words) = (frame.t, &frame.t.admin.person);
    let known = match asked.user.as_str() {
        "" => None,
        user => match app.daemon.person(who, user).await? {
            Ok(person) => {
                let login = (person.user.clone(), asked.service(), asked.remote());
                let explained = app.daemon.explain(who, login).await?;
                Some(known(&frame, who, (*person, *explained)))
            }
            Err(_) => {
                notice = notice.or_else(|| Some(Notice::bad(words.malformed, None)));
                None
            }
        },
    };
    if !asked.from.is_empty() && asked.remote().is_none() {
        notice = notice.or_else(|| Some(Notice::bad(words.from_wrong, None)));
    }
    let chosen = asked.service();
    let services = SERVICES.into_iter().chain(["portal"]).map(|name| Choice {
        value: name,
        title: if name == "portal" { words.portal } else { service(t, name) },
        is_chosen: name == chosen,
    });
    html(&PersonPage {
        services: services.collect(),
        asked,
        notice,
        known,
        frame: frame.of(who.who(), Page::Person),
    })
}

fn known(frame: &Frame, who: &Administrator, (person, explanation): (PersonCard, ExplainedLogin)) -> Known {
    let (t, language) = (frame.t, frame.language);
    let accepted = person.accepted.into_iter().map(|login| Row {
        at: Moment::new(language, login.at),
        service: service(t, &login.service).to_owned(),
        note: with_what(t, &login),
        remote: login.remote,
    });
    let refused = person.refused.into_iter().map(|login| Row {
        at: Moment::new(language, login.at),
        service: service(t, &login.service).to_owned(),
        remote: login.remote.unwrap_or_else(|| "?".to_owned()),
        note: login.code,
    });
    let app_passwords = person.app_passwords.into_iter();
    Known {
        is_own: person.user == who.who().user(),
        user: person.user,
        explained: explained(&t.admin, explanation),
        mailbox: person.mailbox.map(|card| mailbox(t, card)),
        owner: person.owner.map(|owner| owner.keycloak_id),
        app_passwords: app_passwords.map(|password| AppPasswordView::new(password, language)).collect(),
        accepted: accepted.collect(),
        refused: refused.collect(),
        sessions: person.sessions.into_iter().map(|session| SessionView::new(session, language)).collect(),
    }
}

fn with_what(t: &'static Texts, login: &MailSignIn) -> String {
    match (login.app_password, &login.app_password_name) {
        (None, _) if login.service == "portal" => t.admin.person.source_keycloak.to_owned(),
        (None, _) => t.admin.person.main_password.to_owned(),
        (Some(_), Some(name)) => fill(t.lists.app_password, name),
        (Some(id), None) => fill(t.lists.app_password_gone, &id.to_string()),
    }
}

fn explained(words: &AdminTexts, explanation: ExplainedLogin) -> Explained {
    let words = &words.person;
    let count = fill(words.steps, &explanation.steps.len().to_string());
    let cure = words.cure_of(&explanation.reason);
    let steps = explanation.steps.into_iter().map(|step| StepRow {
        is_daemons: words.step_name(&step.step).is_none(),
        step: words.step_name(&step.step).map_or(step.step, str::to_owned),
        end: match step.end {
            ExplainedEnd::Passed => words.passed,
            ExplainedEnd::Closed => words.closed,
            ExplainedEnd::Stopped => words.stopped,
        },
        is_end: step.end == ExplainedEnd::Stopped,
        from: step.from.unwrap_or_default(),
        saw: step.saw,
    });
    Explained {
        count,
        steps: steps.collect(),
        verdict: match explanation.verdict.as_str() {
            "accept" => words.would_accept,
            "refuse" => words.would_refuse,
            _ => words.would_not_tell,
        },
        is_good: explanation.verdict == "accept",
        reason: explanation.reason,
        detail: explanation.detail,
        is_daemons: cure.is_none(),
        cure: cure.map_or(explanation.cure, str::to_owned),
    }
}

fn mailbox(t: &'static Texts, card: MailboxCard) -> MailboxView {
    let words = &t.admin.person;
    let state = |state: MailState| Choice {
        value: state.name(),
        title: state_title(words, state),
        is_chosen: state == card.state,
    };
    let switch = |name: &'static str| Choice {
        value: name,
        title: service(t, name),
        is_chosen: card.services.iter().any(|on| on == name),
    };
    let others = PasswordSource::ALL.into_iter().filter(|source| source.name() != card.source);
    let other = |source: PasswordSource| Choice {
        value: source.name(),
        title: match source {
            PasswordSource::Keycloak => words.to_keycloak,
            PasswordSource::Mailcow => words.to_mailcow,
        },
        is_chosen: false,
    };
    MailboxView {
        states: MailState::ALL.into_iter().map(state).collect(),
        services: SERVICES.into_iter().map(switch).collect(),
        other_sources: others.map(other).collect(),
        source: source_title(words, &card.source),
        quota: if card.quota == 0 { words.unlimited.to_owned() } else { size(card.quota) },
        used: size(card.used),
        name: card.name,
    }
}

/// A state in words.
pub(super) fn state_title(words: &PersonTexts, state: MailState) -> &'static str {
    match state {
        MailState::On => words.state_on,
        MailState::Off => words.state_off,
        MailState::ReceiveOnly => words.state_receive_only,
    }
}

/// Who verifies the main password, in words.
pub(super) fn source_title(words: &PersonTexts, source: &str) -> String {
    match source {
        "keycloak" => words.source_keycloak.to_owned(),
        "mailcow" => words.source_mailcow.to_owned(),
        "" => words.source_nobody.to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_read_from_the_address() {
        let asked = Asked::read("user=+a%40x.org&service=evil&from=192.0.2.7&user=b");
        assert_eq!((asked.user.as_str(), asked.service()), ("a@x.org", "imap"));
        assert!(asked.remote().is_some() && Asked::read("from=here").remote().is_none());
    }
}
