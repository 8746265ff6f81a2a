//! A process that holds the lease is stopped in the middle of a run, and goes on when another has taken over.

use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::mailcow::WorldCase;
use crate::mailcow::world::person;
use crate::stage::{Failure, Result, attempt};
use crate::{PATIENCE, ensure};

use super::IMPORT;
use super::field::{Field, counts};
use super::runs::{newest, show};

const PEOPLE: usize = 400;
/// So many mailboxes are made before it is stopped.
const ENOUGH: usize = 50;

pub const CASES: &[WorldCase] =
    &[("a_run_that_was_stopped_and_overtaken_writes_nothing_more_and_says_why", |world| {
        let users: Vec<Value> =
            (0..PEOPLE).map(|number| person(&format!("p{number:04}@overtaken.example"))).collect();
        let field = Field::new(world, "overtaken", users, IMPORT)?;
        // On a server keydove's own tables are there from its first question on.
        counts(&field.try_sync(&["--user", "nobody@overtaken.example"])?, &[("not_in_keycloak", 1)])?;
        let log = world.system.stage().path("overtaken.log");
        let mut first = Started::new(&field, &log)?;
        first.stop_in_the_middle(&field)?;
        // Its own log of runs tells of it, before and after its process has been silent for too long.
        let run = newest(&field.keydove)?;
        ensure(run["state"] == "running" && run["started_by"] == "command", || run.to_string())?;
        world.system.execute("UPDATE keydove_run SET heard = heard - 130 WHERE ended IS NULL")?;
        let silent = newest(&field.keydove)?;
        ensure(silent["state"] == "cut_off" && silent["run"] == run["run"], || silent.to_string())?;
        let number = number_of(&field)?;
        let made = field.mailboxes("1 = 1")?;
        ensure((ENOUGH..PEOPLE).contains(&made), || format!("it was stopped with {made} mailboxes"))?;

        let report = field.sync(&[])?;
        let done = (report["created"].as_u64(), report["unchanged"].as_u64());
        ensure(done == (Some((PEOPLE - made) as u64), Some(made as u64)), || report.to_string())?;
        ensure(number_of(&field)? == number + 1, || {
            "the number of the lease has not grown by one".to_owned()
        })?;
        field.watch_writes()?;

        first.signal(Signal::SIGCONT)?;
        let report = first.end()?;
        ensure(report["complete"] == false, || format!("it calls itself complete: {report}"))?;
        let ended = show(&field.keydove, &run)?;
        ensure(ended["state"] == "incomplete", || ended.to_string())?;
        let writes = field.writes()?;
        ensure(writes.is_empty(), || format!("it wrote {writes:?}"))?;
        let said = attempt("read", &log, fs::read_to_string(&log))?;
        ensure(said.contains("another one took the lease of the sync"), || said)?;
        ensure(number_of(&field)? == number + 1, || "the number of the lease was changed".to_owned())?;

        // What the second did is whole.
        let half = format!("domain = '{}' AND username NOT IN (SELECT address FROM alias)", field.domain);
        ensure(world.count("mailbox", &half)? == 0, || "half a mailbox is there".to_owned())?;
        ensure(field.mailboxes("active = 1")? == PEOPLE, || "some have no mailbox".to_owned())?;
        let people = format!("mailbox LIKE '%@{}'", field.domain);
        ensure(world.count("keydove_person", &people)? == PEOPLE, || "some are not remembered".to_owned())?;
        counts(&field.sync(&[])?, &[("seen", PEOPLE as u64), ("unchanged", PEOPLE as u64)])
    })];

fn number_of(field: &Field<'_>) -> Result<i64> {
    let rows = field.world.system.query("SELECT number FROM keydove_fence WHERE name = 'sync'")?;
    rows.concat().concat().parse().map_err(|error| Failure(format!("{error}: {rows:?}")))
}

/// A `keydove sync` that writes its log into a file.
struct Started(Child);

impl Started {
    fn new(field: &Field<'_>, log: &std::path::Path) -> Result<Self> {
        let log = attempt("make", log, File::create(log))?;
        let mut command = field.keydove.command("sync");
        let command = command.arg("--json").stdout(Stdio::piped()).stderr(log);
        command.spawn().map(Self).map_err(|error| Failure(format!("start keydove sync: {error}")))
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.0.id()).map_err(|error| Failure(error.to_string()))?;
        kill(Pid::from_raw(id), signal).map_err(|error| Failure(format!("signal keydove sync: {error}")))
    }

    /// Leaves it stopped, with its lease run out. The time passes in the database, not here.
    fn stop_in_the_middle(&self, field: &Field<'_>) -> Result<()> {
        let since = Instant::now();
        while field.mailboxes("1 = 1")? < ENOUGH {
            ensure(since.elapsed() < PATIENCE, || "too few mailboxes were made".to_owned())?;
            sleep(Duration::from_millis(2));
        }
        loop {
            self.signal(Signal::SIGSTOP)?;
            let run_out = "UPDATE keydove_lease SET expires = expires - 120 WHERE name = 'sync'";
            match field.world.system.execute(run_out) {
                // Within a transaction it locks a file for everybody. A server ends such a transaction.
                Err(_) if since.elapsed() < PATIENCE => self.signal(Signal::SIGCONT)?,
                end => return end,
            }
        }
    }

    fn end(&mut self) -> Result<Value> {
        let output = self.0.stdout.take().map(std::io::read_to_string).transpose();
        let output = output.map_err(|error| Failure(error.to_string()))?.unwrap_or_default();
        self.0.wait().map_err(|error| Failure(error.to_string()))?;
        serde_json::from_str(&output).map_err(|error| Failure(format!("keydove sync said {output}: {error}")))
    }
}

impl Drop for Started {
    /// A stopped process would outlive a case that fails.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
