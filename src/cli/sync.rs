//! `keydove sync`: everybody in Keycloak gone through once.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::output::{say, say_error};
use super::table::table;
use super::{BUSY, FAILED, fail, load_and_log};
use crate::auth::Username;
use crate::jobs::sync::{End, Report, Request, StartedBy};
use crate::{daemon, observe};

/// The width of the bar on a terminal.
const BAR: u64 = 30;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Write nothing; show what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Only the user with this address. No mailbox is switched off.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_user)]
    user: Option<Username>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// For the daemon: print how far it is, a line after each page, and stop when standard input ends.
    #[arg(long, hide = true, requires = "json")]
    watched: bool,
    /// Switch off the mailboxes of leavers, however many there are.
    #[arg(long, conflicts_with = "user")]
    allow_mass_change: bool,
}

pub(super) fn run(arguments: &Arguments, config: &Path) -> ExitCode {
    let config = match load_and_log(config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let request = Request {
        dry_run: arguments.dry_run,
        allow_mass_change: arguments.allow_mass_change,
        user: arguments.user.clone(),
        started_by: if arguments.watched { StartedBy::Portal } else { StartedBy::Command },
        ..Request::default()
    };
    if arguments.watched {
        std::thread::spawn(stop_with_input);
    }
    let has_bar = !arguments.json && std::io::stderr().is_terminal();
    let end = daemon::sync_once(&config, &request, &|report, people| {
        if has_bar {
            draw(report, people);
        } else if arguments.watched {
            say(&progress(report, people));
        }
    });
    observe::flush();
    match end {
        Ok(End::Ran(report)) => {
            say(&if arguments.json { to_json(&report) } else { describe(&report) });
            let refused = report.refused_deactivations > 0;
            if report.complete && !refused || arguments.user.is_some() { ExitCode::SUCCESS } else { 1.into() }
        }
        Ok(End::Held { by, .. }) => {
            say_error(&format!(
                "keydove: another process ({by}) does a sync just now; try again when it is done"
            ));
            BUSY.into()
        }
        Ok(End::NotDue { seconds }) => {
            say_error(&format!("keydove: the last run was not long ago; the next one is due in {seconds} s"));
            BUSY.into()
        }
        Err(error) => fail(FAILED, &error),
    }
}

/// One line that is drawn over and over, wiped when the last page is there.
fn draw(report: &Report, people: u64) {
    let done = report.seen.min(people);
    let filled = (done * BAR).checked_div(people).unwrap_or(BAR);
    let bar = format!("{}{}", "#".repeat(filled as usize), ".".repeat((BAR - filled) as usize));
    let line = format!(
        "\r[{bar}] {done}/{people}  {} new  {} changed  {} skipped",
        report.created,
        report.changed,
        report.skipped_in_all()
    );
    let line = if done >= people { "\r\x1b[K".to_owned() } else { line };
    let mut terminal = std::io::stderr().lock();
    // A terminal that has gone away is no reason to stop.
    let _ = terminal.write_all(line.as_bytes()).and_then(|()| terminal.flush());
}

fn describe(report: &Report) -> String {
    let mut lines = Vec::new();
    if !report.people.is_empty() {
        let rows = report.people.iter().map(|person| [person.address.clone(), person.outcome.to_owned()]);
        lines.push(table(["ADDRESS", "OUTCOME"], rows.collect()));
    }
    let mut rows = vec![("seen", report.seen)];
    rows.extend(report.outcomes());
    if report.importable > 0 {
        rows.push(("would be created, were import = true", report.importable));
    }
    if report.refused_deactivations > 0 {
        rows.push(("gone, and too many to be switched off", report.refused_deactivations));
    }
    let rows = rows.into_iter().map(|(what, count)| [what.to_owned(), count.to_string()]);
    let skipped =
        report.skipped.iter().map(|(reason, count)| [format!("skipped: {reason}"), count.to_string()]);
    lines.push(table(["PEOPLE", "COUNT"], rows.chain(skipped).collect()));
    for source in &report.sources {
        if let Some(trouble) = &source.trouble {
            lines.push(format!("{}: {trouble}", source.name));
        }
    }
    let whole = if report.complete { "complete" } else { "not complete: nobody was taken for gone" };
    let dry = if report.dry_run { "; nothing was written" } else { "" };
    lines.push(format!("{whole}, in {:.1} s{dry}", report.seconds));
    lines.join("\n")
}

/// How far it is, for a program that watches.
fn progress(report: &Report, people: u64) -> String {
    let Report { seen, created, changed, .. } = report;
    json!({ "progress": { "seen": seen, "people": people, "created": created, "changed": changed } })
        .to_string()
}

/// Whoever watches has ended. The run is left as on SIGTERM.
fn stop_with_input() {
    let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
    let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGTERM);
}

fn to_json(report: &Report) -> String {
    serde_json::to_string(report).unwrap_or_default()
}

fn parse_user(text: &str) -> Result<Username, String> {
    Username::parse(text.as_bytes()).map_err(|_| format!("`{text}` is no mail address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_reasons_and_troubles() {
        let mut report = Report { seen: 3, created: 1, complete: true, dry_run: true, ..Report::default() };
        report.skipped.insert("no_address", 2);
        let text = describe(&report);
        assert!(text.contains("skipped: no_address"), "{text}");
        assert!(text.ends_with("complete, in 0.0 s; nothing was written"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&to_json(&report)).unwrap();
        assert_eq!((&json["seen"], &json["skipped"]["no_address"]), (&3.into(), &2.into()));
    }
}
