//! *Census*: which schemes of passwords are in use, and what is odd about users.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use keydove_words::portal::admin::{CensusCard, CensusFinding, PasswordLine};

use super::overview::span;
use super::{begun, refreshing_while};
use crate::app::App;
use crate::pages::{Frame, Page, html};
use crate::problem::Problem;
use crate::session::Administrator;
use crate::texts::{CensusTexts, fill};

struct PasswordRow {
    grade: &'static str,
    is_good: bool,
    line: PasswordLine,
    examples: String,
}

struct FindingRow {
    finding: CensusFinding,
    examples: String,
}

/// The last count.
struct Counted {
    ended: String,
    trouble: Option<String>,
    complete: bool,
    seen: u64,
    set_aside: u64,
    troubles: Vec<String>,
    passwords: Vec<PasswordRow>,
    findings: Vec<FindingRow>,
}

#[derive(Template)]
#[template(path = "admin/census.html")]
struct CensusPage {
    frame: Frame,
    is_running: bool,
    is_busy: bool,
    counted: Option<Counted>,
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    who: Administrator,
    frame: Frame,
) -> Result<Response, Problem> {
    page(&app, &who, frame, false).await
}

/// It changes nothing, but it goes through everybody.
pub(super) async fn count(
    State(app): State<Arc<App>>,
    who: Administrator,
    frame: Frame,
) -> Result<Response, Problem> {
    match app.daemon.count(&who).await? {
        Ok(()) => Ok(begun(Page::Census)),
        Err(_) => page(&app, &who, frame, true).await,
    }
}

async fn page(app: &App, who: &Administrator, frame: Frame, is_busy: bool) -> Result<Response, Problem> {
    let census = app.daemon.census(who).await?;
    let words = &frame.t.admin.census;
    let is_running = census.count.running.is_some();
    let ended = census.count.ended.map(|ago| fill(words.ended, &span(&frame.t.admin.overview, ago)));
    let answer = html(&CensusPage {
        is_running,
        is_busy,
        counted: ended.map(|ended| counted(words, census, ended)),
        frame: frame.of(who.who(), Page::Census),
    })?;
    Ok(refreshing_while(is_running, answer, Page::Census))
}

fn counted(words: &CensusTexts, census: CensusCard, ended: String) -> Counted {
    let grade = |grade: &str| match grade {
        "good" => words.good,
        "cheap" => words.cheap,
        "weak" => words.weak,
        _ => words.unusable,
    };
    let password = |line: PasswordLine| PasswordRow {
        grade: grade(&line.grade),
        is_good: line.grade == "good",
        examples: line.examples.join(", "),
        line,
    };
    let finding = |finding: CensusFinding| FindingRow { examples: finding.examples.join(", "), finding };
    Counted {
        ended,
        trouble: census.count.trouble,
        complete: census.complete,
        seen: census.seen,
        set_aside: census.set_aside,
        troubles: census.troubles,
        passwords: census.passwords.into_iter().map(password).collect(),
        findings: census.findings.into_iter().map(finding).collect(),
    }
}
