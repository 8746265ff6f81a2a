//! *Overview*: logins by verdict, the backends, the last sync, and a check.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use keydove_words::portal::admin::{OnDisk, Overview, SyncState};

use crate::app::App;
use crate::pages::{Frame, Page, html};
use crate::problem::Problem;
use crate::session::Administrator;
use crate::texts::{OverviewTexts, fill};

/// Logins of one kind.
struct LoginRow {
    verdict: &'static str,
    reason: String,
    count: u64,
}

/// A backend.
struct BackendRow {
    name: String,
    state: &'static str,
    is_well: bool,
    calls: u64,
    failed: u64,
}

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct OverviewPage {
    frame: Frame,
    intro: String,
    logins: Vec<LoginRow>,
    backends: Vec<BackendRow>,
    sync: Vec<String>,
    people: Vec<(String, u64)>,
    on_disk: OnDisk,
    /// What the check found, where one was wanted.
    checked: Option<Vec<String>>,
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    who: Administrator,
    frame: Frame,
) -> Result<Response, Problem> {
    page(&app, &who, frame, None).await
}

/// It changes nothing, so it is a link.
pub(super) async fn check(
    State(app): State<Arc<App>>,
    who: Administrator,
    frame: Frame,
) -> Result<Response, Problem> {
    let checked = app.daemon.check_backends(&who).await?;
    page(&app, &who, frame, Some(checked)).await
}

async fn page(
    app: &App,
    who: &Administrator,
    frame: Frame,
    checked: Option<Vec<String>>,
) -> Result<Response, Problem> {
    let Overview { uptime, mut logins, backends, sync, on_disk } = app.daemon.overview(who).await?;
    let words = &frame.t.admin.overview;
    logins.sort_by(|one, other| one.verdict.cmp(&other.verdict).then(other.count.cmp(&one.count)));
    let logins = logins.into_iter().map(|login| LoginRow {
        verdict: verdict(words, &login.verdict),
        reason: login.reason,
        count: login.count,
    });
    let backends = backends.into_iter().map(|backend| BackendRow {
        name: match backend.name.as_str() {
            "sql" => words.database.to_owned(),
            // The name of the only one.
            "keycloak" => "Keycloak".to_owned(),
            name => fill(words.keycloak, name),
        },
        is_well: backend.state == "asked",
        state: match backend.state.as_str() {
            "asked" => words.asked,
            "tried again" => words.tried_again,
            _ => words.left_alone,
        },
        calls: backend.calls,
        failed: backend.failed,
    });
    html(&OverviewPage {
        intro: fill(words.intro, &span(words, uptime)),
        logins: logins.collect(),
        backends: backends.collect(),
        people: sync.as_ref().map(|sync| sync.people.clone()).unwrap_or_default(),
        sync: told(words, sync),
        on_disk,
        checked,
        frame: frame.of(who.who(), Page::Overview),
    })
}

/// A verdict in words.
pub(super) fn verdict(words: &OverviewTexts, verdict: &str) -> &'static str {
    match verdict {
        "accept" => words.accepted,
        "refuse" => words.refused,
        _ => words.cannot_tell,
    }
}

/// What there is to say about the sync.
fn told(words: &OverviewTexts, sync: Option<SyncState>) -> Vec<String> {
    let Some(SyncState { last, last_ago, next, .. }) = sync else { return vec![words.sync_off.to_owned()] };
    let last = match (last.as_deref(), last_ago) {
        (Some(end), Some(ago)) => {
            let sentence = match end {
                "complete" => words.sync_complete,
                "incomplete" => words.sync_incomplete,
                "held" => words.sync_held,
                _ => words.sync_failed,
            };
            fill(sentence, &span(words, ago))
        }
        _ => words.sync_none.to_owned(),
    };
    let next = match next {
        Some(next) => fill(words.sync_next, &span(words, next)),
        None => words.sync_running.to_owned(),
    };
    vec![last, next]
}

/// A span of time in its largest unit of which there are two.
pub(super) fn span(words: &OverviewTexts, seconds: u64) -> String {
    let units = [(86_400, words.days), (3600, words.hours), (60, words.minutes)];
    let fitting = units.into_iter().find(|(length, _)| seconds >= 2 * length);
    let (length, sentence) = fitting.unwrap_or((1, words.seconds));
    fill(sentence, &(seconds / length).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Language;

    #[test]
    fn spans_are_told_in_a_unit_that_fits() {
        let words = &Language::English.texts().admin.overview;
        for (seconds, told) in
            [(0, "0 seconds"), (119, "119 seconds"), (7199, "119 minutes"), (172_800, "2 days")]
        {
            assert_eq!(span(words, seconds), told);
        }
    }

    #[test]
    fn the_sync_is_told_of_in_sentences() {
        let words = &Language::English.texts().admin.overview;
        assert!(told(words, None)[0].contains("runs no sync"));
        let state = |last: Option<&str>, next| SyncState {
            last: last.map(str::to_owned),
            last_ago: last.map(|_| 300),
            complete_ago: None,
            next,
            people: Vec::new(),
        };
        let [last, next] = &told(words, Some(state(Some("complete"), Some(600))))[..] else { panic!() };
        assert!(last.contains("complete and ended 5 minutes ago") && next.contains("in 10 minutes"));
        assert!(told(words, Some(state(None, None)))[1].contains("under way"));
    }
}
