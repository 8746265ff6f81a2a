//! *Sync*: a run or a dry run now, how far it is, the last runs, and what became of each user.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, RawQuery, State};
use axum::response::Response;
use keydove_words::portal::admin::{SyncBoard, SyncProgress, SyncRun};

use super::overview::span;
use super::{begun, field, refreshing_while};
use crate::app::App;
use crate::guard::Remote;
use crate::pages::{Frame, Page, html};
use crate::problem::Problem;
use crate::session::{Administrator, RecentAdministrator};
use crate::texts::{AdminTexts, SyncTexts, fill};

/// A run in the list.
struct RunRow {
    link: String,
    ended: String,
    how: &'static str,
    node: String,
    dry_run: bool,
    end: &'static str,
    is_good: bool,
    counts: Vec<Counted>,
    troubles: Vec<String>,
}

/// So many users of one kind.
struct Counted {
    code: String,
    text: Option<&'static str>,
    count: u64,
}

/// What became of somebody.
struct PersonRow {
    address: String,
    link: String,
    code: String,
    text: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "admin/sync.html")]
struct SyncPage {
    frame: Frame,
    progress: Option<(&'static str, String)>,
    /// Another one was wanted while one was under way.
    is_busy: bool,
    next: String,
    trouble: Option<String>,
    is_logged: bool,
    runs: Vec<RunRow>,
}

#[derive(Template)]
#[template(path = "admin/sync_run.html")]
struct RunPage {
    frame: Frame,
    run: RunRow,
    skipped: Vec<Counted>,
    people: Vec<PersonRow>,
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    who: Administrator,
    frame: Frame,
) -> Result<Response, Problem> {
    page(&app, &who, frame, false).await
}

pub(super) async fn run(
    State(app): State<Arc<App>>,
    who: Administrator,
    frame: Frame,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let number = field(&query.unwrap_or_default(), "number").and_then(|number| number.parse().ok());
    let run = app.daemon.sync_run(&who, number.ok_or(Problem::NotFound)?).await?.ok_or(Problem::NotFound)?;
    let words = &frame.t.admin.sync;
    let people = run.people.iter().map(|person| PersonRow {
        link: format!("/admin/person?user={}", encoded(&person.address)),
        address: person.address.clone(),
        text: words.outcome(&person.outcome),
        code: person.outcome.clone(),
    });
    html(&RunPage {
        people: people.collect(),
        skipped: counted(words, &run.skipped),
        run: row(&frame.t.admin, run),
        frame: frame.of(who.who(), Page::Sync),
    })
}

pub(super) async fn start(
    State(app): State<Arc<App>>,
    who: RecentAdministrator,
    frame: Frame,
    Extension(remote): Extension<Remote>,
) -> Result<Response, Problem> {
    match app.daemon.start_sync(&who, remote.0).await? {
        Ok(()) => Ok(begun(Page::Sync)),
        Err(_) => page(&app, who.administrator(), frame, true).await,
    }
}

pub(super) async fn rehearse(
    State(app): State<Arc<App>>,
    who: Administrator,
    frame: Frame,
) -> Result<Response, Problem> {
    match app.daemon.rehearse_sync(&who).await? {
        Ok(()) => Ok(begun(Page::Sync)),
        Err(_) => page(&app, &who, frame, true).await,
    }
}

async fn page(app: &App, who: &Administrator, frame: Frame, is_busy: bool) -> Result<Response, Problem> {
    let SyncBoard { progress, runs, next, trouble, is_logged, .. } = app.daemon.sync_board(who).await?;
    let words = &frame.t.admin;
    let is_running = progress.is_some();
    let answer = html(&SyncPage {
        progress: progress.map(|progress| told(&words.sync, &progress)),
        is_busy,
        next: match next {
            Some(next) => fill(words.sync.scheduled, &span(&words.overview, next)),
            None => words.sync.not_scheduled.to_owned(),
        },
        trouble,
        is_logged,
        runs: runs.into_iter().map(|run| row(words, run)).collect(),
        frame: frame.of(who.who(), Page::Sync),
    })?;
    Ok(refreshing_while(is_running, answer, Page::Sync))
}

fn told(words: &SyncTexts, progress: &SyncProgress) -> (&'static str, String) {
    let title = if progress.dry_run { words.running_dry } else { words.running };
    let seen = match progress.people {
        0 => progress.seen.to_string(),
        people => format!("{} {}", progress.seen, fill(words.progress_of, &people.to_string())),
    };
    (title, fill(words.progress, &seen))
}

fn row(words: &AdminTexts, run: SyncRun) -> RunRow {
    let texts = &words.sync;
    RunRow {
        link: format!("/admin/sync/run?number={}", run.number),
        ended: fill(texts.ago, &span(&words.overview, run.ago)),
        how: match run.started_by.as_str() {
            "portal" => texts.by_portal,
            "command" => texts.by_command,
            _ => texts.by_itself,
        },
        node: run.node,
        dry_run: run.dry_run,
        is_good: matches!(run.end.as_str(), "complete" | "running"),
        end: match run.end.as_str() {
            "complete" => texts.complete,
            "incomplete" => texts.incomplete,
            "stopped" => texts.stopped,
            "cut_off" => texts.cut_off,
            "running" => texts.still_running,
            _ => texts.failed,
        },
        counts: counted(texts, &run.counts),
        troubles: run.troubles,
    }
}

fn counted(words: &SyncTexts, counts: &[(String, u64)]) -> Vec<Counted> {
    let one = |(code, count): &(String, u64)| Counted {
        code: code.clone(),
        text: words.outcome(code),
        count: *count,
    };
    counts.iter().map(one).collect()
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::texts::Language;

    #[test]
    fn both_languages_have_words_for_the_same_outcomes() {
        let codes = |language: Language| {
            let outcomes = language.texts().admin.sync.outcomes;
            outcomes.iter().map(|(code, _)| *code).collect::<BTreeSet<_>>()
        };
        assert_eq!(codes(Language::English), codes(Language::German));
        assert!(codes(Language::English).contains("no_address"));
    }

    #[test]
    fn a_run_tells_how_far_it_is_once_that_is_known() {
        let words = &Language::English.texts().admin.sync;
        let mut progress = SyncProgress { seen: 50, ..SyncProgress::default() };
        assert_eq!(told(words, &progress).1, "50 users gone through.");
        (progress.people, progress.dry_run) = (120, true);
        assert_eq!(told(words, &progress), (words.running_dry, "50 of 120 users gone through.".to_owned()));
    }
}
