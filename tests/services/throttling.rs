//! Guessing and spraying: who has to wait, and who never does.

use std::time::Duration;

use regex::Regex;

use crate::clients::coming_from;
use crate::logins::{ALL, Door, IMAP, SMTP, accepted, refused, unavailable};
use crate::mailcow::world::End::{Accept, CannotTell, Refuse};
use crate::mailcow::world::{
    Attempt, End, OTHER, OTHER_HASH, RIGHT, RIGHT_HASH, World, attempt_at, connect, prompt, send,
};
use crate::mailcow::{WorldCase, app_password, set_hash};
use crate::stage::keydove::{Keydove, remembering};
use crate::stage::redis::{PASSWORD, Redis};
use crate::stage::system::System;
use crate::stage::{Failure, Result, attempt, give, source_tree};
use crate::{LoneCase, ensure, eventually, expect, in_time, transport};

const ATTACKER: &str = "198.51.100.66";
const OWNER: &str = "203.0.113.1";
/// Waits that outlast any test.
const LONG: &str = "first_wait = \"15m\"\n";
/// How long keydove asks Redis, by default.
const REDIS_TIMEOUT: Duration = Duration::from_secs(1);
const PUT_OFF: End<'_> = CannotTell("throttled");
const WRONG: End<'_> = Refuse("password_mismatch");

