//! The row of a run in the log that all nodes share. Trouble with it stops no run.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Report, Request, Trouble};
use crate::backend::sql::{Database, Error, NewRun, RunEnd, RunRow};

/// A run is heard of no more often.
const HEARD_EVERY: Duration = Duration::from_secs(20);
/// Whose process is silent for so many seconds has ended: as long as the lease of the sync lasts.
const LONGEST_SILENCE: i64 = 120;

/// What began a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartedBy {
    /// `keydove sync`.
    #[default]
    Command,
    /// An administrator in the portal.
    Portal,
    /// The daemon, by its interval.
    Schedule,
}

impl StartedBy {
    fn word(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Portal => "portal",
            Self::Schedule => "schedule",
        }
    }
}

/// The row of a run that goes on, if there is one.
#[derive(Debug, Default)]
pub(super) struct RunLog {
    row: Option<(Arc<Database>, i64)>,
    heard: Option<Instant>,
}

impl RunLog {
    /// Begins one. Nothing is logged of a look at one person, nor of a dry run of the command line, which shows all of it.
    pub(super) async fn begin(database: &Arc<Database>, node: &str, request: &Request) -> Self {
        let is_shown = request.dry_run && request.started_by == StartedBy::Command;
        if request.user.is_some() || is_shown {
            return Self::default();
        }
        let (started_by, dry_run) = (request.started_by.word(), request.dry_run);
        let row = database.begin_run(NewRun { node: node.to_owned(), started_by, dry_run }).await;
        let row = row.unwrap_or_else(|error| {
            complain(&error);
            None
        });
        Self { row: row.map(|id| (Arc::clone(database), id)), heard: Some(Instant::now()) }
    }

    /// The run goes on.
    pub(super) async fn note(&mut self) {
        let Some((database, id)) = &self.row else { return };
        if self.heard.is_some_and(|heard| heard.elapsed() < HEARD_EVERY) {
            return;
        }
        self.heard = Some(Instant::now());
        if let Err(error) = database.note_run(*id).await {
            complain(&error);
        }
    }

    /// The run got to its end.
    pub(super) async fn end(&mut self, report: &Report) {
        let mut counted = serde_json::to_value(report).unwrap_or_default();
        let people = counted.as_object_mut().and_then(|counted| counted.remove("people")).unwrap_or_default();
        self.write(if report.complete { "complete" } else { "incomplete" }, &counted, &people).await;
    }

    /// The run could not begin.
    pub(super) async fn fail(&mut self, trouble: &Trouble) {
        let trouble = json!({ "sources": [{ "name": "keydove", "trouble": trouble.to_string() }] });
        self.write("failed", &trouble, &json!([])).await;
    }

    /// This process stops in the middle of the run.
    pub(super) async fn stop(&mut self) {
        self.write("stopped", &json!({}), &json!([])).await;
    }

    async fn write(&mut self, outcome: &'static str, report: &Value, people: &Value) {
        let Some((database, id)) = self.row.take() else { return };
        let end = RunEnd { outcome, report: report.to_string(), people: people.to_string() };
        if let Err(error) = database.end_run(id, end).await {
            complain(&error);
        }
    }
}

/// How a run stands, in a word: its outcome, `running`, or `cut_off` where its process ended in the middle.
#[must_use]
pub fn run_state(row: &RunRow) -> &str {
    match row.ended {
        Some(_) => &row.outcome,
        None if row.silent <= LONGEST_SILENCE => "running",
        None => "cut_off",
    }
}

fn complain(error: &Error) {
    tracing::warn!(%error, "the run of the sync is not in the log of runs (keydove sync-log); the run itself goes on");
}
