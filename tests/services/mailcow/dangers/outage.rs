//! What an outage, or an administrator's mistake, must not turn into.

use std::time::Duration;

use regex::Regex;
use serde_json::{Value, json};

use super::cache::behind;
use crate::ensure;
use crate::mailcow::WorldCase;
use crate::mailcow::world::End::{Accept, Refuse};
use crate::mailcow::world::{Attempt, OTHER, RIGHT, World, attempt_at, connect, person, prompt, send};
use crate::stage::relay::Conduct;
use crate::stage::{Failure, Result, source_tree};
use crate::{eventually, transport};

/// mailcow's rules for its ban daemon that are about logins; of rule 3 without its last condition, so that it matches more.
const RULES: [&str; 5] = [
    r"mailcow UI: Invalid password for .+ by ([0-9a-f\.:]+)",
    r"warning: .*\[([0-9a-f\.:]+)\]: SASL .+ authentication failed: ",
    r"\w+\([^,]+,([0-9a-f\.:]+),<[^>]+>\): Password mismatch \(SHA1 of given password: [a-f0-9]+\)",
    r"\w+\([^,]+,([0-9a-f\.:]+),<[^>]+>\): unknown user \(SHA1 of given password: [a-f0-9]+\)",
    r"SOGo.+ Login from '([0-9a-f\.:]+)' for user .+ might not have worked",
];
/// A cold start: so many people, and one question to Keycloak in so long a time.
const PEOPLE: usize = 300;
const PACE: Duration = Duration::from_millis(50);

pub const CASES: &[WorldCase] = &[
    ("a_cold_start_refuses_nobody", |world| {
        let (relay, keydove) = behind(world, "t15", "")?;
        let addresses = crowd(world, "t15", PEOPLE)?;
        relay.turn(Conduct::Pace(PACE));
        let mut waiting = addresses;
        while !waiting.is_empty() {
            let out = waiting.len();
            let mut sockets = Vec::new();
            for address in waiting {
                let mut socket = connect(&keydove)?;
                send(&mut socket, Attempt::new(&address, RIGHT))?;
                sockets.push((address, socket));
            }
            waiting = Vec::new();
            for (address, mut socket) in sockets {
                let answer = transport(socket.line())?;
                if !answer.starts_with("OK\t1\t") {
                    ensure(answer.ends_with("code=temp_fail"), || format!("{address}: {answer}"))?;
                    waiting.push(address);
                }
            }
            ensure(waiting.len() < out, || format!("none of {out} people got in"))?;
        }
        ensure(!keydove.log().contains("verdict=refuse"), || "somebody was refused".to_owned())
    }),
    ("one_persons_failures_delay_nobody_else", |world| {
        world.person("t18@case.example", |_| ())?;
        world.mailbox("t18@case.example", "")?;
        let keydove = world
            .system
            .keydove
            .beside("t18", |text| prompt(&text).replace("failure_delay = \"0\"", "failure_delay = \"2s\""))?;
        let mut socket = connect(&keydove)?;
        for id in 2..30 {
            let guess = format!("\0t18@case.example\0guess {id}");
            transport(socket.login_with(id, "service=imap\trip=192.0.2.9", guess.as_bytes()))?;
        }
        send(&mut socket, Attempt::new("t18@case.example", RIGHT))?;
        // The refusals were asked for first and wait for their delay.
        crate::expect("the first answer", socket.line(), "OK\t1\tuser=t18@case.example")
    }),
    ("an_outage_feeds_no_ban_tool", |world| {
        let (relay, keydove) = behind(world, "t19", "")?;
        let addresses = crowd(world, "t19", 200)?;
        relay.turn(Conduct::Refuse);
        for address in &addresses {
            let mut socket = connect(&keydove)?;
            send(&mut socket, Attempt::new(address, RIGHT))?;
            let answer = transport(socket.line())?;
            ensure(answer.ends_with("code=temp_fail"), || format!("{address}: {answer}"))?;
        }
        let rules = rules()?;
        let count =
            |log: &str| log.lines().filter(|line| rules.iter().any(|rule| rule.is_match(line))).count();
        let log = keydove.log();
        ensure(log.matches("verdict=cannot_tell").count() >= 200 && count(&log) == 0, || {
            format!("{} lines are for banning", count(&log))
        })?;
        // A guess is such a line, and one only.
        relay.turn(Conduct::Pass);
        eventually(|| {
            let guess = Attempt::new(&addresses[0], OTHER);
            attempt_at(&keydove, guess, Refuse("password_mismatch")).map(drop)
        })?;
        ensure(count(&keydove.log()) == 1, || format!("{} lines for one guess", count(&keydove.log())))
    }),
    ("keycloaks_lockout_is_told_from_a_wrong_password", |world| {
        world.bench.admin.make_realm(&realm_with_lockout()?)?;
        world.mailbox("t27@case.example", "")?;
        let keydove = world
            .system
            .keydove
            .beside("t27", |text| prompt(&text).replace("realm = \"mail\"", "realm = \"lockout\""))?;
        let login = |end| attempt_at(&keydove, Attempt::new("t27@case.example", RIGHT), end).map(drop);
        login(Accept("keycloak"))?;
        let admin = world.bench.admin.in_realm("lockout");
        // Guesses at keydove are none at Keycloak.
        for _ in 0..3 {
            attempt_at(&keydove, Attempt::new("t27@case.example", OTHER), Refuse("password_mismatch"))?;
        }
        ensure(admin.lockout("t27@case.example")?["numFailures"] == 0, || "Keycloak counts".to_owned())?;
        // A lockout for a while: `enabled` stays true, so mail goes on.
        admin.fail_to_log_in("t27@case.example", 3)?;
        let status = admin.lockout("t27@case.example")?;
        ensure(status["disabled"] == true && admin.is_enabled("t27@case.example")?, || status.to_string())?;
        login(Accept("keycloak"))?;
        // A lockout for good: Keycloak disables the account, so mail ends.
        admin.change_realm(&json!({ "permanentLockout": true, "maxTemporaryLockouts": 0 }))?;
        admin.unlock("t27@case.example")?;
        admin.fail_to_log_in("t27@case.example", 4)?;
        eventually(|| ensure(!admin.is_enabled("t27@case.example")?, || "still enabled".to_owned()))?;
        login(Refuse("user_locked_out"))
    }),
    // The rest is by construction: one line an attempt, however many sources were asked.
    ("one_attempt_is_one_line", |world| {
        world.person("t24@case.example", |_| ())?;
        world.mailbox("t24@case.example", "")?;
        crate::mailcow::app_password(world, "t24@case.example", "active = 1")?;
        let keydove = world.system.keydove.beside("t24", |text| prompt(&text))?;
        attempt_at(&keydove, Attempt::new("t24@case.example", "neither"), Refuse("password_mismatch"))?;
        attempt_at(&keydove, Attempt::new("t24@case.example", OTHER), Accept("app_password"))?;
        let log = keydove.log();
        let (all, refused) = (log.matches(" login verdict=").count(), log.matches("verdict=refuse").count());
        ensure((all, refused) == (2, 1), || log.clone())
    }),
];