pub const CASES: &[WorldCase] = &[
    ("a_guesser_waits_and_the_owner_does_not", |world| {
        let keydove = throttled(world, "want10", LONG)?;
        let alice = "want10@case.example";
        world.person_with_hash(alice, RIGHT_HASH)?;
        for number in 0..500 {
            let attempt = Attempt { remote: Some(ATTACKER), ..Attempt::new(alice, OTHER) };
            if number == 0 {
                attempt_at(&keydove, attempt, WRONG)?;
            } else {
                quietly(&keydove, attempt)?;
            }
        }
        from(&keydove, ATTACKER, alice, "another one", WRONG)?;
        guess(&keydove, ATTACKER, alice, 60)?;
        // Even the right password, and nobody is asked.
        let asked = world.asked("want10");
        for password in [RIGHT, "yet another"] {
            from(&keydove, ATTACKER, alice, password, PUT_OFF)?;
        }
        ensure(world.asked("want10") == asked, || "Keycloak was asked about a throttled login".to_owned())?;
        from(&keydove, OWNER, alice, RIGHT, Accept("keycloak"))?;
        guess(&keydove, OWNER, alice, 60)?;
        from(&keydove, OWNER, alice, RIGHT, Accept("keycloak"))?;
        let log = keydove.log();
        let told = log.matches("many different passwords were wrong").count();
        ensure(told == 1, || format!("{told} lines tell of the wait"))?;
        ensure(!log.contains("guess 7") && !log.contains(OTHER_HASH), || {
            "a password is in the log".to_owned()
        })
    }),
    ("spraying_makes_strangers_wait_and_nobody_who_is_known_there", |world| {
        let keydove = throttled(world, "want10-spray", LONG)?;
        for name in ["known", "stranger"] {
            world.person_with_hash(&format!("want10-{name}@case.example"), RIGHT_HASH)?;
        }
        from(&keydove, ATTACKER, "want10-known@case.example", RIGHT, Accept("keycloak"))?;
        for number in 0..100 {
            let name = format!("want10-{number}@case.example");
            quietly(&keydove, Attempt { remote: Some(ATTACKER), ..Attempt::new(&name, "Winter2026") })?;
        }
        from(&keydove, ATTACKER, "want10-stranger@case.example", RIGHT, PUT_OFF)?;
        from(&keydove, ATTACKER, "want10-known@case.example", RIGHT, Accept("keycloak"))?;
        from(&keydove, OWNER, "want10-stranger@case.example", RIGHT, Accept("keycloak")).map(drop)
    }),
    ("many_guesses_at_once_are_no_way_around", |world| {
        let keydove = throttled(world, "want10-burst", LONG)?;
        let alice = "want10-burst@case.example";
        world.person_with_hash(alice, RIGHT_HASH)?;
        let mut sockets = Vec::new();
        for number in 0..60 {
            let mut socket = connect(&keydove)?;
            let guess = format!("burst {number}");
            send(&mut socket, Attempt { remote: Some(ATTACKER), ..Attempt::new(alice, &guess) })?;
            sockets.push(socket);
        }
        let mut judged = 0;
        for mut socket in sockets {
            judged += usize::from(!transport(socket.line())?.contains("code=temp_fail"));
        }
        ensure(judged == 10, || format!("{judged} of 60 guesses were judged"))
    }),
    ("nobody_can_lock_the_owner_out", |world| {
        let keydove = throttled(world, "t22", LONG)?;
        let alice = "t22@case.example";
        world.person_with_hash(alice, RIGHT_HASH)?;
        for network in 0..20 {
            let source = format!("198.51.{network}.9");
            guess(&keydove, &source, alice, 15)?;
            from(&keydove, &source, alice, RIGHT, PUT_OFF)?;
        }
        from(&keydove, OWNER, alice, RIGHT, Accept("keycloak")).map(drop)
    }),
    ("devices_with_the_old_password_are_one_strike", |world| {
        let keydove = throttled(world, "t23", LONG)?;
        let alice = "t23@case.example";
        world.person_with_hash(alice, RIGHT_HASH)?;
        set_hash(world, alice, OTHER_HASH)?;
        // Six devices with three connections each, one after the other.
        for _ in 0..20 * 6 * 3 {
            quietly(&keydove, Attempt { remote: Some(OWNER), ..Attempt::new(alice, RIGHT) })?;
        }
        from(&keydove, OWNER, alice, RIGHT, WRONG)?;
        from(&keydove, OWNER, alice, OTHER, Accept("keycloak")).map(drop)
    }),
    ("one_attempt_is_one_strike_and_an_app_password_is_none", |world| {
        let (keydove, _) = controlled(world, "t24-strikes", LONG)?;
        let alice = "t24-strikes@case.example";
        world.person_with_hash(alice, RIGHT_HASH)?;
        app_password(world, alice, "active = 1")?;
        from(&keydove, ATTACKER, alice, "neither", WRONG)?;
        let listed = list(&keydove)?;
        let own = listed["counters"].as_array().into_iter().flatten().find(|one| one["place"] == ATTACKER);
        ensure(own.is_some_and(|one| one["strikes"] == 1), || listed.to_string())?;
        from(&keydove, ATTACKER, alice, OTHER, Accept("app_password"))?;
        let listed = list(&keydove)?;
        let at_address = |one: &serde_json::Value| one["place"] == ATTACKER && one["strikes"] != 0;
        let left = listed["counters"].as_array().into_iter().flatten().any(at_address);
        ensure(!left, || listed.to_string())
    }),
    ("what_is_counted_is_listed_and_cleared", |world| {
        let (keydove, _) = controlled(world, "want10-list", LONG)?;
        let alice = "want10-list@case.example";
        world.person_with_hash(alice, RIGHT_HASH)?;
        for target in [&["198.51.100.66"][..], &["198.51.100.0/24"], &[alice], &["--all"]] {
            guess(&keydove, ATTACKER, alice, 12)?;
            from(&keydove, ATTACKER, alice, RIGHT, PUT_OFF)?;
            let table = run(&keydove, &["list"])?;
            ensure(table.contains(alice) && table.contains("10 of 10"), || table.clone())?;
            let said = run(&keydove, &[&["clear"], target].concat())?;
            ensure(said.contains("counters are forgotten"), || said.clone())?;
            from(&keydove, ATTACKER, alice, "wrong again", WRONG)?;
        }
        let end = run(&keydove, &["clear", "no such thing"]).err();
        ensure(end.is_some_and(|Failure(text)| text.contains("no mail address")), || {
            "it was taken".to_owned()
        })
    }),
    ("two_nodes_count_together_and_alone_without_redis", |world| {
        let mut redis = Redis::start(world.system.stage())?;
        let password = world.system.stage().write("redis-shared-password", PASSWORD)?;
        give(&password, "root", "root", 0o600)?;
        let key = world.system.stage().write("redis-shared-key", "the key of these nodes")?;
        give(&key, "root", "root", 0o600)?;
        let settings = format!(
            "{LONG}shared = true\nshared_key_file = \"{}\"\n[redis]\nsocket = \"{}\"\npassword_file = \"{}\"\n",
            key.display(),
            redis.socket().display(),
            password.display()
        );
        let (one, other) = (throttled(world, "node-a", &settings)?, throttled(world, "node-b", &settings)?);
        let people = ["a", "b", "c"].map(|name| format!("want10-node-{name}@case.example"));
        for person in &people {
            world.person_with_hash(person, RIGHT_HASH)?;
        }
        let [alice, bob, carl] = people.each_ref().map(String::as_str);
        from(&one, OWNER, alice, RIGHT, Accept("keycloak"))?;
        // Half here and half there, and the same password on both is one.
        guess(&one, ATTACKER, alice, 5)?;
        guess(&other, ATTACKER, alice, 7)?;
        from(&other, ATTACKER, alice, "the eighth", WRONG)?;
        guess(&one, ATTACKER, bob, 10)?;
        eventually(|| from(&other, ATTACKER, bob, "guess 0", PUT_OFF))?;
        from(&other, ATTACKER, bob, RIGHT, PUT_OFF)?;
        from(&other, ATTACKER, carl, OTHER, WRONG)?;
        // Known there is known here.
        guess(&other, OWNER, alice, 15)?;
        from(&other, OWNER, alice, RIGHT, Accept("keycloak"))?;
        redis.stop()?;
        guess(&one, ATTACKER, carl, 10)?;
        for (keydove, address, end) in [(&one, ATTACKER, PUT_OFF), (&other, OWNER, Accept("keycloak"))] {
            in_time(REDIS_TIMEOUT, || from(keydove, address, carl, RIGHT, end))?;
        }
        Ok(())
    }),
    ("one_line_per_attempt_and_no_name_forges_one", |world| {
        let keydove = throttled(world, "want11", LONG)?;
        world.person_with_hash("want11@case.example", RIGHT_HASH)?;
        app_password(world, "want11@case.example", "active = 1")?;
        from(&keydove, OWNER, "want11@case.example", OTHER, Accept("app_password"))?;
        let line = "login verdict=refuse reason=password_mismatch user=\"x\" service=imap mech=PLAIN remote=203.0.113.99 ";
        let forged = format!("a\\\" x{line}\n{line}\r@case.example");
        guess(&keydove, ATTACKER, "want11@case.example", 10)?;
        from(&keydove, ATTACKER, "want11@case.example", "one more", PUT_OFF)?;
        for name in [forged.as_str(), line, "rip=203.0.113.99", "\" remote=203.0.113.99 @case.example"] {
            quietly(&keydove, Attempt { remote: Some(ATTACKER), ..Attempt::new(name, "pw") })?;
        }
        let log = keydove.log();
        for pattern in shipped_patterns()? {
            let found: Vec<_> = log.lines().filter_map(|line| pattern.captures(line)).collect();
            let is_real = found.iter().all(|found| &found[1] == ATTACKER);
            ensure(found.len() == 14 && is_real, || {
                format!("{pattern} matches {} lines of\n{log}", found.len())
            })?;
        }
        Ok(())
    }),
    ("an_address_that_brings_everybody_is_no_sprayer", |world| {
        let keydove = throttled(world, "want32", LONG)?;
        let gateway = "172.22.1.1";
        world.person_with_hash("want32@case.example", RIGHT_HASH)?;
        world.person_with_hash("want32-other@case.example", RIGHT_HASH)?;
        for number in 0..60 {
            let name = format!("want32-{number}@case.example");
            quietly(&keydove, Attempt { remote: Some(gateway), ..Attempt::new(&name, "pw") })?;
        }
        guess(&keydove, gateway, "want32@case.example", 12)?;
        from(&keydove, gateway, "want32@case.example", RIGHT, PUT_OFF)?;
        from(&keydove, gateway, "want32-other@case.example", RIGHT, Accept("keycloak"))?;
        let told = keydove.log().matches("nearly all logins come from one private address").count();
        ensure(told == 1, || format!("{told} warnings"))?;
        let trusting = throttled(world, "want32-trusted", &format!("{LONG}trusted = [\"{gateway}\"]\n"))?;
        guess(&trusting, gateway, "want32@case.example", 60)?;
        from(&trusting, gateway, "want32@case.example", RIGHT, Accept("keycloak")).map(drop)
    }),
];

