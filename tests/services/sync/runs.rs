//! The log of runs, which every node writes and shows.

use serde_json::{Value, json};

use crate::ensure;
use crate::mailcow::WorldCase;
use crate::mailcow::world::person;
use crate::stage::keydove::Keydove;
use crate::stage::{Failure, Result};

use super::IMPORT;
use super::field::Field;

pub const CASES: &[WorldCase] = &[("every_node_shows_each_run_with_its_users_and_its_trouble", |world| {
    let field = Field::new(world, "runlog", vec![person("a@runlog.example")], IMPORT)?;
    let other = field.beside("runlog-other", |text| text + IMPORT)?;
    field.sync(&["--dry-run"])?;
    let before = list(&other)?;
    field.sync(&[])?;
    let run = newest(&other)?;
    // A dry run of the command line has shown all of it, and writes nothing.
    ensure(list(&other)?.len() == before.len() + 1, || format!("{before:?}\n{run}"))?;
    let is_right = run["state"] == "complete"
        && run["started_by"] == "command"
        && run["dry_run"] == false
        && run["report"]["created"] == 1
        && run["people"] == Value::Null
        && run["node"].as_str().is_some_and(|node| node.contains(':'))
        && run["ended"].as_i64() >= run["began"].as_i64();
    ensure(is_right, || run.to_string())?;
    let shown = show(&other, &run)?;
    ensure(shown["people"] == json!([{ "address": "a@runlog.example", "outcome": "created" }]), || {
        shown.to_string()
    })?;

    field.admin.change_realm(&json!({ "enabled": false }))?;
    field.try_sync(&[])?;
    let run = newest(&other)?;
    let trouble = run["report"]["sources"][0]["trouble"].as_str().unwrap_or_default();
    ensure(run["state"] == "incomplete" && trouble.contains("403"), || run.to_string())?;
    let text = said(&other, &["list"])?;
    ensure(text.contains("incomplete") && text.contains("seen=1 created=1"), || text)?;
    let missing = other.command("sync-log").args(["show", "999999999"]).output();
    let missing = missing.map_err(|error| Failure(format!("run keydove sync-log: {error}")))?;
    let said = String::from_utf8_lossy(&missing.stderr);
    ensure(missing.status.code() == Some(65) && said.contains("there is no run 999999999"), || {
        said.to_string()
    })
})];

/// The newest run that a keydove knows of.
pub fn newest(keydove: &Keydove) -> Result<Value> {
    list(keydove)?.into_iter().next().ok_or_else(|| Failure("no run is logged".to_owned()))
}

/// The same run with its people.
pub fn show(keydove: &Keydove, run: &Value) -> Result<Value> {
    parse(&said(keydove, &["show", &run["run"].to_string(), "--json"])?)
}

fn list(keydove: &Keydove) -> Result<Vec<Value>> {
    let runs = parse(&said(keydove, &["list", "--json"])?)?;
    runs.as_array().cloned().ok_or_else(|| Failure(format!("no list: {runs}")))
}

fn parse(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| Failure(format!("{error}: {text}")))
}

fn said(keydove: &Keydove, words: &[&str]) -> Result<String> {
    let output = keydove.command("sync-log").args(words).output();
    let output = output.map_err(|error| Failure(format!("run keydove sync-log: {error}")))?;
    ensure(output.status.success(), || String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
