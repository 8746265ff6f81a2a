//! *Sync*: runs that the daemon has done by itself, and those that an administrator begins here.

use serde_json::Value;

use super::super::service::PortalService;
use super::unknown;
use crate::jobs::errands::{Ended, Errand, Running};
use crate::jobs::sync::PastRun;
use crate::portal::admin::{AdminResponse, SyncBoard, SyncPerson, SyncProgress, SyncRequest, SyncRun};

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
    pub(super) fn answer_sync(&self, request: &SyncRequest) -> AdminResponse {
        match request {
            SyncRequest::Show => AdminResponse::Sync(Box::new(self.sync_board())),
            SyncRequest::Run { number } => {
                match self.sync_runs().into_iter().find(|run| run.number == *number) {
                    Some(run) => AdminResponse::SyncRun(Box::new(run)),
                    None => unknown("only the last runs are remembered".to_owned()),
                }
            }
            SyncRequest::Rehearse => self.begin(Errand::DryRun),
            SyncRequest::Start => self.begin(Errand::Sync),
        }
    }

    fn sync_board(&self) -> SyncBoard {
        let mut runs = self.sync_runs();
        runs.iter_mut().for_each(|run| run.people.clear());
        let numbers = self.admin.sync.as_ref().map(|status| status.numbers());
        SyncBoard {
            progress: self.admin.errands.running(Errand::Sync).map(|running| progress(&running)),
            runs,
            is_scheduled: numbers.is_some(),
            next: numbers.and_then(|numbers| numbers.next),
        }
    }

    /// The newest first.
    fn sync_runs(&self) -> Vec<SyncRun> {
        let by_itself = self.admin.sync.iter().flat_map(|status| status.past());
        let by_hand = self.admin.errands.ended(Errand::Sync);
        let mut runs: Vec<SyncRun> =
            by_itself.map(|past| of_schedule(&past)).chain(by_hand.iter().map(of_administrator)).collect();
        runs.sort_by_key(|run| run.ago);
        runs
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

/// Both kinds have numbers of their own: even and odd ones.
fn of_schedule(past: &PastRun) -> SyncRun {
    let report = serde_json::to_value(&*past.report).unwrap_or_default();
    SyncRun { number: past.number * 2, ago: past.at.elapsed().as_secs(), ..of_report(&report) }
}

fn of_administrator(ended: &Ended) -> SyncRun {
    let run = match &ended.end {
        Ok(report) => of_report(report),
        Err(complaint) => SyncRun {
            dry_run: ended.errand == Errand::DryRun,
            end: "failed".to_owned(),
            troubles: vec![complaint.clone()],
            ..SyncRun::default()
        },
    };
    SyncRun { number: ended.number * 2 + 1, ago: ended.at.elapsed().as_secs(), by_hand: true, ..run }
}

/// A report as `keydove sync --json` prints it.
fn of_report(report: &Value) -> SyncRun {
    let is = |key: &str| report[key] == true;
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
        dry_run: is("dry_run"),
        end: if is("complete") { "complete" } else { "incomplete" }.to_owned(),
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

    #[test]
    fn a_report_is_told_with_its_reasons_and_its_users() {
        let mut report = Report { seen: 3, created: 1, dry_run: true, ..Report::default() };
        report.skipped.insert("no_address", 2);
        report.people.push(PersonReport { address: "a@example.org".to_owned(), outcome: "created" });
        let trouble = Some("it does not answer".to_owned());
        report.sources.push(SourceReport { name: "main".to_owned(), trouble });
        let run = of_report(&serde_json::to_value(&report).unwrap());
        assert_eq!((run.dry_run, &*run.end), (true, "incomplete"));
        assert_eq!(run.counts, [("seen".to_owned(), 3), ("created".to_owned(), 1)]);
        assert_eq!(run.skipped, [("no_address".to_owned(), 2)]);
        assert_eq!(run.troubles, ["main: it does not answer"]);
        assert_eq!((&*run.people[0].address, &*run.people[0].outcome), ("a@example.org", "created"));
    }
}
