//! *Sync*: runs that the daemon has done by itself, and those that an administrator begins here.

use serde_json::Value;

use super::super::service::{PortalService, out_of_reach};
use super::unknown;
use crate::backend::sql::RunRow;
use crate::jobs::errands::{Errand, Running};
use crate::jobs::sync::run_state;
use crate::portal::Response;
use crate::portal::admin::{AdminResponse, SyncBoard, SyncPerson, SyncProgress, SyncRequest, SyncRun};

/// So many runs are listed.
const LISTED: u32 = 30;

/// What a report counts beside the reasons why nothing was done.
const COUNTS: [&str; 9] = [
    "seen",
    "created",
    "importable",
    "changed",
    "restored",
    "deactivated",
    "missing",
    "refused_deactivations",
    "unchanged",
];

impl PortalService {
    pub(super) async fn answer_sync(&self, request: &SyncRequest) -> Result<AdminResponse, Response> {
        Ok(match request {
            SyncRequest::Show => AdminResponse::Sync(Box::new(self.sync_board().await?)),
            SyncRequest::Run { number } => {
                let id = i64::try_from(*number).unwrap_or(i64::MAX);
                let found = self.service.decision.database().find_run(id).await;
                match found.map_err(|error| out_of_reach(&error))? {
                    Some(row) => AdminResponse::SyncRun(Box::new(told(row))),
                    None => unknown("there is no such run, or it is too old to be kept".to_owned()),
                }
            }
            SyncRequest::Rehearse => self.begin(Errand::DryRun),
            SyncRequest::Start => self.begin(Errand::Sync),
        })
    }

    async fn sync_board(&self) -> Result<SyncBoard, Response> {
        let rows =
            self.service.decision.database().runs(LISTED).await.map_err(|error| out_of_reach(&error))?;
        let numbers = self.admin.sync.as_ref().map(|status| status.numbers());
        let last = self.admin.errands.ended(Errand::Sync);
        Ok(SyncBoard {
            progress: self.admin.errands.running(Errand::Sync).map(|running| progress(&running)),
            trouble: last.and_then(|ended| ended.end.err()),
            is_logged: rows.is_some(),
            runs: rows.into_iter().flatten().map(told).collect(),
            is_scheduled: numbers.is_some(),
            next: numbers.and_then(|numbers| numbers.next),
        })
    }
}

fn progress(running: &Running) -> SyncProgress {
    let number = |key: &str| running.progress[key].as_u64().unwrap_or(0);
    SyncProgress {
        dry_run: running.errand == Errand::DryRun,
        seconds: running.since.elapsed().as_secs(),
        seen: number("seen"),
        people: number("people"),
        created: number("created"),
        changed: number("changed"),
    }
}

/// A row of the log, as the page tells it.
fn told(row: RunRow) -> SyncRun {
    let (end, ago) = (run_state(&row).to_owned(), row.seconds_ago());
    let mut report: Value = serde_json::from_str(&row.report).unwrap_or_default();
    if let (Some(report), Ok(people)) = (report.as_object_mut(), serde_json::from_str(&row.people)) {
        report.insert("people".to_owned(), people);
    }
    SyncRun {
        number: u64::try_from(row.id).unwrap_or_default(),
        node: row.node,
        ago: u64::try_from(ago).unwrap_or_default(),
        started_by: row.started_by,
        dry_run: row.dry_run,
        end,
        ..of_report(&report)
    }
}

/// A report as `keydove sync --json` prints it.
fn of_report(report: &Value) -> SyncRun {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let count = |key: &&str| {
        let count = report[*key].as_u64().filter(|count| *count > 0)?;
        Some(((*key).to_owned(), count))
    };
    let trouble =
        |source: &Value| Some(format!("{}: {}", text(&source["name"]), source["trouble"].as_str()?));
    let skipped = report["skipped"].as_object().into_iter().flatten();
    let people = report["people"].as_array().into_iter().flatten();
    SyncRun {
        troubles: report["sources"].as_array().into_iter().flatten().filter_map(trouble).collect(),
        counts: COUNTS.iter().filter_map(count).collect(),
        skipped: skipped.map(|(reason, count)| (reason.clone(), count.as_u64().unwrap_or(0))).collect(),
        people: people
            .map(|person| SyncPerson { address: text(&person["address"]), outcome: text(&person["outcome"]) })
            .collect(),
        ..SyncRun::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::sync::{PersonReport, Report, SourceReport};

    fn row(outcome: &str, report: &Report) -> RunRow {
        let mut counted = serde_json::to_value(report).unwrap();
        let people = counted.as_object_mut().unwrap().remove("people").unwrap();
        RunRow {
            id: 7,
            node: "mx1:1".to_owned(),
            started_by: "portal".to_owned(),
            dry_run: report.dry_run,
            began: 1000,
            ended: Some(1010),
            heard: 1010,
            silent: 90,
            outcome: outcome.to_owned(),
            report: counted.to_string(),
            people: people.to_string(),
        }
    }

    #[test]
    fn a_run_is_told_with_its_reasons_and_its_users() {
        let mut report = Report { seen: 3, created: 1, dry_run: true, ..Report::default() };
        report.skipped.insert("no_address", 2);
        report.people.push(PersonReport { address: "a@example.org".to_owned(), outcome: "created" });
        let trouble = Some("it does not answer".to_owned());
        report.sources.push(SourceReport { name: "main".to_owned(), trouble });
        let run = told(row("incomplete", &report));
        assert_eq!((run.number, run.ago, run.dry_run, &*run.end), (7, 90, true, "incomplete"));
        assert_eq!((&*run.node, &*run.started_by), ("mx1:1", "portal"));
        assert_eq!(run.counts, [("seen".to_owned(), 3), ("created".to_owned(), 1)]);
        assert_eq!(run.skipped, [("no_address".to_owned(), 2)]);
        assert_eq!(run.troubles, ["main: it does not answer"]);
        assert_eq!((&*run.people[0].address, &*run.people[0].outcome), ("a@example.org", "created"));
    }

    #[test]
    fn a_run_that_has_not_ended_has_no_numbers() {
        let row = RunRow {
            ended: None,
            outcome: String::new(),
            report: String::new(),
            people: String::new(),
            silent: 3,
            ..row("", &Report::default())
        };
        let run = told(row);
        assert_eq!((&*run.end, run.counts.len(), run.people.len()), ("running", 0, 0));
    }
}
