//! Several nodes, and somebody who can write into their Redis.

use std::time::{Duration, Instant};

use redis::Connection;

use crate::mailcow::WorldCase;
use crate::mailcow::world::End::{Accept, CannotTell, Refuse};
use crate::mailcow::world::{Attempt, End, RIGHT, RIGHT_HASH, World, attempt_at, prompt};
use crate::stage::keydove::Keydove;
use crate::stage::redis::Redis;
use crate::stage::{Failure, Result, give};
use crate::{ensure, eventually};

const ATTACKER: &str = "198.51.100.88";
const OWNER: &str = "203.0.113.88";
const LOG: &str = "keydove:throttle:log";
const PUT_OFF: End<'_> = CannotTell("throttled");
/// A login beside a Redis that somebody fills takes no longer, on a busy machine.
const PROMPT: Duration = Duration::from_secs(3);
/// What somebody else writes into Redis.
const HUGE: usize = 145 << 20;
const MOST_GROWTH_KIB: u64 = 64 << 10;

type Entry = (String, Vec<(String, String)>);

pub const CASES: &[WorldCase] = &[
    ("whoever_writes_into_redis_without_the_key_locks_nobody_out", |world| {
        let redis = Redis::start_open(world.system.stage(), "guesses-forged")?;
        let (one, other) = nodes(world, &redis, ["guesses-f1", "guesses-f2"])?;
        let alice = "guesses-forged@case.example";
        world.person_with_hash(alice, RIGHT_HASH)?;
        let mut forger = redis.connect()?;
        let events: Vec<_> = (0..40).map(|digest| wrong(alice, OWNER, digest)).collect();
        let text = format!("[{}]", events.join(","));
        // As an older keydove wrote it; with a node's name and a seal that is none; with no form at all.
        let seal = "0".repeat(64);
        let node = "00000000deadbeef";
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().map_err(|error| error.to_string())?.as_millis();
        let written = now.to_string();
        for fields in [
            vec![("node", "deadbeef"), ("events", &text)],
            vec![("node", node), ("number", "1"), ("written", &written), ("events", &text), ("seal", &seal)],
            vec![("x", "y")],
        ] {
            add(&mut forger, &fields)?;
        }
        for keydove in [&one, &other] {
            eventually(|| {
                let told = keydove.log().contains("has no seal of ours");
                ensure(told, || format!("nothing is told of the forgery: {}", keydove.log()))
            })?;
            from(keydove, OWNER, alice, RIGHT, Accept("keycloak"))?;
        }
        // What the nodes write themselves still counts on both.
        guess(&one, alice)?;
        eventually(|| from(&other, ATTACKER, alice, "guess 0", PUT_OFF))
    }),
    ("what_a_node_wrote_counts_once_however_often_somebody_repeats_it", |world| {
        let redis = Redis::start_open(world.system.stage(), "guesses-replay")?;
        let (one, other) = nodes(world, &redis, ["guesses-r1", "guesses-r2"])?;
        let (alice, bob) = ("guesses-replay@case.example", "guesses-later@case.example");
        for person in [alice, bob] {
            world.person_with_hash(person, RIGHT_HASH)?;
        }
        guess(&one, alice)?;
        eventually(|| from(&other, ATTACKER, alice, "guess 0", PUT_OFF))?;
        let mut forger = redis.connect()?;
        let recorded = entries(&mut forger)?;
        clear(&other)?;
        from(&other, ATTACKER, alice, "wrong, and not put off", Refuse("password_mismatch"))?;
        for (_, fields) in &recorded {
            let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            add(&mut forger, &fields)?;
        }
        // Behind them comes something true, so that they were read when it counts.
        guess(&one, bob)?;
        eventually(|| from(&other, ATTACKER, bob, "guess 0", PUT_OFF))?;
        from(&other, ATTACKER, alice, RIGHT, Accept("keycloak"))
    }),
    ("a_huge_entry_in_redis_neither_fills_memory_nor_holds_logins_up", |world| {
        let redis = Redis::start_open(world.system.stage(), "guesses-huge")?;
        let (one, other) = nodes(world, &redis, ["guesses-h1", "guesses-h2"])?;
        let (alice, bob) = ("guesses-huge@case.example", "guesses-after@case.example");
        for person in [alice, bob] {
            world.person_with_hash(person, RIGHT_HASH)?;
        }
        from(&other, OWNER, alice, RIGHT, Accept("keycloak"))?;
        let before = other.memory_kib()?;
        let mut forger = redis.connect()?;
        let huge = "x".repeat(HUGE);
        add(&mut forger, &[("node", "00000000deadbeef"), ("events", &huge)])?;
        let mut highest = before;
        eventually(|| {
            let start = Instant::now();
            from(&other, OWNER, alice, RIGHT, Accept("keycloak"))?;
            ensure(start.elapsed() < PROMPT, || format!("a login took {:?}", start.elapsed()))?;
            highest = highest.max(other.memory_kib()?);
            let told = other.log().contains("too long to be a node's")
                || one.log().contains("too long to be a node's");
            ensure(told, || format!("nothing is told of the huge entry: {}", other.log()))
        })?;
        ensure(highest < before + MOST_GROWTH_KIB, || format!("from {before} to {highest} KiB"))?;
        // The nodes begin anew, and count together as before.
        guess(&one, bob)?;
        eventually(|| from(&other, ATTACKER, bob, "guess 0", PUT_OFF))
    }),
    ("without_a_shared_key_each_node_counts_for_itself_and_says_so", |world| {
        let redis = Redis::start_open(world.system.stage(), "guesses-keyless")?;
        let name = "guesses-keyless";
        let keydove = world.system.keydove.beside(name, |text| with(&prompt(&text), &redis, "", name))?;
        let alice = "guesses-keyless@case.example";
        world.person_with_hash(alice, RIGHT_HASH)?;
        guess(&keydove, alice)?;
        from(&keydove, ATTACKER, alice, RIGHT, PUT_OFF)?;
        ensure(keydove.log().contains("throttle.shared has no key"), || keydove.log())?;
        let written = entries(&mut redis.connect()?)?;
        ensure(written.is_empty(), || format!("{written:?}"))
    }),
];

