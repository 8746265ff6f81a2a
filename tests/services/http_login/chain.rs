//! mailcow's three passdb blocks in a real Dovecot, with the cache as mailcow sets it.

use super::Served;
use super::dovecot::{MASTER, MailcowDovecot};
use super::tap::{Side, Tap};
use crate::mailcow::world::{OTHER, OTHER_HASH, RIGHT, RIGHT_HASH, World};
use crate::mailcow::{WorldCase, app_password, set_hash};
use crate::stage::{Failure, Result, source_tree};
use crate::{ensure, eventually};

const REFUSED: &str = "NO [AUTHENTICATIONFAILED]";
const UNAVAILABLE: &str = "NO [UNAVAILABLE]";
/// What mailcow's rule 6 counts: one such line a strike. Lines that go on to the next passdb are dropped there.
const STRIKE: &str = "Password mismatch (SHA1 of given password: ";

pub const CASES: &[WorldCase] = &[
    ("http_login_in_mailcows_chain_with_a_script_of_its_interface", |world| {
        let (served, dovecot) = boot(world, "mc-like", &mailcows_script()?, "")?;
        people(world, "mc-like")?;
        expect(&dovecot, "mc-like@case.example", RIGHT, "OK")?;
        served.has_lines("verdict=accept", 1)?;
        // Dovecot remembers it.
        expect(&dovecot, "mc-like@case.example", RIGHT, "OK")?;
        served.has_lines("verdict=accept", 1)?;
        // An app password; no strike.
        expect(&dovecot, "mc-like@case.example", OTHER, "OK")?;
        struck(&dovecot, 0)?;
        // The script asks twice about a wrong password: one line here, one strike there.
        for (number, (user, password)) in [
            ("mc-like@case.example", "wrong"),
            ("mc-like-off@case.example", RIGHT),
            ("mc-like-x@case.example", RIGHT),
        ]
        .into_iter()
        .enumerate()
        {
            expect(&dovecot, user, password, REFUSED)?;
            served.has_lines("verdict=refuse", number + 1)?;
            struck(&dovecot, number + 1)?;
        }
        // The master user, of whom keydove knows nothing, comes between the two.
        let (master, password) = MASTER;
        expect(&dovecot, &format!("mc-like@case.example*{master}"), password, "OK")?;
        expect(&dovecot, "no-domain", RIGHT, REFUSED)
    }),
    ("http_login_in_mailcows_chain_in_an_outage", |world| {
        // mailcow's own script finds no object in the answer and fails: no strike, and Dovecot keeps who was right.
        let (served, dovecot) = boot(world, "mc-out", &mailcows_script()?, "")?;
        people(world, "mc-out")?;
        world.undecidable_person("mc-out-odd@case.example")?;
        expect(&dovecot, "mc-out-odd@case.example", RIGHT, UNAVAILABLE)?;
        struck(&dovecot, 0)?;
        served.has_lines("verdict=cannot_tell reason=sql_error", 1)
    }),
    ("http_login_by_keydoves_script_tells_dovecot_that_nobody_can_tell", |world| {
        let own = own_script()?;
        let (mut served, dovecot) = boot(world, "kd-out", &own, "")?;
        people(world, "kd-out")?;
        expect(&dovecot, "kd-out@case.example", RIGHT, "OK")?;
        expect(&dovecot, "kd-out@case.example", "wrong", REFUSED)?;
        expect(&dovecot, "kd-out-off@case.example", RIGHT, REFUSED)?;
        struck(&dovecot, 2)?;
        world.undecidable_person("kd-out-odd@case.example")?;
        expect(&dovecot, "kd-out-odd@case.example", RIGHT, UNAVAILABLE)?;
        served.has_lines("verdict=cannot_tell", 1)?;
        // Nobody listens any more: no strike, and whoever Dovecot remembers still gets in.
        served.keydove.stop()?;
        expect(&dovecot, "kd-out-2@case.example", RIGHT, UNAVAILABLE)?;
        expect(&dovecot, "kd-out@case.example", RIGHT, "OK")?;
        struck(&dovecot, 2)?;
        eventually(|| {
            let log = dovecot.log();
            ensure(log.contains("keydove cannot tell about kd-out-2@case.example"), || log.clone())
        })?;
        let log = dovecot.log();
        ensure(!log.contains(RIGHT_HASH), || "a hash is in Dovecot's log".to_owned())
    }),
    ("a_login_by_keydoves_script_is_one_packet_each_way_on_a_connection_that_stays_open", |world| {
        let served = Served::start(world, "packets", "own_certificate = true\n")?;
        let tap = Tap::start(served.port)?;
        let script =
            own_script()?.replace("https://keydove:9082", &format!("https://127.0.0.1:{}", tap.port));
        let stage = world.system.stage();
        let dovecot = MailcowDovecot::start(stage, "dovecot-packets", &script, "auth_cache_size = 0\n")?;
        people(world, "packets")?;
        let logins = 6;
        for _ in 0..logins {
            expect(&dovecot, "packets@case.example", RIGHT, "OK")?;
        }
        served.has_lines("verdict=accept", logins)?;
        let connections = tap.connections();
        // Dovecot may use a second auth worker.
        ensure((1..=2).contains(&connections.len()), || format!("{connections:?}"))?;
        let asked: usize = connections.iter().map(|records| questions(records).len()).sum();
        ensure(asked == logins, || format!("{asked} records with {logins} questions: {connections:?}"))?;
        for records in &connections {
            // Behind the first question there may be what TLS itself has to say.
            let answers = questions(records).into_iter().skip(1);
            let ends =
                answers.map(|at| records[at + 1..].iter().take_while(|from| **from == Side::Keydove).count());
            ensure(ends.clone().all(|count| count == 1), || format!("{records:?}"))?;
        }
        Ok(())
    }),
    ("mailcows_cache_keeps_an_old_password_until_it_is_switched_off", |world| {
        let (_served, dovecot) = boot(world, "t01-mc", LIKE_MAILCOW, "")?;
        people(world, "t01-mc")?;
        expect(&dovecot, "t01-mc@case.example", RIGHT, "OK")?;
        set_hash(world, "t01-mc@case.example", &hash_of_new())?;
        // The new one at once; the old one as long as Dovecot's auth_cache_ttl says, whatever stands behind.
        expect(&dovecot, "t01-mc@case.example", NEW, "OK")?;
        expect(&dovecot, "t01-mc@case.example", RIGHT, "OK")?;
        // What docs/mailcow.md says to put into extra.conf.
        let (_served, dovecot) = boot(world, "t01-kd", LIKE_MAILCOW, "auth_cache_size = 0\n")?;
        people(world, "t01-kd")?;
        expect(&dovecot, "t01-kd@case.example", RIGHT, "OK")?;
        set_hash(world, "t01-kd@case.example", &hash_of_new())?;
        expect(&dovecot, "t01-kd@case.example", NEW, "OK")?;
        expect(&dovecot, "t01-kd@case.example", RIGHT, REFUSED)
    }),
];

