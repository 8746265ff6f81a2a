//! What runs beside the connections. A new background task is one field of [`Workers`] and one row of [`table`];
//! starting, stopping and the table in `docs/architecture.md` (`make docs`) follow from the row.

use std::fmt::Write;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::tasks::Tasks;
use crate::backend::kick;
use crate::backend::mail_hosts::MailHostWatch;
use crate::frontend::http_login;
use crate::frontend::operations::Watcher;
use crate::jobs::bookkeeping::Worker;
use crate::jobs::housekeeping::Housekeeping;
use crate::jobs::mailcow::Refresher;
use crate::jobs::notices::Notices;
use crate::jobs::sync::Schedule;
use crate::jobs::{ChangeFollower, EventFollower, RecordKeeper};
use crate::login::throttle;
use crate::observe;
use crate::observe::metrics::ShadowMetrics;

/// The parts that have a task each, where they are wanted.
#[derive(Default)]
pub(super) struct Workers {
    pub(super) bookkeeping: Option<Worker>,
    pub(super) keeper: Option<RecordKeeper>,
    pub(super) throttle: Option<throttle::Keeper>,
    pub(super) shadow: Option<Arc<ShadowMetrics>>,
    pub(super) watcher: Option<Watcher>,
    pub(super) refresher: Option<Refresher>,
    /// One for each Keycloak.
    pub(super) followers: Vec<EventFollower>,
    pub(super) changes: Option<ChangeFollower>,
    pub(super) schedule: Option<Schedule>,
    pub(super) kick: Option<kick::Worker>,
    pub(super) mail_hosts: Option<MailHostWatch>,
    pub(super) housekeeping: Option<Housekeeping>,
    pub(super) notices: Option<Notices>,
}

type Run = Box<dyn FnOnce(CancellationToken) -> Pin<Box<dyn Future<Output = ()> + Send>>>;

/// One row.
struct BackgroundTask {
    name: &'static str,
    does: &'static str,
    how_often: &'static str,
    stops: Stops,
    /// Nothing where the task is not wanted; several where it runs once for each Keycloak.
    runs: Vec<Run>,
}

/// When a task is told to stop.
#[derive(Clone, Copy)]
enum Stops {
    /// As soon as keydove stops.
    AtOnce,
    /// When the last connection has ended: it works for what these leave behind.
    Last,
}

fn table(mut workers: Workers) -> Vec<BackgroundTask> {
    let mut tasks = for_what_connections_leave(&mut workers);
    tasks.extend(beside_connections(workers));
    tasks
}

fn for_what_connections_leave(workers: &mut Workers) -> Vec<BackgroundTask> {
    vec![
        BackgroundTask {
            name: "bookkeeping",
            does: "writes down what logins leave behind: the history, last logins, users' names, lines for ban tools",
            how_often: "when there is something to write; after the stop 2 s for what is queued",
            stops: Stops::Last,
            runs: runs(workers.bookkeeping.take(), Worker::run),
        },
        BackgroundTask {
            name: "login lines",
            does: "writes the log lines of logins, those of one millisecond together",
            how_often: "1 ms after the first line",
            stops: Stops::Last,
            runs: runs(Some(()), |(), stop| observe::write_login_lines(stop)),
        },
        BackgroundTask {
            name: "record file",
            does: "saves what keydove remembers, on a thread of its own, with `[cache] record_file`",
            how_often: "every 5 min, 5 s after a record was taken back, and at the end",
            stops: Stops::Last,
            runs: runs(workers.keeper.take(), RecordKeeper::run),
        },
        BackgroundTask {
            name: "throttling",
            does: "forgets old counts of guesses, and shares them with other nodes through Redis",
            how_often: "every second; every 400 ms with Redis",
            stops: Stops::Last,
            runs: runs(workers.throttle.take(), throttle::Keeper::run),
        },
        BackgroundTask {
            name: "shadow report",
            does: "logs how many logins mailcow decided otherwise, with `[http_login] shadow_url`",
            how_often: "every 10 min, and at the end",
            stops: Stops::Last,
            runs: runs(workers.shadow.take(), http_login::report_shadow),
        },
    ]
}

