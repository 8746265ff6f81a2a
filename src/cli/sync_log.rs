//! `keydove sync-log`: the runs of the sync, on all nodes of the database.

use std::path::Path;

use clap::Subcommand;
use serde_json::{Value, json};

use super::date;
use super::storage::{Answer, Failure, document, with_database};
use super::table::table;
use crate::backend::sql::{RUNS_KEPT, RunRow};
use crate::jobs::sync::run_state;

/// What a list shows of the numbers of a run, in this order.
const SHOWN: [&str; 5] = ["seen", "created", "changed", "restored", "deactivated"];

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the last 100 runs, the newest first: when, on which node, what began it, how it ended, and what it did.
    ///
    /// Runs of one user, and dry runs of the command line, are not logged.
    List(List),
    /// Show one run: what became of users, the reasons why nothing was done, and what went wrong.
    ///
    /// Exit code 65: there is no such run, or it is too old to be kept.
    Show(Show),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The number that the list shows.
    number: i64,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, config: &Path) -> Result<Answer, Failure> {
    match &arguments.command {
        Command::List(List { json }) => {
            let runs = with_database(config, async |database| Ok(database.runs(RUNS_KEPT).await?))?;
            let runs = runs.ok_or_else(not_logged)?;
            Ok(if *json { document(&runs.iter().map(as_json).collect()) } else { as_table(&runs).into() })
        }
        Command::Show(Show { number, json }) => {
            let run = with_database(config, async |database| Ok(database.find_run(*number).await?))?;
            let run = run.ok_or_else(|| {
                Failure::Data(format!(
                    "there is no run {number} in the log; keydove sync-log list shows those that are kept"
                ))
            })?;
            Ok(if *json { document(&as_json(&run)) } else { describe(&run).into() })
        }
    }
}

fn not_logged() -> Failure {
    Failure::Data(
        "no run is logged: the table keydove_run is missing, and the database user may not make it; run keydove grants, and \
         grant what it prints"
            .to_owned(),
    )
}

fn as_table(runs: &[RunRow]) -> String {
    let rows = runs.iter().map(|run| {
        let report: Value = serde_json::from_str(&run.report).unwrap_or_default();
        let counts = SHOWN.iter().filter_map(|name| {
            let count = report[*name].as_u64().filter(|count| *count > 0)?;
            Some(format!("{name}={count}"))
        });
        let dry = if run.dry_run { ", dry run" } else { "" };
        [
            run.id.to_string(),
            date::show(run.began),
            run.node.clone(),
            run.started_by.clone(),
            format!("{}{dry}", run_state(run)),
            counts.collect::<Vec<_>>().join(" "),
        ]
    });
    table(["run", "began", "node", "begun by", "state", "users"], rows.collect())
}

fn describe(run: &RunRow) -> String {
    let report: Value = serde_json::from_str(&run.report).unwrap_or_default();
    let people: Value = serde_json::from_str(&run.people).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let dry = if run.dry_run { ", a dry run" } else { "" };
    let ended = run.ended.map_or_else(String::new, |ended| format!(", ended {}", date::show(ended)));
    let mut lines = vec![format!(
        "run {}: {}{dry}; began {}{ended}, on {}, begun by {}",
        run.id,
        run_state(run),
        date::show(run.began),
        run.node,
        run.started_by
    )];
    let numbers = report.as_object().into_iter().flatten();
    let numbers = numbers.filter(|(name, value)| value.is_u64() && *name != "pages");
    let skipped = report["skipped"].as_object().into_iter().flatten();
    let skipped = skipped.map(|(reason, count)| [format!("skipped: {reason}"), count.to_string()]);
    let counts: Vec<_> =
        numbers.map(|(name, count)| [name.clone(), count.to_string()]).chain(skipped).collect();
    if !counts.is_empty() {
        lines.push(table(["users", "count"], counts));
    }
    let people = people.as_array().into_iter().flatten();
    let people: Vec<_> = people.map(|one| [text(&one["address"]), text(&one["outcome"])]).collect();
    if !people.is_empty() {
        lines.push(table(["user", "outcome"], people));
    }
    for source in report["sources"].as_array().into_iter().flatten() {
        if let Some(trouble) = source["trouble"].as_str() {
            lines.push(format!("{}: {trouble}", text(&source["name"])));
        }
    }
    lines.join("\n")
}

fn as_json(run: &RunRow) -> Value {
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    json!({
        "run": run.id,
        "node": run.node,
        "started_by": run.started_by,
        "dry_run": run.dry_run,
        "began": run.began,
        "ended": run.ended,
        "state": run_state(run),
        "report": read(&run.report),
        "people": read(&run.people),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> RunRow {
        RunRow {
            id: 12,
            node: "mx1:77".to_owned(),
            started_by: "schedule".to_owned(),
            dry_run: false,
            began: 1_700_000_000,
            ended: Some(1_700_000_060),
            heard: 1_700_000_060,
            silent: 5,
            outcome: "incomplete".to_owned(),
            report: r#"{"seen":3,"created":1,"skipped":{"no_address":2},"pages":1,"seconds":60.0,
                "sources":[{"name":"keycloak","trouble":"it does not answer"}]}"#
                .to_owned(),
            people: r#"[{"address":"a@example.org","outcome":"created"}]"#.to_owned(),
        }
    }

    #[test]
    fn a_run_is_listed_with_what_it_did_and_shown_with_its_reasons() {
        let listed = as_table(&[run()]);
        assert!(listed.contains("incomplete") && listed.contains("seen=3 created=1"), "{listed}");
        let shown = describe(&run());
        for part in ["skipped: no_address", "a@example.org", "keycloak: it does not answer", "mx1:77"] {
            assert!(shown.contains(part), "no {part} in {shown}");
        }
        assert!(!shown.contains("pages"), "{shown}");
    }

    #[test]
    fn a_run_whose_process_is_gone_is_cut_off() {
        let mut run = RunRow { ended: None, outcome: String::new(), report: String::new(), ..run() };
        run.people.clear();
        assert!(as_table(&[run.clone()]).contains("running"));
        run.silent = 121;
        assert!(as_table(&[run.clone()]).contains("cut_off"));
        assert_eq!(as_json(&run)["report"], Value::Null);
    }
}
