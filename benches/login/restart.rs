//! A start with all that an earlier keydove knew: how soon it answers.

use std::sync::Arc;
use std::time::SystemTime;

use keydove::auth::Secret;
use keydove::backend::records::{Belonging, RecordFile, seconds};
use serde_json::{Value, json};

use super::keydove::{Keydove, NO_KEYCLOAK};
use super::machine::now;
use super::report::Report;
use super::stage::{Failure, Result, Stage};
use super::{Plan, people, say};

/// Of a strong scheme, because no other hash outlives a process.
const HASH: &str = "{BLF-CRYPT}$2y$10$.OT9xt4pIKr6eJj7b9y4Cu.ZF9H16M39c5l80kzGsJpx/Py6j/DD.";
const MIB: usize = 8192;

/// Measures with a file of as many mailboxes as memory was measured with.
pub fn measure(plan: &Plan, stage: &Arc<Stage>, report: &mut Report) -> Result<()> {
    let count = plan.sizes[plan.sizes.len() - 1];
    let folder = stage.folder("restart")?;
    let path = folder.join("records");
    let more = format!(
        "[cache]\nmemory_mib = {MIB}\nmax_staleness = \"1h\"\nmailbox_staleness = \"1h\"\nrecord_file = \"{}\"\n",
        path.display()
    );
    let mut keydove = Keydove::start(stage, "restart", NO_KEYCLOAK, &more)?;
    // What it saves at its end is replaced.
    let origin = format!("SQLite in {}", keydove.database().display());
    keydove.stop();
    let secrets = [Secret::from("s3cret")];
    let failed = |error: &dyn std::fmt::Display| Failure(format!("write {}: {error}", path.display()));
    let belonging = Belonging { secrets: &secrets, origin: &origin };
    let file = RecordFile::open(&path, belonging, (2 * MIB) << 20).map_err(|error| failed(&error))?;
    let asked = seconds(SystemTime::now());
    let mailboxes: Vec<Value> = (0..count).map(|number| saved(number, asked)).collect();
    let written = file.write(&json!({ "people": [], "mailboxes": mailboxes }), SystemTime::now());
    let bytes = written.map_err(|error| failed(&error))?.bytes;
    drop(mailboxes);
    let began = now();
    keydove.start_again()?;
    let ready = began.elapsed().as_secs_f64();
    report.set("restart_ready_s_1e6", ready);
    say(&format!(
        "\nready {ready:.2} s after a start with a record file of {count} mailboxes ({} MiB)",
        bytes >> 20
    ));
    Ok(())
}

/// A mailbox as the file has it.
fn saved(number: usize, asked: u64) -> Value {
    let mailbox = json!({
        "active": 1, "kind_is_resource": false, "authsource": "mailcow", "password": HASH, "quota_bytes": 0,
        "denied": [], "second_factor": false,
    });
    let record = json!({ "domain_active": true, "mailbox": mailbox, "app_passwords": [], "owner_id": null });
    json!({ "user": people::name(number), "asked": asked, "record": record })
}