/// Two nodes with one key.
fn nodes(world: &World<'_>, redis: &Redis, [one, other]: [&'static str; 2]) -> Result<(Keydove, Keydove)> {
    let key = world.system.stage().write(&format!("{one}-key"), "the key of these nodes\n")?;
    give(&key, "root", "root", 0o600)?;
    let shared = format!("shared_key_file = \"{}\"\n", key.display());
    let start = |name| world.system.keydove.beside(name, |text| with(&prompt(&text), redis, &shared, name));
    Ok((start(one)?, start(other)?))
}

fn with(text: &str, redis: &Redis, shared: &str, name: &str) -> String {
    let throttle = format!("[throttle]\nfirst_wait = \"15m\"\nshared = true\n{shared}");
    let text = text.replace("[throttle]\nenabled = false\n", &throttle);
    let control = redis.socket().with_file_name(format!("{name}.control"));
    let listener = format!("[[listener]]\ndoor = \"control\"\npath = \"{}\"\n", control.display());
    format!("{listener}{text}\n[redis]\nsocket = \"{}\"\n", redis.socket().display())
}

fn clear(keydove: &Keydove) -> Result<()> {
    let output = keydove.command("throttle").args(["clear", "--all"]).output();
    let output = output.map_err(|error| Failure(error.to_string()))?;
    ensure(output.status.success(), || String::from_utf8_lossy(&output.stderr).into_owned())
}

/// As a node tells of a wrong password.
fn wrong(user: &str, place: &str, digest: usize) -> String {
    format!(r#"{{"event":"wrong","user":"{user}","place":"{place}","digest":{digest},"reach":"everything"}}"#)
}

fn add(connection: &mut Connection, fields: &[(&str, &str)]) -> Result<()> {
    let mut command = redis::cmd("XADD");
    command.arg(LOG).arg("*").arg(fields);
    command.exec(connection).map_err(|error| Failure(error.to_string()))
}

fn entries(connection: &mut Connection) -> Result<Vec<Entry>> {
    let mut command = redis::cmd("XRANGE");
    command.arg(LOG).arg("-").arg("+");
    command.query(connection).map_err(|error| Failure(error.to_string()))
}

fn guess(keydove: &Keydove, user: &str) -> Result<()> {
    (0..10).try_for_each(|number| {
        from(keydove, ATTACKER, user, &format!("guess {number}"), Refuse("password_mismatch"))
    })
}

fn from(keydove: &Keydove, remote: &str, user: &str, password: &str, end: End<'_>) -> Result<()> {
    attempt_at(keydove, Attempt { remote: Some(remote), ..Attempt::new(user, password) }, end).map(drop)
}