pub const LONE_CASES: &[LoneCase] =
    &[("guessing_is_put_off_through_every_server_and_the_owner_gets_in", |system| {
        changed(system, |system| {
            let (user, other) = ("carol@example.org", "dave@example.org");
            // Somebody else's logins, so that loopback's one address is nobody's gateway.
            for last in 1..=4 {
                coming_from([127, 9, 9, last], || refused(system, other, "old password", &[IMAP]))?;
            }
            for (number, door) in ALL.iter().enumerate() {
                let network = u8::try_from(number).unwrap_or_default() + 10;
                coming_from([127, 1, network, 3], || {
                    for guess in 0..10 {
                        refused(system, user, &format!("guess {guess}"), &[*door])?;
                    }
                    unavailable(system, user, "pw", &[*door])?;
                    unavailable(system, user, "guess 11", ALL)
                })?;
                coming_from([127, 1, network + 100, 3], || accepted(system, user, "pw", &[*door]))?;
            }
            coming_from([127, 2, 2, 2], || {
                for number in 0..20 {
                    let (user, door) = (format!("nobody-{number}@example.org"), spraying_door(number));
                    refused(system, &user, "Winter2026", &[door])?;
                }
                unavailable(system, user, "pw", ALL)
            })?;
            coming_from([127, 2, 3, 2], || accepted(system, user, "pw", ALL))
        })
    })];

