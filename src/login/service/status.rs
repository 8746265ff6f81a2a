//! How things stand, for administrators: numbers since the start. Whoever asks twice gets rates.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::LoginService;
use crate::backend::breaker::Condition;
use crate::backend::records::RecordCounts;
use crate::backend::sql::NodeRow;
use crate::jobs::sync::{self, StatusNumbers};
use crate::observe::metrics::{CallsSnapshot, HistogramSnapshot};

/// Microseconds in a second.
const MICROS: f64 = 1_000_000.0;

/// How things stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// How long keydove has run, in milliseconds.
    pub uptime_ms: u64,
    /// Logins by service, verdict and reason code; those that never happened are left out.
    pub logins: Vec<Logins>,
    /// How long logins took, by whom they took: `hit` nobody, `cold` somebody, `stale` somebody in vain.
    pub paths: Vec<Timed>,
    /// What is remembered.
    pub caches: Vec<CacheStatus>,
    /// Keycloak and the database.
    pub backends: Vec<Backend>,
    /// Passwords that wait for a hashing thread now.
    pub hashing_waiting: usize,
    /// Passwords that were turned away because too many waited.
    pub hashing_shed: u64,
    /// Notes about logins that fitted into no queue.
    pub dropped_notes: u64,
    /// The sync, where this process does it.
    pub sync: Option<SyncStatus>,
    /// The processes that follow changes in the database; none where that is not known.
    #[serde(default)]
    pub nodes: Vec<NodeStatus>,
}

/// A process that follows changes in the database. Times are in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its name: the host, the process id and a random number.
    pub node: String,
    /// Whether it is the one that answers.
    pub own: bool,
    /// keydove's version there.
    pub version: String,
    /// How long it has run.
    pub up: u64,
    /// How long ago it said that it has followed every change.
    pub heard_ago: u64,
}

/// The sync.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncStatus {
    /// How the last run ended: `complete`, `incomplete`, `failed` (it could not begin), `held` (another process did it).
    pub last: Option<String>,
    /// How long ago that was, in seconds.
    pub last_ago: Option<u64>,
    /// How long ago the last complete run ended, in seconds.
    pub complete_ago: Option<u64>,
    /// In how many seconds the next run begins; nothing while one runs.
    pub next: Option<u64>,
    /// People of the last run, by what became of them.
    pub people: Vec<(String, u64)>,
}

/// Logins of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logins {
    /// `imap`, `smtp` ...
    pub service: String,
    /// `accept`, `refuse`, `cannot_tell`.
    pub verdict: String,
    /// The reason code.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// How often something took how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timed {
    /// The name of what was timed: a path of logins, or a backend.
    pub name: String,
    /// The upper bound of each size in microseconds, and how many were of this size; the last has no bound.
    pub sizes: Vec<(Option<u64>, u64)>,
}

/// One cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheStatus {
    /// `people` or `mailboxes`.
    pub name: String,
    /// Its numbers.
    pub counts: RecordCounts,
}

/// One backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backend {
    /// `sql`, or the name of a Keycloak.
    pub name: String,
    /// `asked`, `tried again` or `left alone`.
    pub state: String,
    /// Calls so far.
    pub calls: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// How long they took.
    pub took: Timed,
}

impl Timed {
    fn new(name: &str, seconds: &HistogramSnapshot) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bounds are small and positive"
        )]
        let micros = |bound: f64| bound.is_finite().then(|| (bound * MICROS).round() as u64);
        let sizes = seconds.buckets.iter().map(|(bound, count)| (micros(*bound), *count)).collect();
        Self { name: name.to_owned(), sizes }
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.sizes.iter().map(|(_, count)| count).sum()
    }

    /// A time in microseconds that this share (of a hundred) did not exceed; `None` where there is no such bound.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> Option<u64> {
        let wanted = (self.count() * percent).div_ceil(100);
        let mut seen = 0;
        let size = self.sizes.iter().find(|(_, count)| {
            seen += count;
            seen >= wanted && wanted > 0
        });
        size.and_then(|(bound, _)| *bound)
    }

    /// What has happened since an earlier look.
    #[must_use]
    pub fn since(&self, earlier: Option<&Self>) -> Self {
        let before = |at: usize| earlier.and_then(|earlier| earlier.sizes.get(at)).map_or(0, |size| size.1);
        let sizes = self.sizes.iter().enumerate();
        let sizes = sizes.map(|(at, (bound, count))| (*bound, count.saturating_sub(before(at)))).collect();
        Self { name: self.name.clone(), sizes }
    }
}

