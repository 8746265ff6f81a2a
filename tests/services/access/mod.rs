//! Who gets in and who is out: leavers, changed passwords, and what it costs Keycloak.

mod identity;
mod servers;

pub use identity::CASES as IDENTITY;
pub use servers::LONE_CASES as SERVERS;

use std::thread;
use std::time::{Duration, Instant};

use crate::mailcow::world::End::{Accept, Refuse};
use crate::mailcow::world::{
    Attempt, OTHER, OTHER_HASH, RIGHT, RIGHT_HASH, attempt_at, connect, domain, person, prompt, send,
};
use crate::mailcow::{WorldCase, app_password, behind, set_hash};
use crate::stage::keydove::{Keydove, remembering};
use crate::stage::{Failure, Result};
use crate::{LoneCase, ensure, eventually, transport};

const SERVICES: [&str; 4] = ["imap", "pop3", "sieve", "smtp"];
/// Shorter than any wait for Keycloak. While it is away, everybody who is known logs in as quickly, and most do at once: a busy
/// machine makes somebody late now and then. The benchmark has the true times.
const QUICK_MS: f64 = 1000.0;
const TRIES: usize = 5;

pub const CASES: &[WorldCase] = &[
    ("whoever_leaves_is_out_of_everything", |world| {
        let bound = Duration::from_secs(1);
        let (_relay, keydove) = behind(world, "want01", "\n[cache]\nmax_staleness = \"1s\"\n")?;
        for name in ["disabled", "deleted"] {
            let address = format!("want01-{name}@case.example");
            world.person_with_hash(&address, RIGHT_HASH)?;
            app_password(world, &address, "active = 1")?;
            everywhere(&keydove, &address, RIGHT, Accept("keycloak"))?;
            everywhere(&keydove, &address, OTHER, Accept("app_password"))?;
        }
        world.bench.admin.update("want01-disabled@case.example", |user| user["enabled"] = false.into())?;
        world.bench.admin.delete("want01-deleted@case.example")?;
        thread::sleep(bound);
        for password in [RIGHT, OTHER] {
            everywhere(&keydove, "want01-disabled@case.example", password, Refuse("user_disabled"))?;
            everywhere(&keydove, "want01-deleted@case.example", password, Refuse("user_gone"))?;
        }
        world.bench.admin.update("want01-disabled@case.example", |user| user["enabled"] = true.into())?;
        thread::sleep(bound);
        everywhere(&keydove, "want01-disabled@case.example", RIGHT, Accept("keycloak"))?;
        everywhere(&keydove, "want01-disabled@case.example", OTHER, Accept("app_password"))
    }),
    ("a_password_change_takes_effect_at_once_both_ways", |world| {
        let (_relay, keydove) = behind(world, "want04", "")?;
        for service in SERVICES {
            let address = format!("want04-{service}@case.example");
            world.person_with_hash(&address, RIGHT_HASH)?;
            everywhere(&keydove, &address, RIGHT, Accept("keycloak"))?;
            set_hash(world, &address, OTHER_HASH)?;
            // The first try of the new one, over one service; then the old one is gone from all.
            let attempt = Attempt { service, ..Attempt::new(&address, OTHER) };
            attempt_at(&keydove, attempt, Accept("keycloak"))?;
            everywhere(&keydove, &address, RIGHT, Refuse("password_mismatch"))?;
            everywhere(&keydove, &address, OTHER, Accept("keycloak"))?;
        }
        Ok(())
    }),
    ("an_old_password_dies_unused_in_every_keydove", |world| {
        let bound = "\n[cache]\nmax_staleness = \"1s\"\n";
        let (_first_relay, first) = behind(world, "want04-a", bound)?;
        let (_second_relay, second) = behind(world, "want04-b", bound)?;
        world.person_with_hash("want04-old@case.example", RIGHT_HASH)?;
        for keydove in [&first, &second] {
            everywhere(keydove, "want04-old@case.example", RIGHT, Accept("keycloak"))?;
        }
        set_hash(world, "want04-old@case.example", OTHER_HASH)?;
        thread::sleep(Duration::from_secs(1));
        for keydove in [&first, &second] {
            everywhere(keydove, "want04-old@case.example", RIGHT, Refuse("password_mismatch"))?;
        }
        Ok(())
    }),
    ("logins_cost_few_calls_to_keycloak", |world| {
        let (relay, keydove) = behind(world, "want05", "")?;
        for name in ["often", "many"] {
            world.person_with_hash(&format!("want05-{name}@case.example"), RIGHT_HASH)?;
        }
        // Once at the start keydove looks at people whether the password attribute can be seen; no login waits for that.
        let is_of_logins = |request: &&String| !request.contains("/users?enabled=true&");
        let calls = || relay.requests("").iter().filter(is_of_logins).count();
        attempt_at(&keydove, Attempt::new("want05-often@case.example", RIGHT), Accept("keycloak"))?;
        ensure(calls() == 2, || format!("the first login cost {:?}", relay.requests("")))?;
        let mut socket = connect(&keydove)?;
        for _ in 0..1000 {
            send(&mut socket, Attempt::new("want05-often@case.example", RIGHT))?;
            crate::expect("a login", socket.line(), "OK\t1\tuser=want05-often@case.example")?;
        }
        ensure(calls() == 2, || format!("a thousand more cost {:?}", relay.requests("")))?;
        at_once(&keydove, "want05-many@case.example", 200, |_| RIGHT.to_owned(), "OK\t1\tuser=")?;
        ensure(calls() == 3, || format!("200 first logins cost {:?}", relay.requests("")))?;
        let began = Instant::now();
        at_once(
            &keydove,
            "want05-many@case.example",
            1000,
            |number| format!("guess {number}"),
            "FAIL\t1\tuser=",
        )?;
        // The default of `refetch_pause`, however many guess; the first question and the last need not be a second apart
        // from the beginning and the end.
        let most = 3 + 2 + usize::try_from(began.elapsed().as_secs()).unwrap_or_default();
        ensure(calls() <= most, || format!("a thousand guesses cost {:?}", relay.requests("")))
    }),
];