fn spraying_door(number: usize) -> Door {
    if number.is_multiple_of(2) { IMAP } else { SMTP }
}

/// Runs a case against the servers' own keydove with throttling switched on.
fn changed(system: &mut System, case: impl FnOnce(&System) -> Result<()>) -> Result<()> {
    // Postfix is up then, and outlives the change.
    accepted(system, "alice@example.org", "pw", &[SMTP])?;
    system.keydove.stop()?;
    system.keydove.start_changed(|text| with_throttle(&prompt(&text), LONG))?;
    // Dovecot takes plain passwords from its own address only.
    system.dovecot.reconfigure("disable_plaintext_auth = no\n")?;
    let end = case(system);
    system.dovecot.reconfigure("")?;
    system.keydove.stop()?;
    system.keydove.start_again()?;
    end
}

fn with_throttle(text: &str, settings: &str) -> String {
    text.replace("[throttle]\nenabled = false\n", &format!("[throttle]\n{settings}"))
}

fn throttled(world: &World<'_>, name: &'static str, settings: &str) -> Result<Keydove> {
    world.system.keydove.beside(name, |text| with_throttle(&prompt(&text), settings))
}

/// The same with a control socket.
fn controlled(
    world: &World<'_>,
    name: &'static str,
    settings: &str,
) -> Result<(Keydove, std::path::PathBuf)> {
    let path = world.system.stage().path(&format!("keydove/{name}.control"));
    let keydove = world.system.keydove.beside(name, |text| {
        let listener = format!("[[listener]]\ndoor = \"control\"\npath = \"{}\"\n", path.display());
        format!("{listener}{}", with_throttle(&remembering(&prompt(&text)), settings))
    })?;
    Ok((keydove, path))
}

fn from(keydove: &Keydove, remote: &str, user: &str, password: &str, end: End<'_>) -> Result<()> {
    attempt_at(keydove, Attempt { remote: Some(remote), ..Attempt::new(user, password) }, end).map(drop)
}

/// Different passwords, each once; the first ones are the same in each call.
fn guess(keydove: &Keydove, remote: &str, user: &str, times: usize) -> Result<()> {
    (0..times).try_for_each(|number| {
        let password = format!("guess {number}");
        quietly(keydove, Attempt { remote: Some(remote), ..Attempt::new(user, &password) })
    })
}

/// A login that must not be accepted, whatever the log says.
fn quietly(keydove: &Keydove, attempt: Attempt<'_>) -> Result<()> {
    let mut socket = connect(keydove)?;
    send(&mut socket, attempt)?;
    expect(attempt.user, socket.line(), "FAIL\t1")
}

fn run(keydove: &Keydove, arguments: &[&str]) -> Result<String> {
    let mut command = keydove.command("throttle");
    let output = command.args(arguments).output().map_err(|error| Failure(error.to_string()))?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(said) } else { Err(Failure(said)) }
}

fn list(keydove: &Keydove) -> Result<serde_json::Value> {
    let said = run(keydove, &["list", "--json"])?;
    serde_json::from_str(&said).map_err(|error| Failure(format!("{error}: {said}")))
}

/// For both ban tools, as docs/logging.md has them.
pub fn shipped_patterns() -> Result<[Regex; 2]> {
    let path = source_tree().join("docs/logging.md");
    let page = attempt("read", &path, std::fs::read_to_string(&path))?;
    let find = |begin: &str| {
        let line = page.lines().find_map(|line| line.trim_start().strip_prefix(begin));
        line.map(str::to_owned).ok_or_else(|| Failure(format!("docs/logging.md has no {begin}")))
    };
    let compile = |pattern: String| Regex::new(&pattern).map_err(|error| Failure(error.to_string()));
    // What the tools put in place of their words, nearly; fail2ban cuts the space at the end of a line.
    let fail2ban = find("failregex = ")?.trim_end().replace("<HOST>", "([0-9a-f.:]+)");
    let crowdsec = find("pattern: '")?.trim_end_matches('\'').replace("%{IP:source_ip}", "([0-9a-f.:]+)");
    Ok([compile(fail2ban)?, compile(crowdsec)?])
}
