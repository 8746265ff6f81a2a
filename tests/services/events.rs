//! Changes in Keycloak count within seconds where its events are polled, whatever is remembered.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::control::make_person;
use super::mailcow::world::End::{Accept, Refuse};
use super::mailcow::world::{Attempt, End, OTHER, OTHER_HASH, RIGHT, attempt_at, prompt};
use super::stage::keydove::{Keydove, remembering};
use super::stage::system::System;
use super::stage::{Failure, Result, attempt, free_port};
use super::{Case, LoneCase, ensure, eventually, operations};

/// A keydove that tells of each failed poll has told twice by then, on a machine that keeps up.
const TWO_POLLS: Duration = Duration::from_millis(2500);
/// More than the second to which the age of a poll is rounded, and than a poll takes.
const ONE_POLL: Duration = Duration::from_secs(2);
/// The client that may read events.
const FOLLOWER: &str = "mailcow-events";
/// Where metrics are, up to the port.
const LISTEN: &str = "listen = \"127.0.0.1:";
/// Longer than any case.
const CACHE: &str = "[cache]\nmax_staleness = \"10m\"\nmailbox_staleness = \"10m\"\nunknown = \"10m\"\n";

pub const CASES: &[Case] = &[
    ("a_person_who_is_disabled_is_out_when_the_event_is_seen", |system| {
        let (keydove, admin) = (start(system, "event1", FOLLOWER, "")?, system.keycloak.admin());
        known(system, &keydove, "event1@example.org")?;
        admin.update("event1@example.org", |user| user["enabled"] = false.into())?;
        soon(&keydove, "event1@example.org", RIGHT, Refuse("user_disabled"))?;
        admin.update("event1@example.org", |user| user["enabled"] = true.into())?;
        soon(&keydove, "event1@example.org", RIGHT, Accept("keycloak"))
    }),
    ("a_person_who_is_deleted_is_out_when_the_event_is_seen", |system| {
        let keydove = start(system, "event2", FOLLOWER, "")?;
        known(system, &keydove, "event2@example.org")?;
        system.keycloak.admin().delete("event2@example.org")?;
        soon(&keydove, "event2@example.org", RIGHT, Refuse("user_gone"))
    }),
    ("an_old_password_that_nobody_replaced_by_use_is_dead_when_the_event_is_seen", |system| {
        let keydove = start(system, "event3", FOLLOWER, "")?;
        known(system, &keydove, "event3@example.org")?;
        system.keycloak.admin().update("event3@example.org", |user| {
            user["attributes"]["mailcow_password"] = json!([OTHER_HASH]);
        })?;
        soon(&keydove, "event3@example.org", RIGHT, Refuse("password_mismatch"))?;
        attempt_at(&keydove, Attempt::new("event3@example.org", OTHER), Accept("keycloak")).map(drop)
    }),
    ("a_role_that_a_group_gave_is_gone_when_the_event_is_seen", |system| {
        let (address, admin) = ("event6@example.org", system.keycloak.admin());
        make_person(system, address)?;
        admin.make_group("event6")?;
        admin.make_role("event6")?;
        admin.join_group(address, "event6")?;
        admin.map_role("event6", "event6", true)?;
        let keydove = start(system, "event6", FOLLOWER, "required_role = \"event6\"\n")?;
        polled(&keydove)?;
        remembered(&keydove, address)?;
        // The event names a group, and nobody in it.
        admin.map_role("event6", "event6", false)?;
        soon(&keydove, address, RIGHT, Refuse("role_missing"))?;
        admin.map_role("event6", "event6", true)?;
        soon(&keydove, address, RIGHT, Accept("keycloak"))
    }),
    ("an_event_about_one_leaves_the_others_known", |system| {
        let keydove = start(system, "event4", FOLLOWER, "")?;
        known(system, &keydove, "event4@example.org")?;
        known(system, &keydove, "event4-other@example.org")?;
        system.keycloak.admin().update("event4@example.org", |user| user["enabled"] = false.into())?;
        soon(&keydove, "event4@example.org", RIGHT, Refuse("user_disabled"))?;
        let hits = people(&keydove, "hits")?;
        attempt_at(&keydove, Attempt::new("event4-other@example.org", RIGHT), Accept("keycloak"))?;
        let now = people(&keydove, "hits")?;
        ensure(now == hits + 1, || format!("{hits} answers from memory, then {now}"))
    }),
    ("a_missing_right_to_read_events_is_told_once_and_costs_no_login", |system| {
        let keydove = start(system, "event5", "mailcow", "")?;
        eventually(|| {
            ensure(keydove.log().contains("view-events"), || "no word about the right".to_owned())
        })?;
        known(system, &keydove, "event5@example.org")?;
        std::thread::sleep(TWO_POLLS);
        let told = keydove.log().matches("view-events").count();
        ensure(told == 1, || format!("told {told} times"))
    }),
];

