//! What an attacker can learn, and what an attack costs everybody else.

use std::thread;
use std::time::{Duration, Instant};

use crate::ensure;
use crate::mailcow::WorldCase;
use crate::mailcow::world::End::{Accept, CannotTell, Refuse};
use crate::mailcow::world::{
    Attempt, OTHER, RIGHT, RIGHT_HASH, World, attempt_at, check, connect, log_line, prompt, send,
};
use crate::stage::keydove::Keydove;
use crate::stage::{Failure, Result};
use crate::transport;

/// How long a refusal takes here, and how much the medians may differ: five per cent. It is long, so that a machine that
/// does much else has done by then what a refusal takes.
const DELAY: Duration = Duration::from_secs(4);
const SPREAD: Duration = Duration::from_millis(200);
/// How often each name is tried.
const TRIES: usize = 5;
/// How often all of them are, at most.
const ROUNDS: usize = 4;
/// Names, and the reason in the log.
const NAMES: &[(&str, &str)] = &[
    ("t28@case.example", "password_mismatch"),
    ("t28-nobody@case.example", "mailbox_unknown"),
    ("t28-row-only@case.example", "user_gone"),
    ("t28-disabled@case.example", "user_disabled"),
    ("t28-no-hash@case.example", "password_missing"),
    ("t28-filtered@case.example", "attribute_missing"),
    ("t28@t28.example", "domain_unknown"),
];
/// Hashes that would keep a core busy for hours, or take all memory.
const POISON: &[&str] = &[
    "{BLF-CRYPT}$2y$31$nai69UnPcKTgXbRUx7T6gu32Z55V0r1FNbOnfmZgRJzhshaOohINe",
    "{ARGON2ID}$argon2id$v=19$m=4194304,t=3,p=1$DY4pBzxfEkRkQ3IKQFFLEw$nICKAV60PO3xT1/hxj2ia556DRU0nzMhDyFR2zT2WUQ",
    "{ARGON2ID}$argon2id$v=19$m=65536,t=4000000000,p=1$DY4pBzxfEkRkQ3IKQFFLEw$nICKAV60PO3xT1/hxj2ia556DRU0nzMhDyFR2zT2WUQ",
    "{PBKDF2}$1$M3XK2Wk5YtSVF2er$2147483648$5459664cc6c246b9906800a904c754f2cb531d2a",
    "{SHA512-CRYPT}$6$rounds=999999999$u2Vw8D.kXUgEY/6V$xbt1pmJR8B3HU9GeIF5kXANfejoqULPrJPiDX7fbpn4wh44KoMYnhDCgnMGiVhdFGqmz6miixz0RLTXtj2Fbr.",
];
/// bcrypt at cost 12, of the right password.
const SLOW_HASH: &str = "{BLF-CRYPT}$2y$12$V3Ee4R0TJ3YdcBvNSlzAVuUyaEYNySCRUhH70RhHBP2zGVJRUA4U6";
const SLOW_LOGINS: usize = 16;