fn beside_connections(workers: Workers) -> Vec<BackgroundTask> {
    vec![
        BackgroundTask {
            name: "watcher",
            does: "looks whether backends answer, for the log and for readiness",
            how_often: "every 10 s",
            stops: Stops::AtOnce,
            runs: runs(workers.watcher, Watcher::run),
        },
        BackgroundTask {
            name: "mailcow's settings",
            does: "reads mailcow's identity provider settings, with `[mailcow] identity_provider`",
            how_often: "every `[mailcow] refresh`; every second until the first success",
            stops: Stops::AtOnce,
            runs: runs(workers.refresher, Refresher::run),
        },
        BackgroundTask {
            name: "event follower",
            does: "reads Keycloak's events and takes back records of users who changed; one for each Keycloak",
            how_often: "every `[keycloak] poll_events`",
            stops: Stops::AtOnce,
            runs: runs(workers.followers, EventFollower::run),
        },
        BackgroundTask {
            name: "changes",
            does: "forgets what other nodes and the administrator's commands have changed in the database",
            how_often: "every second; with Redis as soon as another node says so, too",
            stops: Stops::AtOnce,
            runs: runs(workers.changes, ChangeFollower::run),
        },
        BackgroundTask {
            name: "sync",
            does: "goes through all users in Keycloak",
            how_often: "every `[sync] interval`",
            stops: Stops::AtOnce,
            runs: runs(workers.schedule, Schedule::run),
        },
        BackgroundTask {
            name: "kick",
            does: "ends open sessions of users who lost access, with `[kick]`",
            how_often: "when a user lost access",
            stops: Stops::AtOnce,
            runs: runs(workers.kick, kick::Worker::run),
        },
        BackgroundTask {
            name: "backends",
            does: "connects to each backend, so that logins know which are down, with `[[backend]]`",
            how_often: "every `[backends] check_interval`",
            stops: Stops::AtOnce,
            runs: runs(workers.mail_hosts, MailHostWatch::run),
        },
        BackgroundTask {
            name: "housekeeping",
            does: "deletes rows of keydove's own tables that are no longer needed",
            how_often: "every `[housekeeping] interval`",
            stops: Stops::AtOnce,
            runs: runs(workers.housekeeping, Housekeeping::run_now_and_then),
        },
        BackgroundTask {
            name: "notices",
            does: "sends mail to users about their app passwords, with `[notices] relay`",
            how_often: "every `[notices] interval`",
            stops: Stops::AtOnce,
            runs: runs(workers.notices, Notices::run),
        },
    ]
}

/// Nothing starts before the task is spawned.
fn runs<W, F>(workers: impl IntoIterator<Item = W>, run: fn(W, CancellationToken) -> F) -> Vec<Run>
where
    W: 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let boxed = |worker: W| -> Run { Box::new(move |stop| Box::pin(run(worker, stop))) };
    workers.into_iter().map(boxed).collect()
}

/// Starts every task that is wanted.
pub(super) fn start(workers: Workers, tasks: &Tasks) {
    for task in table(workers) {
        tracing::debug!(task = task.name, count = task.runs.len(), "background task");
        for run in task.runs {
            match task.stops {
                Stops::AtOnce => tasks.clients.spawn(run(tasks.clients.accepting().clone())),
                Stops::Last => tasks.last.spawn(run),
            }
        }
    }
}

/// The table of `docs/architecture.md`.
#[must_use]
pub fn manual_of_tasks() -> String {
    let mut text = String::from("| task | what it does | how often | stops |\n|---|---|---|---|\n");
    for BackgroundTask { name, does, how_often, stops, .. } in table(Workers::default()) {
        let stops = match stops {
            Stops::AtOnce => "at once",
            Stops::Last => "after the last connection",
        };
        let _ = writeln!(text, "| {name} | {does} | {how_often} | {stops} |");
    }
    text
}