pub const LONE_CASES: &[LoneCase] = &[("a_hundred_known_people_need_no_keycloak", |system| {
    let cache = "\n[cache]\nmax_staleness = \"1s\"\n";
    let keydove = system.keydove.beside("want03", |text| remembering(&prompt(&text)) + cache)?;
    let admin = system.keycloak.admin();
    if system.query("SELECT domain FROM domain WHERE domain = 'case.example'")?.is_empty() {
        system.execute(&domain("case.example", ""))?;
    }
    let addresses: Vec<_> = (0..100).map(|number| format!("want03-{number}@case.example")).collect();
    admin.import(&addresses.iter().map(|address| person(address)).collect::<Vec<_>>())?;
    for address in &addresses {
        let local_part = address.trim_end_matches("@case.example");
        system.execute(&format!(
            "INSERT INTO mailbox (username, password, name, quota, local_part, domain, attributes, authsource)
             VALUES ('{address}', '', '', 0, '{local_part}', 'case.example', '{{}}', 'keycloak');"
        ))?;
        attempt_at(&keydove, Attempt::new(address, RIGHT), Accept("keycloak"))?;
    }
    system.keycloak.stop()?;
    thread::sleep(Duration::from_secs(1));
    let seen = without_keycloak(&keydove, &addresses);
    system.keycloak.start_again()?;
    system.keycloak.wait_until_ready()?;
    seen?;
    eventually(|| {
        attempt_at(&keydove, Attempt::new(&addresses[0], OTHER), Refuse("password_mismatch")).map(drop)
    })
})];

fn without_keycloak(keydove: &Keydove, addresses: &[String]) -> Result<()> {
    let mut slow = Vec::new();
    for address in addresses {
        let is_quick = |slow: &mut Vec<String>| {
            let line = attempt_at(keydove, Attempt::new(address, RIGHT), Accept("keycloak"))?;
            ensure(line.0.contains("stale=true"), || line.0.clone())?;
            let is_quick = line.milliseconds().is_some_and(|took| took <= QUICK_MS);
            if !is_quick {
                slow.push(line.0);
            }
            Ok::<_, Failure>(is_quick)
        };
        let mut late = 0;
        while !is_quick(&mut slow)? {
            late += 1;
            ensure(late < TRIES, || format!("{address} was slow each time: {slow:?}"))?;
        }
    }
    ensure(slow.len() < addresses.len() / 2, || format!("{} were slow: {slow:?}", slow.len()))
}

/// Logs in over all services, one after the other.
fn everywhere(
    keydove: &Keydove,
    user: &str,
    password: &str,
    end: crate::mailcow::world::End<'_>,
) -> Result<()> {
    SERVICES.iter().try_for_each(|service| {
        attempt_at(keydove, Attempt { service, ..Attempt::new(user, password) }, end).map(drop)
    })
}

/// So many logins on one connection at one moment.
fn at_once(
    keydove: &Keydove,
    user: &str,
    count: u32,
    password: impl Fn(u32) -> String,
    expected: &str,
) -> Result<()> {
    let mut socket = connect(keydove)?;
    for id in 1..=count {
        let response = format!("\0{user}\0{}", password(id));
        transport(socket.login_with(id, "service=imap\trip=192.0.2.9", response.as_bytes()))?;
    }
    let (word, rest) = expected.split_once("\t1").unwrap_or_default();
    for _ in 0..count {
        let answer = transport(socket.line())?;
        let fits = answer.starts_with(word) && (rest.is_empty() || answer.contains(rest.trim_start()));
        ensure(fits && (word == "OK" || !answer.is_empty()), || answer.clone())?;
    }
    Ok(())
}