pub const CASES: &[WorldCase] = &[
    ("all_refusals_take_and_say_the_same", |world| {
        make_people(world)?;
        let realm = "realm = \"mail\"";
        let keydove = world.system.keydove.beside("t28", |text| {
            prompt(&text)
                .replace("failure_delay = \"0\"", "failure_delay = \"4s\"")
                .replace(realm, &format!("{realm}\nrequired_attribute = \"mailcow_template=t28\""))
        })?;
        attempt_at(&keydove, Attempt::new("t28@case.example", RIGHT), Accept("keycloak"))?;
        let tries: Vec<_> = NAMES.iter().flat_map(|&name| [name; TRIES]).collect();
        let mut rounds = Vec::new();
        // A busy machine is late for some name now and then, a fault for the same one in each round.
        while rounds.len() < ROUNDS {
            let times = all_at_once(&keydove, &tries)?;
            let medians: Vec<_> = times.chunks(TRIES).map(median).collect();
            let (least, most) = (medians.iter().min().copied(), medians.iter().max().copied());
            ensure(least >= Some(DELAY), || format!("medians of {NAMES:?}: {medians:?}"))?;
            if most.unwrap_or_default().saturating_sub(least.unwrap_or_default()) <= SPREAD {
                return Ok(());
            }
            rounds.push(medians);
        }
        Err(Failure(format!("medians of {NAMES:?}, in {ROUNDS} rounds: {rounds:?}")))
    }),
    ("long_input_is_not_hashed", |world| {
        world.person_with_hash("t35@case.example", RIGHT_HASH)?;
        let most = "x".repeat(1024);
        world.ends("t35@case.example", &most, Refuse("password_mismatch"))?;
        for length in [1025, 4096] {
            let password = "x".repeat(length);
            world.ends_unasked("t35@case.example", &password, Refuse("password_invalid"))?;
        }
        let name = format!("{}@case.example", "t35".repeat(500));
        world.ends_unasked(&name, RIGHT, Refuse("name_invalid"))?;
        // A mebibyte is more than a line may have: refused, and the connection goes on.
        let mut socket = connect(&world.bench.keydove)?;
        for (user, password) in
            [("t35@case.example", "x".repeat(1 << 20)), (&"x".repeat(1 << 20), "x".to_owned())]
        {
            send(&mut socket, Attempt::new(user, &password))?;
            crate::expect("a mebibyte", socket.line(), "FAIL\t1")?;
        }
        send(&mut socket, Attempt::new("t35@case.example", RIGHT))?;
        crate::expect("the next login", socket.line(), "OK\t1\tuser=t35@case.example")
    }),
    // Paying would take hours.
    ("a_poisoned_cost_is_not_paid", |world| {
        for (number, hash) in POISON.iter().enumerate() {
            let address = format!("t36-{number}@case.example");
            world.person_with_hash(&address, hash)?;
            let line = attempt_at(
                &world.bench.keydove,
                Attempt::new(&address, RIGHT),
                CannotTell("hash_too_costly"),
            )?;
            ensure(line.0.contains(" WARN ") && line.0.contains("cap"), || line.0.clone())?;
        }
        // Without a question to Keycloak there is nothing but the judgement.
        world.mailbox(
            "t36-row@case.example",
            &format!("authsource = 'mailcow', password = '{}'", POISON[0]),
        )?;
        world.ends("t36-row@case.example", RIGHT, CannotTell("hash_too_costly"))?;
        world.person_with_hash("t36-other@case.example", RIGHT_HASH)?;
        world.ends("t36-other@case.example", RIGHT, Accept("keycloak"))
    }),
    ("hashing_keeps_nobody_else_waiting", |world| {
        world
            .mailbox("t40-slow@case.example", &format!("authsource = 'mailcow', password = '{SLOW_HASH}'"))?;
        world.mailbox("t40-off@case.example", "active = 0")?;
        let keydove = world.system.keydove.beside("t40", |text| prompt(&text))?;
        let mut slow = Vec::new();
        for _ in 0..SLOW_LOGINS {
            let mut socket = connect(&keydove)?;
            send(&mut socket, Attempt::new("t40-slow@case.example", RIGHT))?;
            slow.push(socket);
        }
        for (name, reason) in [("t40", "name_invalid"), ("t40-off@case.example", "mailbox_disabled")] {
            attempt_at(&keydove, Attempt::new(name, OTHER), Refuse(reason))?;
        }
        // Not the whole log: that is there when the hashes are done.
        let done = keydove.log_so_far().matches("user=\"t40-slow@case.example\"").count();
        ensure(done < SLOW_LOGINS, || "the hashes were done before anybody could wait".to_owned())?;
        // On a busy machine the last ones may be too late; none is called wrong.
        for mut socket in slow {
            let answer = transport(socket.line())?;
            ensure(answer.starts_with("OK\t1\t") || answer.ends_with("\tcode=temp_fail"), || answer)?;
        }
        Ok(())
    }),
];

fn make_people(world: &World<'_>) -> Result<()> {
    for name in ["t28", "t28-disabled", "t28-no-hash", "t28-filtered"] {
        let address = format!("{name}@case.example");
        world.person(&address, |user| {
            user["enabled"] = (name != "t28-disabled").into();
            let attributes = &mut user["attributes"];
            attributes["mailcow_template"] =
                serde_json::json!([if name == "t28-filtered" { "x" } else { "t28" }]);
            if name == "t28-no-hash" {
                attributes["mailcow_password"] = serde_json::json!([]);
            }
        })?;
        world.mailbox(&address, "")?;
    }
    world.mailbox("t28-row-only@case.example", "")
}

/// Sends all wrong passwords at one moment. Returns how long each took; all answers are one text.
fn all_at_once(keydove: &Keydove, tries: &[(&str, &str)]) -> Result<Vec<Duration>> {
    thread::scope(|scope| {
        let running: Vec<_> = tries.iter().map(|&one| scope.spawn(move || refusal(keydove, one))).collect();
        let panicked = |_| Err(Failure("a login panicked".to_owned()));
        running.into_iter().map(|login| login.join().unwrap_or_else(panicked)).collect()
    })
}

fn refusal(keydove: &Keydove, (user, reason): (&str, &str)) -> Result<Duration> {
    let mut socket = connect(keydove)?;
    let attempt = Attempt::new(user, OTHER);
    let start = Instant::now();
    let session = send(&mut socket, attempt)?;
    let answer = transport(socket.line())?;
    let took = start.elapsed();
    check(attempt, Refuse(reason), &answer, &log_line(keydove, &session)?)?;
    let text = answer.replace(user, "NAME");
    ensure(text == "FAIL\t1\tuser=NAME", || format!("{user} is told {answer}"))?;
    Ok(took)
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times[times.len() / 2]
}
