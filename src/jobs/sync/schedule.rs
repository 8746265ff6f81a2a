//! The sync inside the daemon: now and then, a little early or late, and alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{End, Plan, Report, Request, StartedBy, Sync, Wanted, mailcows_job};

/// After a run that did not get to the end, the next one comes so much sooner.
const SOONER: u32 = 4;
const SHORTEST_PAUSE: Duration = Duration::from_secs(5);

/// How runs of this process have ended, for metrics.
#[derive(Debug, Default)]
pub struct RunStatus(Mutex<Known>);

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

impl RunStatus {
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

/// How often mailcow's table is looked at for another wish.
const LOOK: Duration = Duration::from_secs(5);

/// Runs it for as long as keydove runs.
#[derive(Debug)]
pub struct Schedule {
    sync: Sync,
    plan: Plan,
    /// mailcow's own job was told of.
    told_of_mailcows_job: bool,
    status: Arc<RunStatus>,
    /// Part of the interval by which this process is late, so that several do not ask Keycloak at one moment.
    jitter: f64,
}

impl Schedule {
    /// Prepares. `jitter` is from 0 to 1, another one in each process.
    #[must_use]
    pub fn new(sync: Sync, plan: Plan, jitter: f64) -> Self {
        let jitter = jitter.clamp(0.0, 1.0);
        Self { sync, plan, told_of_mailcows_job: false, status: Arc::default(), jitter }
    }

    /// How runs end.
    #[must_use]
    pub fn status(&self) -> Arc<RunStatus> {
        Arc::clone(&self.status)
    }

    /// Runs now and then until it is told to stop. A run in the middle is left; the next one finds what is done.
    pub async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.run_forever() => {}
        }
        self.sync.give_up().await;
    }

    async fn run_forever(&mut self) {
        let mut pause = None;
        loop {
            let wanted = self.plan.now();
            if wanted.interval.is_zero() {
                self.status.plan(None);
                sleep(LOOK).await;
                continue;
            }
            let first = || (wanted.interval / 10).mul_f64(self.jitter).max(Duration::from_secs(1));
            let next = Instant::now() + pause.take().unwrap_or_else(first);
            self.status.plan(Some(next));
            if !self.wait(next, wanted).await {
                continue;
            }
            self.status.plan(None);
            self.sync.want(&wanted);
            pause = Some(self.once(wanted.interval).await.max(SHORTEST_PAUSE));
            self.look_for_mailcows_job().await;
        }
    }

    /// Waits for the moment; tells whether the same is wanted still.
    async fn wait(&self, moment: Instant, wanted: Wanted) -> bool {
        while Instant::now() < moment {
            sleep(LOOK.min(moment - Instant::now())).await;
            if self.plan.now() != wanted {
                return false;
            }
        }
        true
    }

    /// Two jobs would do the same work, each in its own way.
    #[expect(clippy::disallowed_methods, reason = "mailcow's lines have the wall clock's time")]
    async fn look_for_mailcows_job(&mut self) {
        let (Plan::Mailcow(_), Some(redis)) = (&self.plan, self.sync.parts.redis.as_mut()) else { return };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let runs = mailcows_job::runs(redis, now.as_secs()).await.unwrap_or(false);
        if runs && !self.told_of_mailcows_job {
            tracing::warn!(
                "mailcow's own job keycloak-sync.php runs beside keydove's sync; switch one of the two off: docs/mailcow.md, \
                 \"The sync\""
            );
        }
        self.told_of_mailcows_job = runs;
    }

    /// One run, if it is time. Says when it is again.
    async fn once(&mut self, interval: Duration) -> Duration {
        let late = (interval / 10).mul_f64(self.jitter);
        let request = Request { gap: interval, started_by: StartedBy::Schedule, ..Request::default() };
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
        let status = RunStatus::default();
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
