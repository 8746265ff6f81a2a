//! The control socket: what is remembered is shown and forgotten, and by whom.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json as json_of};

use super::mailcow::world::End::{Accept, Refuse};
use super::mailcow::world::{Attempt, RIGHT, RIGHT_HASH, attempt_at, prompt};
use super::stage::keydove::{Keydove, remembering};
use super::stage::system::System;
use super::stage::{Failure, Result, attempt};
use super::{Case, ensure};

const HASH: &str = "$2y$04$";
/// A user that is neither root nor keydove's own.
const STRANGER: u32 = 65_534;

pub const CASES: &[Case] = &[
    ("the_control_socket_shows_what_is_remembered_without_hashes_and_forgets_it", |system| {
        let keydove = start(system, "control", "0600")?;
        let address = "multi@example.org";
        let shown = run(&keydove, &["show", address])?;
        ensure(shown.matches("nothing is remembered").count() == 2, || shown.clone())?;
        attempt_at(&keydove, Attempt::new(address, "pw"), Accept("keycloak"))?;

        let known = json(&keydove, &["show", "Multi@Example.org", "--json"])?;
        let person = &known["person"];
        ensure(person["finding"] == "person" && person["state"] == "enabled", || known.to_string())?;
        ensure(person["scheme"] == "BLF-CRYPT" && person["standing"] == "fresh", || known.to_string())?;
        ensure(person["age_ms"].as_u64().is_some_and(|age| age < 60_000), || known.to_string())?;
        ensure(known["mailbox"]["mailbox"] == "on" && known["mailbox"]["domain"] == "on", || {
            known.to_string()
        })?;
        let shown = run(&keydove, &["show", address])?;
        ensure(
            shown.contains("{BLF-CRYPT}") && !shown.contains("$2") && !known.to_string().contains("$2"),
            || shown.clone(),
        )?;

        let fetches =
            |counts: &Value| (counts["people"]["fetches"].as_u64(), counts["mailboxes"]["fetches"].as_u64());
        let before = json(&keydove, &["show", "--json"])?;
        ensure(fetches(&before) == (Some(1), Some(1)), || before.to_string())?;
        let forgotten = run(&keydove, &["forget", address])?;
        ensure(forgotten.contains("multi@example.org is forgotten"), || forgotten.clone())?;
        attempt_at(&keydove, Attempt::new(address, "pw"), Accept("keycloak"))?;
        let after = json(&keydove, &["show", "--json"])?;
        ensure(fetches(&after) == (Some(2), Some(2)), || after.to_string())?;

        let flushed = run(&keydove, &["flush"])?;
        ensure(flushed.contains("1 answers of Keycloak, 1 of the database"), || flushed.clone())?;
        let again = run(&keydove, &["forget", address])?;
        ensure(again.contains("nothing was remembered"), || again.clone())?;
        ensure(!keydove.log().contains(HASH), || "a hash is in the log".to_owned())
    }),
    ("whoever_is_forgotten_over_the_control_socket_is_asked_for_anew", |system| {
        let keydove = start(system, "forgetting", "0600")?;
        let address = "forgotten@example.org";
        let admin = system.keycloak.admin();
        make_person(system, address)?;
        let right = || Attempt::new(address, RIGHT);
        attempt_at(&keydove, right(), Accept("keycloak"))?;
        admin.update(address, |user| user["enabled"] = false.into())?;
        attempt_at(&keydove, right(), Accept("keycloak"))?;
        run(&keydove, &["forget", address])?;
        attempt_at(&keydove, right(), Refuse("user_disabled")).map(drop)
    }),
    ("a_stranger_at_the_control_socket_is_told_why_and_turned_away", |system| {
        let keydove = start(system, "strange", "0666")?;
        // The stage's folders and the file are open enough; the socket is.
        let mut command = cache(&keydove, &["flush"]);
        command.uid(STRANGER).gid(STRANGER);
        let (code, said) = end(command)?;
        ensure(code == Some(65) && said.contains("only root and the user that runs keydove"), || {
            format!("{code:?} {said}")
        })?;
        let (code, said) = end(cache(&keydove, &["flush"]))?;
        ensure(code == Some(0), || format!("{code:?} {said}"))
    }),
    ("the_status_shows_logins_latencies_caches_and_backends", |system| {
        let keydove = start(system, "status", "0600")?;
        let address = "alice@example.org";
        for _ in 0..3 {
            attempt_at(&keydove, Attempt::new(address, "pw"), Accept("keycloak"))?;
        }
        attempt_at(&keydove, Attempt::new(address, "no"), Refuse("password_mismatch"))?;
        let status = |arguments: &[&str]| {
            let mut command = keydove.command("status");
            command.args(arguments);
            match end(command)? {
                (Some(0), said) => Ok(said),
                (code, said) => Err(Failure(format!("keydove status ended with {code:?}: {said}"))),
            }
        };
        let text = status(&["--json"])?;
        let told: Value = serde_json::from_str(&text).map_err(|error| Failure(format!("{error}: {text}")))?;
        let count = |reason: &str| {
            let logins = told["logins"].as_array().into_iter().flatten();
            logins
                .filter(|login| login["reason"] == reason)
                .filter_map(|login| login["count"].as_u64())
                .sum::<u64>()
        };
        ensure((count("ok"), count("password_mismatch")) == (3, 1), || text.clone())?;
        let backends = told["backends"].as_array().into_iter().flatten();
        let calls: Vec<_> =
            backends.map(|backend| (backend["name"].as_str(), backend["state"].as_str())).collect();
        ensure(calls == [(Some("sql"), Some("asked")), (Some("keycloak"), Some("asked"))], || text.clone())?;
        let shown = status(&[])?;
        for part in
            ["4 logins since the start", "password_mismatch", "people", "from memory", "hashing: 0 waiting"]
        {
            ensure(shown.contains(part), || format!("no `{part}` in\n{shown}"))?;
        }
        Ok(())
    }),
    ("a_control_socket_that_is_closed_missing_or_dead_is_told_apart", |system| {
        let mut keydove = start(system, "closed", "0600")?;
        let mut command = cache(&keydove, &["flush"]);
        command.uid(STRANGER).gid(STRANGER);
        let (code, said) = end(command)?;
        ensure(code == Some(70) && said.contains("no right to open"), || format!("{code:?} {said}"))?;
        keydove.stop()?;
        let (code, said) = end(cache(&keydove, &["flush"]))?;
        ensure(code == Some(70) && said.contains("nobody listens"), || format!("{code:?} {said}"))?;
        let without = system.keydove.beside("uncontrolled", |text| remembering(&text))?;
        let (code, said) = end(cache(&without, &["flush"]))?;
        ensure(code == Some(78) && said.contains("no control listener"), || format!("{code:?} {said}"))
    }),
];

