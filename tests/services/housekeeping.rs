//! Rows that nobody needs any more go, in the daemon and by hand.

use serde_json::{Value, json};

use crate::mailcow::WorldCase;
use crate::mailcow::world::World;
use crate::stage::keydove::Keydove;
use crate::stage::{Failure, Result};
use crate::{ensure, eventually};

/// What keydove noted about a mailbox that is not there.
const GONE: &str = "INSERT INTO keydove_sync (mailbox) VALUES ('gone@housekeeping.example')";

pub const CASES: &[WorldCase] = &[("housekeeping_is_done_by_hand_and_by_the_daemon", |world| {
    let settings = |interval: &str| format!("\n[housekeeping]\ninterval = '{interval}'\nlogin_log = '0'\n");
    let keydove = world.system.keydove.beside("house-hand", |text| text + &settings("0"))?;
    // On a server, keydove's own tables are there from its first question on.
    run(&keydove, &["--dry-run"])?;
    world.system.execute(GONE)?;
    ensure(rows(&keydove, &["--json", "--dry-run"])? >= 1, || "the dry run found no row".to_owned())?;
    is_gone(world, 1)?;
    ensure(rows(&keydove, &["--json"])? >= 1, || "no row was deleted".to_owned())?;
    is_gone(world, 0)?;
    let output = run(&keydove, &[])?;
    ensure(output.starts_with("TABLE") && output.contains("DELETED"), || output.clone())?;
    world.system.execute(GONE)?;
    let keydove = world.system.keydove.beside("house-daemon", |text| text + &settings("10s"))?;
    eventually(|| {
        is_gone(world, 0).map_err(|failure| Failure(format!("{}:\n{}", failure.0, keydove.log_so_far())))
    })
})];

fn is_gone(world: &World<'_>, rows: usize) -> Result<()> {
    let left = world.count("keydove_sync", "mailbox = 'gone@housekeeping.example'")?;
    ensure(left == rows, || format!("{left} rows of a mailbox that is not there, not {rows}"))
}

/// How many rows of the sync a run deletes, or would.
fn rows(keydove: &Keydove, arguments: &[&str]) -> Result<u64> {
    let text = run(keydove, arguments)?;
    let report: Value =
        serde_json::from_str(&text).map_err(|error| Failure(format!("keydove said {text}: {error}")))?;
    ensure(report["dry_run"] == json!(arguments.contains(&"--dry-run")), || text.clone())?;
    let of_sync =
        report["removed"].as_array().into_iter().flatten().find(|row| row["table"] == "keydove_sync");
    of_sync.and_then(|row| row["rows"].as_u64()).ok_or(Failure(text))
}

fn run(keydove: &Keydove, arguments: &[&str]) -> Result<String> {
    let output = keydove.command("housekeeping").args(arguments).output();
    let output = output.map_err(|error| Failure(format!("run keydove housekeeping: {error}")))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure(output.status.success(), || format!("keydove housekeeping ended with {}: {said}", output.status))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