/// So many people with mailboxes.
pub fn crowd(world: &World<'_>, name: &str, size: usize) -> Result<Vec<String>> {
    let addresses: Vec<_> = (0..size).map(|number| format!("{name}-{number}@case.example")).collect();
    let people: Vec<_> = addresses.iter().map(|address| person(address)).collect();
    world.bench.admin.import(&people)?;
    let rows: Vec<_> = addresses
        .iter()
        .map(|address| {
            let local_part = address.trim_end_matches("@case.example");
            format!("('{address}', '', '', 0, '{local_part}', 'case.example', '{{}}', 'keycloak')")
        })
        .collect();
    world.system.execute(&format!(
        "INSERT INTO mailbox (username, password, name, quota, local_part, domain, attributes, authsource) VALUES {};",
        rows.join(",")
    ))?;
    Ok(addresses)
}

/// mailcow's, and the one that docs/logging.md has for fail2ban.
fn rules() -> Result<Vec<Regex>> {
    let page =
        std::fs::read_to_string(source_tree().join("docs/logging.md")).map_err(|error| error.to_string())?;
    let shipped = page.lines().find_map(|line| line.trim().strip_prefix("failregex = "));
    let shipped = shipped.ok_or_else(|| Failure("docs/logging.md has no failregex".to_owned()))?;
    // What fail2ban puts in place of it, nearly; it cuts the space at the end of a line.
    let shipped = shipped.trim_end().replace("<HOST>", r"[0-9a-f.:]+");
    let compiled = RULES.into_iter().chain([shipped.as_str()]).map(Regex::new);
    compiled.collect::<std::result::Result<_, _>>().map_err(|error| Failure(error.to_string()))
}

/// The realm of the stage under another name, with one person, who is locked out after two failures.
fn realm_with_lockout() -> Result<Value> {
    let path = source_tree().join("tests/realm/mail-realm.json");
    let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let mut realm: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    realm["realm"] = "lockout".into();
    realm["bruteForceProtected"] = true.into();
    realm["permanentLockout"] = false.into();
    realm["failureFactor"] = 2.into();
    let mut locked = person("t27@case.example");
    locked["credentials"] = json!([{ "type": "password", "value": RIGHT, "temporary": false }]);
    let mut users: Vec<_> = realm["users"].as_array().cloned().unwrap_or_default();
    users.retain(|user| !user["serviceAccountClientId"].is_null());
    users.push(locked);
    realm["users"] = users.into();
    Ok(realm)
}