/// A keydove with the default caches and a control socket.
pub fn start(system: &System, name: &'static str, mode: &str) -> Result<Keydove> {
    start_as(system, name, mode, |text| text)
}

/// The same with other settings, for keydove's own user only.
pub fn start_with(
    system: &System,
    name: &'static str,
    settings: impl FnOnce(String) -> String,
) -> Result<Keydove> {
    start_as(system, name, "0600", settings)
}

fn start_as(
    system: &System,
    name: &'static str,
    mode: &str,
    settings: impl FnOnce(String) -> String,
) -> Result<Keydove> {
    let path: PathBuf = system.stage().path(&format!("keydove/{name}.control"));
    let folder = system.stage().path("keydove");
    attempt("open", &folder, std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)))?;
    system.keydove.beside(name, |text| {
        let listener =
            format!("[[listener]]\ndoor = \"control\"\npath = \"{}\"\nmode = \"{mode}\"\n", path.display());
        settings(format!("{listener}{}", remembering(&prompt(&text))))
    })
}

/// Somebody in Keycloak with the password [`RIGHT`], and their mailbox.
pub fn make_person(system: &System, address: &str) -> Result<()> {
    let person = json_of!({
        "email": address, "username": address, "enabled": true,
        "attributes": { "mailcow_password": [RIGHT_HASH] },
    });
    system.keycloak.admin().import(&[person])?;
    let local_part = address.trim_end_matches("@example.org");
    system.execute(&format!(
        "INSERT INTO mailbox (username, password, name, quota, local_part, domain, attributes, kind, authsource, active) \
         VALUES ('{address}', '', '', 0, '{local_part}', 'example.org', '{{}}', '', 'keycloak', 1)"
    ))
}

fn cache(keydove: &Keydove, arguments: &[&str]) -> Command {
    let mut command = keydove.command("cache");
    command.args(arguments);
    command
}

/// The exit code, and what was said on either output.
fn end(mut command: Command) -> Result<(Option<i32>, String)> {
    let output = command.output().map_err(|error| Failure(format!("run keydove cache: {error}")))?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8_lossy(&said).into_owned()))
}

/// What a command that must do as it is told says.
pub fn run(keydove: &Keydove, arguments: &[&str]) -> Result<String> {
    match end(cache(keydove, arguments))? {
        (Some(0), said) => Ok(said),
        (code, said) => Err(Failure(format!("keydove cache {arguments:?} ended with {code:?}: {said}"))),
    }
}

/// The document that a command prints.
pub fn json(keydove: &Keydove, arguments: &[&str]) -> Result<Value> {
    let said = run(keydove, arguments)?;
    serde_json::from_str(&said).map_err(|error| Failure(format!("{error}: {said}")))
}