pub const LONE_CASES: &[LoneCase] = &[
    ("events_that_the_realm_does_not_keep_are_told_once_and_cost_no_login", |system| {
        let admin = system.keycloak.admin();
        admin.change_realm(&json!({ "adminEventsEnabled": false }))?;
        let keydove = start(system, "event7", FOLLOWER, "")?;
        eventually(|| ensure(keydove.log().contains("the realm keeps no admin events"), || keydove.log()))?;
        make_person(system, "event7@example.org")?;
        remembered(&keydove, "event7@example.org")?;
        let told = keydove.log().matches("the realm keeps no admin events").count();
        admin.change_realm(&json!({ "adminEventsEnabled": true }))?;
        ensure(told == 1, || format!("told {told} times"))
    }),
    ("after_a_restart_of_keycloak_events_are_followed_on", |system| {
        let keydove = start(system, "event8", FOLLOWER, "")?;
        known(system, &keydove, "event8@example.org")?;
        system.keycloak.stop()?;
        attempt_at(&keydove, Attempt::new("event8@example.org", RIGHT), Accept("keycloak"))?;
        system.keycloak.start_again()?;
        system.keycloak.wait_until_ready()?;
        let admin = system.keycloak.admin();
        admin.update("event8@example.org", |user| user["enabled"] = false.into())?;
        eventually(|| {
            let refused = Refuse("user_disabled");
            attempt_at(&keydove, Attempt::new("event8@example.org", RIGHT), refused).map(drop)
        })
    }),
];

/// A keydove that keeps what it knows for long, has this client, and polls every second.
fn start(system: &System, name: &'static str, client: &str, more: &str) -> Result<Keydove> {
    start_with(system, name, client, more, "")
}

/// The same with further tables.
pub fn start_with(
    system: &System,
    name: &'static str,
    client: &str,
    more: &str,
    tables: &str,
) -> Result<Keydove> {
    let control = system.stage().path(&format!("keydove/{name}.control"));
    let http = format!("\n[http]\n{LISTEN}{}\"\n", free_port()?);
    system.keydove.beside(name, |text| {
        let text = remembering(&prompt(&text)).replace(
            "client_id = \"mailcow\"",
            &format!("client_id = \"{client}\"\npoll_events = \"1s\"\n{more}"),
        );
        format!(
            "[[listener]]\ndoor = \"control\"\npath = \"{}\"\n{text}\n{CACHE}{http}{tables}",
            control.display()
        )
    })
}

/// Somebody new who has logged in; no event of their making is still to come.
pub fn known(system: &System, keydove: &Keydove, address: &str) -> Result<()> {
    make_person(system, address)?;
    let config = attempt("read", keydove.config(), std::fs::read_to_string(keydove.config()))?;
    if config.contains(FOLLOWER) {
        polled(keydove)?;
    }
    remembered(keydove, address)
}

/// Waits for a poll that began after now.
fn polled(keydove: &Keydove) -> Result<()> {
    let config = attempt("read", keydove.config(), std::fs::read_to_string(keydove.config()))?;
    let port = config.split_once(LISTEN).and_then(|(_, rest)| rest.split('"').next()?.parse().ok());
    let port = port.ok_or_else(|| Failure("keydove has no port for metrics".to_owned()))?;
    let since = Instant::now();
    eventually(|| {
        let (_, metrics) = operations::get(port, "/metrics")?;
        let age = metrics.lines().find(|line| line.starts_with("keydove_events_age_seconds{"));
        let age = age.and_then(|line| line.rsplit(' ').next()?.parse().ok()).map(Duration::from_secs);
        let polled = age.is_some_and(|age| since.elapsed() >= age + ONE_POLL);
        ensure(polled, || format!("events were read {age:?} ago"))
    })
}

/// They log in, and once more from memory.
fn remembered(keydove: &Keydove, address: &str) -> Result<()> {
    eventually(|| {
        attempt_at(keydove, Attempt::new(address, RIGHT), Accept("keycloak"))?;
        let from_memory = people(keydove, "hits")?;
        attempt_at(keydove, Attempt::new(address, RIGHT), Accept("keycloak"))?;
        let now = people(keydove, "hits")?;
        ensure(now == from_memory + 1, || format!("{address} is not remembered"))
    })
}

/// The login ends so before long.
fn soon(keydove: &Keydove, address: &str, password: &str, end: End<'_>) -> Result<()> {
    eventually(|| attempt_at(keydove, Attempt::new(address, password), end).map(drop))
}

/// A number of the people's cache.
fn people(keydove: &Keydove, name: &str) -> Result<u64> {
    let counts: Value = super::control::json(keydove, &["show", "--json"])?;
    Ok(counts["people"][name].as_u64().unwrap_or(0))
}