/// Where the records with questions are. The first one of a client ends the handshake.
fn questions(records: &[Side]) -> Vec<usize> {
    let from_client = records.iter().enumerate().filter(|(_, from)| **from == Side::Client);
    from_client.map(|(at, _)| at).skip(1).collect()
}

/// Nobody's so far.
const NEW: &str = "another";

fn hash_of_new() -> String {
    format!("{{PLAIN}}{NEW}")
}

/// One who may, with an app password; one who is disabled in Keycloak; and one whom Dovecot has never seen.
fn people(world: &World<'_>, name: &str) -> Result<()> {
    for end in ["", "-2", "-off"] {
        world.person_with_hash(&format!("{name}{end}@case.example"), RIGHT_HASH)?;
    }
    world.bench.admin.update(&format!("{name}-off@case.example"), |user| user["enabled"] = false.into())?;
    app_password(world, &format!("{name}@case.example"), "active = 1")?;
    ensure(OTHER_HASH != RIGHT_HASH, || "two passwords are one".to_owned())
}

/// A keydove, and a Dovecot whose script asks it; however it names it.
fn boot(world: &World<'_>, name: &'static str, script: &str, more: &str) -> Result<(Served, MailcowDovecot)> {
    let tls = |file: &str| world.system.stage().path(&format!("tls/{file}")).display().to_string();
    let settings =
        format!("certificate_file = \"{}\"\nkey_file = \"{}\"\n", tls("server.pem"), tls("server.key"));
    let weak = "\n[hashing.schemes]\nallow_weak = [\"PLAIN\"]\n";
    let served = Served::start(world, name, &(settings + weak))?;
    let url = format!("https://127.0.0.1:{}", served.port);
    let script = script
        .replace("@URL@", &url)
        .replace("https://keydove:9082", &url)
        .replace("https://nginx:9082", &url);
    let dovecot_name: &'static str = Box::leak(format!("dovecot-{name}").into_boxed_str());
    let dovecot = MailcowDovecot::start(world.system.stage(), dovecot_name, &script, more)?;
    Ok((served, dovecot))
}

/// Names a file with mailcow's own script, `data/conf/dovecot/auth/passwd-verify.lua`, to run in place of ours.
const MAILCOWS_OWN: &str = "KEYDOVE_MAILCOW_SCRIPT";
/// Asks and reads answers as mailcow's own script does, over TLS.
pub const LIKE_MAILCOW: &str = include_str!("like-mailcow.lua");

/// The script of the tests, or mailcow's own where it can be had. Nothing is changed in it but where it asks.
fn mailcows_script() -> Result<String> {
    match std::env::var_os(MAILCOWS_OWN) {
        Some(path) => std::fs::read_to_string(path).map_err(|error| Failure(error.to_string())),
        None => Ok(LIKE_MAILCOW.to_owned()),
    }
}

/// The script that is shipped.
fn own_script() -> Result<String> {
    let path = source_tree().join("mailcow/passwd-verify.lua");
    std::fs::read_to_string(path).map_err(|error| Failure(error.to_string()))
}

fn expect(dovecot: &MailcowDovecot, user: &str, password: &str, beginning: &str) -> Result<()> {
    let answer = dovecot.login(user, password)?;
    ensure(answer.starts_with(beginning), || format!("{user}: {answer}\n{}", dovecot.log()))
}

/// Dovecot has written so many lines that mailcow's ban daemon counts.
fn struck(dovecot: &MailcowDovecot, strikes: usize) -> Result<()> {
    eventually(|| {
        let log = dovecot.log();
        let is_strike = |line: &&str| line.contains(STRIKE) && !line.contains("trying the next passdb");
        ensure(log.lines().filter(is_strike).count() == strikes, || log.clone())
    })
}
