//! The sync inside the daemon: now and then, a little early or late, and alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{End, Report, Request, Sync};

/// After a run that did not get to the end, the next one comes so much sooner.
const SOONER: u32 = 4;
const SHORTEST_PAUSE: Duration = Duration::from_secs(5);

/// How runs of this process have ended, for metrics.
#[derive(Debug, Default)]
pub struct Status(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    runs: BTreeMap<&'static str, u64>,
    last_complete: Option<Instant>,
    last: Option<Report>,
    last_end: Option<(&'static str, Instant)>,
    /// When the next run begins; none while one runs.
    next: Option<Instant>,
}

/// The numbers of a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusNumbers {
    /// Runs by how they ended.
    pub runs: Vec<(&'static str, u64)>,
    /// How many seconds ago the last complete run ended.
    pub age: Option<u64>,
    /// How the last run ended, and how many seconds ago.
    pub last: Option<(&'static str, u64)>,
    /// In how many seconds the next one begins; nothing while one runs.
    pub next: Option<u64>,
    /// People of the last run, by what became of them.
    pub people: Vec<(&'static str, u64)>,
}

impl Status {
    fn note(&self, result: &'static str, report: Option<Report>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known.runs.entry(result).or_default() += 1;
        known.last_end = Some((result, Instant::now()));
        if let Some(mut report) = report {
            if report.complete {
                known.last_complete = Some(Instant::now());
            }
            report.people.clear();
            known.last = Some(report);
        }
    }

    fn plan(&self, next: Option<Instant>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next = next;
    }

    /// What is known now.
    #[must_use]
    pub fn numbers(&self) -> StatusNumbers {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let people = known.last.as_ref().map_or_else(Vec::new, |report| {
            let others =
                [("skipped", report.skipped_in_all()), ("too_many_gone", report.refused_deactivations)];
            report.outcomes().into_iter().chain(others).collect()
        });
        StatusNumbers {
            runs: known.runs.iter().map(|(&result, &count)| (result, count)).collect(),
            age: known.last_complete.map(|at| at.elapsed().as_secs()),
            last: known.last_end.map(|(result, at)| (result, at.elapsed().as_secs())),
            next: known.next.map(|at| at.saturating_duration_since(Instant::now()).as_secs()),
            people,
        }
    }
}

/// Runs it for as long as keydove runs.
#[derive(Debug)]
pub struct Schedule {
    sync: Sync,
    status: Arc<Status>,
    /// Part of the interval by which this process is late, so that several do not ask Keycloak at one moment.
    jitter: f64,
}

impl Schedule {
    /// Prepares. `jitter` is from 0 to 1, another one in each process.
    #[must_use]
    pub fn new(sync: Sync, jitter: f64) -> Self {
        Self { sync, status: Arc::default(), jitter: jitter.clamp(0.0, 1.0) }
    }

    /// How runs end.
    #[must_use]
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status)
    }

    /// Runs now and then until it is told to stop. A run in the middle is left; the next one finds what is done.
    pub async fn run(mut self, stop: CancellationToken) {
        let interval = self.sync.config.interval.get();
        let mut pause = (interval / 10).mul_f64(self.jitter).max(Duration::from_secs(1));
        loop {
            self.status.plan(Some(Instant::now() + pause));
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = sleep(pause) => {}
            }
            self.status.plan(None);
            let due = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                due = self.once(interval) => due,
            };
            pause = due.max(SHORTEST_PAUSE);
        }
        self.sync.give_up(true).await;
    }

    /// One run, if it is time. Says when it is again.
    async fn once(&mut self, interval: Duration) -> Duration {
        let late = (interval / 10).mul_f64(self.jitter);
        let request = Request { gap: interval, ..Request::default() };
        match self.sync.run(&request, &|_, _| {}).await {
            Ok(End::Ran(report)) => {
                let complete = report.complete;
                self.status.note(if complete { "complete" } else { "incomplete" }, Some(*report));
                if complete { interval + late } else { interval / SOONER }
            }
            Ok(End::NotDue { seconds }) => seconds_of(seconds) + late,
            Ok(End::Held { by, seconds }) => {
                tracing::debug!(by, "another process does the sync");
                self.status.note("held", None);
                // It may end sooner, or prolong it; then the question is asked again.
                seconds_of(seconds).min(interval) + late
            }
            Err(trouble) => {
                tracing::warn!(%trouble, "the sync could not begin");
                self.status.note("failed", None);
                interval / SOONER
            }
        }
    }
}

fn seconds_of(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn numbers_are_of_the_last_run_and_the_last_complete_one() {
        let status = Status::default();
        assert_eq!(status.numbers(), StatusNumbers::default());
        let report = |complete, created| Some(Report { complete, created, ..Report::default() });
        status.note("complete", report(true, 3));
        tokio::time::advance(Duration::from_secs(5)).await;
        status.note("incomplete", report(false, 1));
        let numbers = status.numbers();
        assert_eq!((numbers.age, numbers.runs), (Some(5), vec![("complete", 1), ("incomplete", 1)]));
        assert_eq!((numbers.last, numbers.next), (Some(("incomplete", 0)), None));
        status.plan(Some(Instant::now() + Duration::from_secs(60)));
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!((status.numbers().last, status.numbers().next), (Some(("incomplete", 7)), Some(53)));
        assert!(numbers.people.contains(&("created", 1)));
    }
}
