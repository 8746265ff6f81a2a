//! `keydove status`: how things stand, live.

use std::io::IsTerminal;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::control::{ask, other_answer};
use super::output::{self, control, say};
use super::storage::{Answer, Failure};
use super::table::table;
use crate::frontend::control::{Reply, Request};
use crate::login::service::{Logins, Status, SyncStatus, Timed};

/// Between the two looks that make a rate.
const PAUSE: Duration = Duration::from_secs(1);
/// Puts the cursor home and wipes the screen below it.
const WIPE: &str = "\u{1b}[H\u{1b}[J";
const THOUSAND: f64 = 1000.0;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Show it again every second, until Ctrl-C.
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    /// Print one JSON document: numbers since the start.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, config: &Path) -> Result<Answer, Failure> {
    let mut before = look(config)?;
    if arguments.json {
        let text = serde_json::to_string_pretty(&before);
        return text
            .map(Answer::from)
            .map_err(|error| Failure::System(format!("cannot write JSON: {error}")));
    }
    loop {
        sleep(PAUSE);
        let now = look(config)?;
        let text = show(&before, &now);
        if !arguments.watch {
            return Ok(text.into());
        }
        if std::io::stdout().is_terminal() {
            control(WIPE);
        }
        say(&format!("{text}\n"));
        if !output::is_open() {
            return Ok(Answer::default());
        }
        before = now;
    }
}

fn look(config: &Path) -> Result<Status, Failure> {
    match ask(config, &Request::Status)? {
        Reply::Status(status) => Ok(*status),
        Reply::Error(error) => Err(Failure::System(error)),
        _ => Err(other_answer()),
    }
}

fn show(before: &Status, now: &Status) -> String {
    let seconds = thousandths(now.uptime_ms.saturating_sub(before.uptime_ms));
    let all = sum(&now.logins);
    let lately = all.saturating_sub(sum(&before.logins));
    let head = format!(
        "up {}; {all} logins since the start, {:.0} a second now",
        duration(now.uptime_ms),
        per(lately, seconds)
    );
    let mut parts = vec![head, logins(before, now, seconds), paths(before, now), caches(now), backends(now)];
    parts.push(format!(
        "hashing: {} waiting, {} turned away; notes dropped: {}",
        now.hashing_waiting, now.hashing_shed, now.dropped_notes
    ));
    parts.extend(now.sync.as_ref().map(sync));
    if !now.nodes.is_empty() {
        parts.push(nodes(now));
    }
    parts.join("\n\n")
}

fn logins(before: &Status, now: &Status, seconds: f64) -> String {
    let rows = now.logins.iter().map(|login| {
        let is_it = |other: &&Logins| {
            (&other.service, &other.verdict, &other.reason) == (&login.service, &login.verdict, &login.reason)
        };
        let earlier = before.logins.iter().find(is_it).map_or(0, |login| login.count);
        [
            login.service.clone(),
            login.verdict.clone(),
            login.reason.clone(),
            login.count.to_string(),
            format!("{:.1}", per(login.count.saturating_sub(earlier), seconds)),
        ]
    });
    table(["service", "verdict", "reason", "logins", "per second"], rows.collect())
}

fn paths(before: &Status, now: &Status) -> String {
    let rows = now.paths.iter().map(|path| {
        let earlier = before.paths.iter().find(|earlier| earlier.name == path.name);
        let lately = path.since(earlier);
        // Where nothing has happened since, what happened before.
        let shown = if lately.count() == 0 { path } else { &lately };
        [path.name.clone(), path.count().to_string(), percentile(shown, 50), percentile(shown, 99)]
    });
    table(["path", "logins", "half within", "99 % within"], rows.collect())
}

fn caches(now: &Status) -> String {
    let rows = now.caches.iter().map(|cache| {
        let counts = &cache.counts;
        let asked = counts.hits + counts.misses + counts.stale;
        let ratio =
            if asked == 0 { String::new() } else { format!("{:.1} %", 100.0 * share(counts.hits, asked)) };
        [
            cache.name.clone(),
            counts.entries.to_string(),
            format!("{}", counts.bytes / 1024),
            ratio,
            counts.stale.to_string(),
            counts.failures.to_string(),
        ]
    });
    table(["cache", "entries", "KiB", "from memory", "stale", "fetches failed"], rows.collect())
}

