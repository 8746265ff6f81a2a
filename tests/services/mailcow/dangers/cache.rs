//! What is remembered, and must not be for too long, for too many, or for the wrong ones.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::mailcow::world::End::{Accept, CannotTell, Refuse};
use crate::mailcow::world::{
    Attempt, OTHER, OTHER_HASH, RIGHT, RIGHT_HASH, World, attempt_at, connect, prompt, send,
};
use crate::mailcow::{WorldCase, app_password};
use crate::stage::keydove::{Keydove, remembering};
use crate::stage::relay::{Conduct, Relay};
use crate::stage::{Failure, Result};
use crate::{ensure, eventually, transport};

/// How many guess at once, and how often an owner comes in between.
const GUESSES: usize = 60;

pub const CASES: &[WorldCase] = &[
    ("stale_is_not_for_ever", |world| {
        let cache =
            "\n[cache]\nmax_staleness = \"200ms\"\nmailbox_staleness = \"200ms\"\nstale_limit = \"3s\"\n";
        let (relay, keydove) = behind(world, "t03", cache)?;
        for name in ["known", "off", "unseen"] {
            world.person_with_hash(&format!("t03-{name}@case.example"), RIGHT_HASH)?;
        }
        let ends = |name: &str, end| {
            attempt_at(&keydove, Attempt::new(&format!("t03-{name}@case.example"), RIGHT), end).map(drop)
        };
        ends("known", Accept("keycloak"))?;
        ends("off", Accept("keycloak"))?;
        world.bench.admin.update("t03-off@case.example", |user| user["enabled"] = false.into())?;
        thread::sleep(Duration::from_millis(250));
        let since = Instant::now();
        // Known to be disabled from here on; the other is disabled too, which nobody knows yet.
        ends("off", Refuse("user_disabled"))?;
        ends("known", Accept("keycloak"))?;
        let seen = Instant::now();
        world.bench.admin.update("t03-known@case.example", |user| user["enabled"] = false.into())?;
        relay.turn(Conduct::Refuse);
        thread::sleep(Duration::from_millis(250));
        let stale = ends("off", Refuse("user_disabled")).and_then(|()| ends("known", Accept("keycloak")));
        // Only if there was time enough for it.
        ensure(stale.is_ok() || since.elapsed() > Duration::from_millis(2500), || format!("{stale:?}"))?;
        thread::sleep(Duration::from_millis(3100).saturating_sub(seen.elapsed()));
        ends("known", CannotTell("keycloak_refused"))?;
        ends("off", CannotTell("keycloak_refused"))
    }),
    ("a_refused_password_that_is_set_counts_at_once", |world| {
        let (_relay, keydove) = behind(world, "t04", "")?;
        world.person_with_hash("t04@case.example", RIGHT_HASH)?;
        attempt_at(&keydove, Attempt::new("t04@case.example", OTHER), Refuse("password_mismatch"))?;
        set_hash(world, "t04@case.example", OTHER_HASH)?;
        attempt_at(&keydove, Attempt::new("t04@case.example", OTHER), Accept("keycloak")).map(drop)
    }),
    ("guesses_do_not_shut_the_owner_out", |world| {
        let (_relay, keydove) = behind(world, "t05", "")?;
        world.person_with_hash("t05@case.example", RIGHT_HASH)?;
        for number in 0..20 {
            let mut socket = connect(&keydove)?;
            send(&mut socket, Attempt::new("t05@case.example", &format!("guess {number}")))?;
            attempt_at(&keydove, Attempt::new("t05@case.example", RIGHT), Accept("keycloak"))?;
        }
        Ok(())
    }),
    ("an_error_is_not_remembered_as_nobody", |world| {
        let (relay, keydove) = behind(world, "t06", "")?;
        world.person_with_hash("t06@case.example", RIGHT_HASH)?;
        relay.turn(Conduct::Answer("500 Internal Server Error", ""));
        attempt_at(&keydove, Attempt::new("t06@case.example", RIGHT), CannotTell("keycloak_5xx"))?;
        relay.turn(Conduct::Pass);
        // Where the error came slowly, Keycloak is left alone for a moment.
        eventually(|| {
            attempt_at(&keydove, Attempt::new("t06@case.example", RIGHT), Accept("keycloak")).map(drop)
        })
    }),
    ("nobody_is_unknown_for_long", |world| {
        let (_relay, keydove) = behind(world, "t07", "\n[cache]\nunknown = \"1s\"\n")?;
        world.mailbox("t07@case.example", "")?;
        attempt_at(&keydove, Attempt::new("t07@case.example", RIGHT), Refuse("user_gone"))?;
        world.person("t07@case.example", |_| ())?;
        eventually(|| {
            attempt_at(&keydove, Attempt::new("t07@case.example", RIGHT), Accept("keycloak")).map(drop)
        })
    }),
    ("no_service_opens_another", |world| {
        let (_relay, keydove) = behind(world, "t09", "")?;
        world.person_with_hash("t09@case.example", RIGHT_HASH)?;
        app_password(world, "t09@case.example", "imap_access = 0, pop3_access = 0, sieve_access = 0")?;
        let by = |service, end| {
            attempt_at(&keydove, Attempt { service, ..Attempt::new("t09@case.example", OTHER) }, end)
                .map(drop)
        };
        by("smtp", Accept("app_password"))?;
        for service in ["imap", "pop3", "sieve"] {
            by(service, Refuse("password_mismatch"))?;
        }
        by("smtp", Accept("app_password"))
    }),
    ("only_records_are_shared", |world| {
        let (relay, keydove) = behind(world, "t10", "")?;
        world.person_with_hash("t10@case.example", RIGHT_HASH)?;
        let (mut sockets, since) = (Vec::new(), std::time::Instant::now());
        for number in 0..100 {
            let mut socket = connect(&keydove)?;
            let password = if number % 2 == 0 { RIGHT.to_owned() } else { format!("guess {number}") };
            send(&mut socket, Attempt::new("t10@case.example", &password))?;
            sockets.push((number, socket));
        }
        // Whoever leaves first takes nobody along: it was the first to ask.
        drop(sockets.remove(0));
        for (number, mut socket) in sockets {
            let expected = if number % 2 == 0 { "OK\t1\tuser=" } else { "FAIL\t1\tuser=t10@case.example" };
            let answer = transport(socket.line())?;
            // So many guesses may have to wait for another question to Keycloak.
            ensure(answer.starts_with(expected), || format!("login {number}: {answer}"))?;
        }
        // Guesses ask once in `refetch_pause`, a second, however many they are.
        let most = 3 + since.elapsed().as_secs();
        let asked = relay.requests("t10").len() as u64;
        ensure(asked <= most, || format!("{asked} questions"))
    }),
    ("a_changed_password_is_remembered_too", |world| {
        let (relay, keydove) = behind(world, "t11", "")?;
        world.person_with_hash("t11@case.example", RIGHT_HASH)?;
        attempt_at(&keydove, Attempt::new("t11@case.example", RIGHT), Accept("keycloak"))?;
        set_hash(world, "t11@case.example", OTHER_HASH)?;
        attempt_at(&keydove, Attempt::new("t11@case.example", OTHER), Accept("keycloak"))?;
        let asked = relay.requests("t11").len();
        for service in ["imap", "pop3", "sieve", "smtp"] {
            let attempt = Attempt { service, ..Attempt::new("t11@case.example", OTHER) };
            attempt_at(&keydove, attempt, Accept("keycloak"))?;
        }
        ensure(relay.requests("t11").len() == asked, || "Keycloak was asked again".to_owned())
    }),
    ("a_new_password_counts_in_a_flood_of_guesses", |world| {
        let (relay, keydove) = behind(world, "t12", "")?;
        world.person_with_hash("t12@case.example", RIGHT_HASH)?;
        attempt_at(&keydove, Attempt::new("t12@case.example", RIGHT), Accept("keycloak"))?;
        let mut flood = Vec::new();
        for number in 0..GUESSES {
            let mut socket = connect(&keydove)?;
            send(&mut socket, Attempt::new("t12@case.example", &format!("guess {number}")))?;
            flood.push(socket);
        }
        set_hash(world, "t12@case.example", OTHER_HASH)?;
        // Its first try, inside the pause that the flood has begun.
        attempt_at(&keydove, Attempt::new("t12@case.example", OTHER), Accept("keycloak"))?;
        for mut socket in flood {
            let answer = transport(socket.line())?;
            ensure(answer.starts_with("FAIL\t1"), || answer.clone())?;
        }
        let asked = relay.requests("t12").len();
        ensure(asked <= 4, || format!("{GUESSES} guesses cost {asked} questions"))
    }),
    // What is remembered of guesses is in memory, under a key of this process: `cache/verified.rs` tests that.
    ("nothing_on_disk_helps_to_guess", |world| {
        let (_relay, keydove) = behind(world, "t13", "")?;
        world.person_with_hash("t13@case.example", RIGHT_HASH)?;
        attempt_at(&keydove, Attempt::new("t13@case.example", RIGHT), Accept("keycloak"))?;
        let folder = world.system.stage().path("keydove");
        for entry in std::fs::read_dir(&folder).map_err(|error| Failure(error.to_string()))?.flatten() {
            let bytes = std::fs::read(entry.path()).unwrap_or_default();
            let holds = bytes.windows(RIGHT_HASH.len()).any(|part| part == RIGHT_HASH.as_bytes());
            let is_database = entry.file_name().to_string_lossy().contains("sqlite");
            ensure(!holds || is_database, || format!("{} holds a hash", entry.path().display()))?;
        }
        Ok(())
    }),
];

/// A keydove with the caches as an installation has them, behind a relay of its own.
pub fn behind(world: &World<'_>, name: &'static str, cache: &str) -> Result<(Relay, Keydove)> {
    let relay = world.system.keycloak.relay(Conduct::Pass)?;
    let (url, own) = (world.system.keycloak.url(), relay.url());
    let edit = |text: String| remembering(&prompt(&text)).replace(&url, &own) + cache;
    let keydove = world.system.keydove.beside(name, edit)?;
    eventually(|| connect(&keydove).map(drop))?;
    Ok((relay, keydove))
}

/// Another hash in Keycloak.
pub fn set_hash(world: &World<'_>, email: &str, hash: &str) -> Result<()> {
    world.bench.admin.update(email, |user| user["attributes"]["mailcow_password"] = json!([hash]))
}