impl LoginService {
    /// The nodes that follow changes; none where that is not known.
    pub async fn nodes(&self) -> Vec<NodeStatus> {
        let Ok((now, nodes)) = self.decision.nodes().await else { return Vec::new() };
        let status = |row: NodeRow| NodeStatus {
            own: self.decision.node() == Some(&*row.node),
            heard_ago: u64::try_from(now - row.read_at).unwrap_or_default(),
            up: u64::try_from(now - row.started).unwrap_or_default(),
            version: row.version,
            node: row.node,
        };
        nodes.into_iter().map(status).collect()
    }

    /// The numbers; those of the sync where this process does it.
    #[must_use]
    pub fn status(&self, sync: Option<&sync::RunStatus>, now: Instant) -> Status {
        let decision = &self.decision;
        let snapshot = self.logins.snapshot();
        let logins = snapshot.counts.iter().map(|login| Logins {
            service: login.service.to_owned(),
            verdict: login.verdict.to_owned(),
            reason: login.reason.to_owned(),
            count: login.count,
        });
        let sql = decision.database().questions().snapshot();
        let mut backends = vec![backend("sql", decision.mailboxes().condition(), &sql)];
        for client in decision.people().sources().clients() {
            backends.push(backend(client.name(), client.condition(), &client.calls().snapshot()));
        }
        let counts = decision.counts();
        let hashing = decision.passdb().hasher().counts();
        let cache = |name: &str, counts| CacheStatus { name: name.to_owned(), counts };
        Status {
            nodes: Vec::new(),
            uptime_ms: self.logins.uptime_ms(now),
            logins: logins.collect(),
            paths: snapshot.seconds.iter().map(|(path, seconds)| Timed::new(path, seconds)).collect(),
            caches: vec![cache("people", counts.people), cache("mailboxes", counts.mailboxes)],
            backends,
            hashing_waiting: hashing.waiting,
            hashing_shed: hashing.shed,
            dropped_notes: self.bookkeeper.dropped(),
            sync: sync.map(|status| SyncStatus::from(status.numbers())),
        }
    }

    /// What the backends say that do not answer the daemon, with the settings and secrets that it started with; nothing
    /// where all do. Keycloak is asked for a new token: the one at hand may outlive the secret that it was had with.
    pub async fn probe(&self) -> Vec<String> {
        let (decision, deadline) = (&self.decision, self.deadline);
        let mut troubles = Vec::new();
        for client in decision.people().sources().clients() {
            let what = || format!("Keycloak, realm `{}`", client.address().realm.as_str());
            match timeout(deadline, client.check_with_new_token()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => troubles.push(format!("{}: {error}", what())),
                Err(_) => troubles.push(format!("{}: no answer within {deadline:?}", what())),
            }
        }
        match timeout(deadline, decision.database().check()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => troubles.push(error.to_string()),
            Err(_) => troubles.push(format!("the database: no answer within {deadline:?}")),
        }
        troubles
    }
}

impl From<StatusNumbers> for SyncStatus {
    fn from(numbers: StatusNumbers) -> Self {
        let (last, last_ago) = numbers.last.map(|(result, ago)| (result.to_owned(), ago)).unzip();
        let people = numbers.people.into_iter().map(|(what, count)| (what.to_owned(), count)).collect();
        Self { last, last_ago, complete_ago: numbers.age, next: numbers.next, people }
    }
}

fn backend(name: &str, condition: Condition, calls: &CallsSnapshot) -> Backend {
    let state = match condition {
        Condition::Closed => "asked",
        Condition::HalfOpen => "tried again",
        Condition::Open => "left alone",
    };
    let all: u64 = calls.results.iter().map(|(_, count)| count).sum();
    let well: u64 = calls.results.iter().filter(|(result, _)| *result == "ok").map(|(_, count)| count).sum();
    Backend {
        name: name.to_owned(),
        state: state.to_owned(),
        calls: all,
        failed: all - well,
        took: Timed::new(name, &calls.seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_upper_bounds_and_rates_are_differences() {
        let timed = |counts: [u64; 3]| Timed {
            name: "hit".to_owned(),
            sizes: [Some(100), Some(1000), None].into_iter().zip(counts).collect(),
        };
        let later = timed([90, 9, 1]);
        assert_eq!((later.count(), later.percentile(50), later.percentile(99)), (100, Some(100), Some(1000)));
        assert_eq!(later.percentile(100), None);
        assert_eq!(later.since(Some(&timed([80, 9, 0]))), timed([10, 0, 1]));
        assert_eq!(later.since(None), later);
        assert_eq!(timed([0, 0, 0]).percentile(99), None);
    }
}