fn nodes(now: &Status) -> String {
    let rows = now.nodes.iter().map(|node| {
        [
            format!("{}{}", node.node, if node.own { " (this one)" } else { "" }),
            node.version.clone(),
            duration(node.up.saturating_mul(1000)),
            format!("{} s ago", node.heard_ago),
        ]
    });
    table(["node", "version", "up", "follows changes"], rows.collect())
}

fn backends(now: &Status) -> String {
    let rows = now.backends.iter().map(|backend| {
        [
            backend.name.clone(),
            backend.state.clone(),
            backend.calls.to_string(),
            backend.failed.to_string(),
            percentile(&backend.took, 50),
            percentile(&backend.took, 99),
        ]
    });
    table(["backend", "state", "calls", "failed", "half within", "99 % within"], rows.collect())
}

/// Counts of nobody are left out.
fn sync(sync: &SyncStatus) -> String {
    let ago = |seconds: u64| format!("{} ago", duration(seconds * 1000));
    let mut parts = vec![match sync.next {
        Some(seconds) => format!("sync: next in {}", duration(seconds * 1000)),
        None => "sync: runs now".to_owned(),
    }];
    if let (Some(last), Some(seconds)) = (&sync.last, sync.last_ago) {
        parts.push(format!("last {last}, {}", ago(seconds)));
    }
    match sync.complete_ago {
        Some(_) if sync.last.as_deref() == Some("complete") => {}
        Some(seconds) => parts.push(format!("last complete one {}", ago(seconds))),
        None => parts.push("no complete one yet".to_owned()),
    }
    let people = sync.people.iter().filter(|(_, count)| *count > 0);
    parts.extend(people.map(|(what, count)| format!("{count} {}", what.replace('_', " "))));
    parts.join("; ")
}

fn percentile(timed: &Timed, percent: u64) -> String {
    match timed.percentile(percent) {
        Some(micros) => format!("{} ms", thousandths(micros)),
        None if timed.count() == 0 => String::new(),
        None => "longer".to_owned(),
    }
}

fn duration(millis: u64) -> String {
    let seconds = millis / 1000;
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60) {
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

fn sum(logins: &[Logins]) -> u64 {
    logins.iter().map(|login| login.count).sum()
}

/// Thousandths as a number: milliseconds of microseconds, seconds of milliseconds.
#[expect(clippy::cast_precision_loss, reason = "shown to a few digits")]
fn thousandths(number: u64) -> f64 {
    number as f64 / THOUSAND
}

#[expect(clippy::cast_precision_loss, reason = "shown to a few digits")]
fn per(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "shown to a few digits")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable() {
        let minute = 60_000;
        assert_eq!(duration(5_000), "0 min 5 s");
        assert_eq!(duration(61 * minute), "1 h 1 min");
        assert_eq!(duration(25 * 60 * minute), "1 d 1 h");
    }

    #[test]
    fn the_sync_is_one_line() {
        let mut status = SyncStatus { next: Some(65), ..SyncStatus::default() };
        assert_eq!(sync(&status), "sync: next in 1 min 5 s; no complete one yet");
        status.last = Some("complete".to_owned());
        (status.last_ago, status.complete_ago, status.next) = (Some(7), Some(7), None);
        status.people = vec![("created".to_owned(), 2), ("too_many_gone".to_owned(), 0)];
        assert_eq!(sync(&status), "sync: runs now; last complete, 0 min 7 s ago; 2 created");
        status.last = Some("failed".to_owned());
        assert!(sync(&status).contains("last failed, 0 min 7 s ago; last complete one 0 min 7 s ago"));
    }

    #[test]
    fn rates_are_of_the_time_between_two_looks() {
        let status = |uptime_ms, count| Status {
            uptime_ms,
            logins: vec![Logins {
                service: "imap".to_owned(),
                verdict: "accept".to_owned(),
                reason: "ok".to_owned(),
                count,
            }],
            ..Status::default()
        };
        let text = show(&status(1000, 10), &status(3000, 50));
        assert!(text.contains("50 logins since the start, 20 a second now"), "{text}");
        assert!(text.contains("20.0"), "{text}");
    }
}
