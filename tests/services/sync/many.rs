//! Many people: pages, logins meanwhile, a crash in the middle, and two at once.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::mailcow::WorldCase;
use crate::mailcow::world::End::Accept;
use crate::mailcow::world::{Attempt, RIGHT, attempt_at, person};
use crate::stage::{Failure, Result};
use crate::{LATE_TRIES, ensure};

use super::IMPORT;
use super::field::{Field, counts};

const PEOPLE: usize = 2000;
/// Without a pause the logins would take the processors that the sync needs.
const BETWEEN_LOGINS: Duration = Duration::from_millis(50);

pub const CASES: &[WorldCase] = &[
    ("two_thousand_people_are_synced_and_logins_go_on_meanwhile", |world| {
        let field = crowd(world, "want29", PEOPLE)?;
        let mut first = start(&field)?;
        let (mut logins, mut late) = (0, 0);
        while first.try_wait().map_err(|error| Failure(error.to_string()))?.is_none() {
            let address = field.address(&format!("p{:04}", (logins * 37) % PEOPLE));
            // Within its deadline, or it is a temporary failure: on a busy machine now and then, by a fault each time.
            match attempt_at(&field.keydove, Attempt::new(&address, RIGHT), Accept("keycloak")) {
                Ok(_) => (late, logins) = (0, logins + 1),
                Err(Failure(told)) => {
                    late += 1;
                    ensure(told.contains("reason=deadline") && late < LATE_TRIES, || told.clone())?;
                }
            }
            sleep(BETWEEN_LOGINS);
        }
        let report = finished(first)?;
        let made = report["created"].as_u64().unwrap_or(0) + report["unchanged"].as_u64().unwrap_or(0);
        ensure(report["complete"] == true && made == PEOPLE as u64, || report.to_string())?;
        ensure(report["pages"] == (PEOPLE / 100 + 1) as u64, || format!("not in pages of 100: {report}"))?;
        ensure(field.mailboxes("1 = 1")? == PEOPLE, || "some have no mailbox".to_owned())?;
        ensure(logins > 0, || "nobody logged in meanwhile".to_owned())?;
        counts(&field.sync(&[])?, &[("seen", PEOPLE as u64), ("unchanged", PEOPLE as u64)])?;
        field.watch_writes()?;
        let again = field.sync(&[])?;
        counts(&again, &[("seen", PEOPLE as u64), ("unchanged", PEOPLE as u64)])?;
        let writes = field.writes()?;
        ensure(writes.is_empty(), || format!("a run over an unchanged realm wrote {} rows", writes.len()))
    }),
    ("a_run_that_is_killed_is_done_again_and_two_are_one", |world| {
        let field = crowd(world, "want41", 400)?;
        let mut run = start(&field)?;
        wait_for_mailboxes(&field, 50)?;
        // While it runs, another one does not.
        let mut second = field.keydove.command("sync");
        let second = second.output().map_err(|error| Failure(error.to_string()))?;
        ensure(second.status.code() == Some(75), || format!("two ran at once: {second:?}"))?;
        run.kill().and_then(|()| run.wait()).map_err(|error| Failure(error.to_string()))?;
        let made = field.mailboxes("1 = 1")?;
        ensure(made < 400, || "it was killed too late".to_owned())?;
        // Each mailbox that is there is whole.
        let half = format!("domain = '{}' AND username NOT IN (SELECT address FROM alias)", field.domain);
        ensure(world.count("mailbox", &half)? == 0, || "half a mailbox is left".to_owned())?;
        // Whoever died with the lease loses it. The time passes in the database, not here.
        let taken = field.keydove.command("sync").output().map_err(|error| Failure(error.to_string()))?;
        ensure(taken.status.code() == Some(75), || format!("the lease was not held: {taken:?}"))?;
        world.system.execute("UPDATE keydove_lease SET expires = expires - 120 WHERE name = 'sync'")?;
        let report = field.sync(&[])?;
        let done = (report["created"].as_u64(), report["unchanged"].as_u64());
        ensure(done == (Some(400 - made as u64), Some(made as u64)), || report.to_string())
    }),
];

/// A realm of so many. They come in with it, which is quicker than one by one.
fn crowd<'w>(
    world: &'w crate::mailcow::world::World<'w>,
    name: &'static str,
    size: usize,
) -> Result<Field<'w>> {
    let users: Vec<Value> = (0..size).map(|number| person(&format!("p{number:04}@{name}.example"))).collect();
    Field::new(world, name, users, IMPORT)
}

fn start(field: &Field<'_>) -> Result<std::process::Child> {
    let mut command: Command = field.keydove.command("sync");
    let command = command.arg("--json").stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().map_err(|error| Failure(format!("start keydove sync: {error}")))
}

fn finished(child: std::process::Child) -> Result<Value> {
    let output = child.wait_with_output().map_err(|error| Failure(error.to_string()))?;
    serde_json::from_slice(&output.stdout).map_err(|error| Failure(format!("keydove sync: {error}")))
}

fn wait_for_mailboxes(field: &Field<'_>, number: usize) -> Result<()> {
    let start = Instant::now();
    while field.mailboxes("1 = 1")? < number {
        ensure(start.elapsed() < crate::PATIENCE, || format!("no {number} mailboxes were made"))?;
        sleep(Duration::from_millis(2));
    }
    Ok(())
}
