//! A power cut in the middle of many first logins.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::WorldCase;
use super::provisioning::EVERY_TABLE;
use super::world::End::Accept;
use super::world::{Attempt, RIGHT, SETTINGS, World, attempt_at, connect, person, prompt, send};
use crate::auth_socket::AuthSocket;
use crate::ensure;
use crate::stage::keydove::Keydove;
use crate::stage::{Failure, Result};

const PEOPLE: usize = 50;
const LONGER_THAN_A_LOGIN: Duration = Duration::from_secs(10);

pub const CASES: &[WorldCase] = &[
    // keydove's own: mailcow writes row by row.
    ("a_crash_in_the_middle_leaves_all_or_nothing", |world| {
        let mut unmade = 0;
        for name in ["crash-a", "crash-b", "crash-c", "crash-d"] {
            let after = 1 + random() % (PEOPLE / 2);
            unmade += crash(world, name, after)
                .map_err(|failure| Failure(format!("{name}, killed after {after} mailboxes: {failure}")))?;
        }
        ensure(unmade > 0, || "each crash came too late".to_owned())
    }),
];

/// Kills keydove when so many mailboxes are made, and looks at what is left. Returns how many people had no mailbox.
fn crash(world: &World<'_>, name: &'static str, after: usize) -> Result<usize> {
    let people: Vec<_> = (0..PEOPLE).map(|number| format!("{name}{number:02}@case.example")).collect();
    let users: Vec<_> = people
        .iter()
        .map(|email| {
            let mut user = person(email);
            user["attributes"]["mailcow_template"] = serde_json::json!(["gold"]);
            user
        })
        .collect();
    world.bench.admin.import(&users)?;
    let mut keydove = world.system.keydove.beside(name, |text| prompt(&text) + SETTINGS)?;
    let sockets = log_in_until(&keydove, &people, after)?;
    keydove.kill()?;
    let unmade = all_or_nothing(world, &people)?;
    drop(sockets);
    keydove.start_again()?;
    for email in &people {
        attempt_at(&keydove, Attempt::new(email, RIGHT), Accept("keycloak"))?;
    }
    let left = all_or_nothing(world, &people)?;
    ensure(left == 0, || format!("{left} people have no mailbox in the end"))?;
    Ok(unmade)
}

/// Everybody logs in at once, until so many mailboxes are made. On a busy machine some wait longer than a login may, and come
/// again.
fn log_in_until(keydove: &Keydove, people: &[String], made: usize) -> Result<Vec<AuthSocket>> {
    let (start, mut sockets, mut again) = (Instant::now(), Vec::new(), Duration::ZERO);
    while keydove.log_so_far().matches("made a mailbox at the first login").count() < made {
        ensure(start.elapsed() < crate::PATIENCE, || {
            format!("no {made} mailboxes were made:\n{}", keydove.log())
        })?;
        if start.elapsed() >= again {
            again = start.elapsed() + LONGER_THAN_A_LOGIN;
            for email in people {
                let mut socket = connect(keydove)?;
                send(&mut socket, Attempt::new(email, RIGHT))?;
                sockets.push(socket);
            }
        }
        sleep(Duration::from_millis(1));
    }
    Ok(sockets)
}

/// Each person has all rows or none. One statement, so that it sees one moment.
fn all_or_nothing(world: &World<'_>, people: &[String]) -> Result<usize> {
    let names = people.iter().map(|email| format!("SELECT '{email}' AS email")).collect::<Vec<_>>();
    let counts =
        EVERY_TABLE.map(|(table, column)| format!("(SELECT COUNT(*) FROM {table} WHERE {column} = p.email)"));
    let statement = format!("SELECT p.email, {} FROM ({}) p", counts.join(", "), names.join(" UNION ALL "));
    let rows = world.system.query(&statement)?;
    ensure(rows.len() == people.len(), || format!("{} rows for {} people", rows.len(), people.len()))?;
    let (all, none) = (["1", "1", "1", "1", "1", "3", "1"], ["0"; EVERY_TABLE.len()]);
    for row in &rows {
        ensure(row[1..] == all || row[1..] == none, || {
            format!("half a mailbox: {row:?} of {EVERY_TABLE:?}")
        })?;
    }
    Ok(rows.iter().filter(|row| row[1..] == none).count())
}

fn random() -> usize {
    let mut bytes = [0; 2];
    // Without randomness, every crash comes at the same moment, which is no reason to fail.
    let _ = getrandom::fill(&mut bytes);
    usize::from(u16::from_ne_bytes(bytes))
}
