//! `keydove explain` walks the decision: its verdict is that of a login, and it changes nothing.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json as json_of};

use super::control::{make_person, start};
use super::mailcow::world::End::{self, Accept, CannotTell, Refuse};
use super::mailcow::world::{Attempt, OTHER, RIGHT, attempt_at};
use super::stage::keydove::Keydove;
use super::stage::{Failure, Result};
use super::{Case, ensure, eventually};

pub const CASES: &[Case] = &[
    ("what_is_explained_is_what_a_login_gets", |system| {
        let keydove = start(system, "explaining", "0600")?;
        // Whether a login with the password and one with the right password end alike.
        let cases = [
            ("alice@example.org", "pw", "imap", Accept("keycloak")),
            ("alice@example.org", "no", "imap", Refuse("password_mismatch")),
            ("Alice@Example.org", "pw", "smtp", Accept("keycloak")),
            ("alice", "pw", "imap", Refuse("name_invalid")),
            ("alice@example.org", "pw", "teapot", Refuse("service_unknown")),
            ("alice@elsewhere.example", "pw", "imap", Refuse("domain_unknown")),
            ("nobody@example.org", "pw", "imap", Refuse("mailbox_unknown")),
            ("disabled@example.org", "pw", "imap", Refuse("user_disabled")),
            ("nohash@example.org", "pw", "imap", Refuse("password_missing")),
            ("badscheme@example.org", "pw", "imap", CannotTell("hash_unusable")),
            ("ob@example.org", "pw", "pop3", Refuse("user_gone")),
        ];
        for (user, password, service, end) in cases {
            let with = explain(&keydove, user, service, Some(password))?;
            expect(&with, end)?;
            attempt_at(&keydove, Attempt { service, ..Attempt::new(user, password) }, end)?;
            let without = explain(&keydove, user, service, None)?;
            let with_the_right_one = match end {
                Refuse("password_mismatch") => Accept("keycloak"),
                end => end,
            };
            expect(&without, with_the_right_one)?;
        }
        Ok(())
    }),
    ("what_is_explained_of_everybody_in_the_realm_is_what_the_log_says", |system| {
        let keydove = start(system, "explaining-all", "0600")?;
        let people = super::stage::seed::people()?;
        ensure(people.len() > 20, || format!("{} people", people.len()))?;
        for (address, _) in people {
            for password in ["pw", "no"] {
                let told = explain(&keydove, &address, "imap", Some(password))?;
                let word = |key: &str| told["explanation"][key].as_str().unwrap_or_default().to_owned();
                let (verdict, reason) = (word("verdict"), word("reason"));
                let end = match verdict.as_str() {
                    "accept" => Accept(&reason),
                    "refuse" => Refuse(&reason),
                    _ => CannotTell(&reason),
                };
                attempt_at(&keydove, Attempt::new(&address, password), end)?;
            }
        }
        Ok(())
    }),
    ("a_switch_that_is_off_and_what_is_left_are_explained", |system| {
        let keydove = start(system, "explaining-switches", "0600")?;
        let address = "switched@example.org";
        make_person(system, address)?;
        system.execute(&format!(
            "UPDATE mailbox SET attributes = '{{\"pop3_access\":\"0\"}}' WHERE username = '{address}'"
        ))?;
        expect(&explain(&keydove, address, "imap", Some(RIGHT))?, Accept("keycloak"))?;
        let closed = explain(&keydove, address, "pop3", None)?;
        expect(&closed, Refuse("service_forbidden"))?;
        let steps = closed["explanation"]["steps"].to_string();
        ensure(steps.contains("switched off: pop3_access"), || steps.clone())?;
        system.execute(&format!("UPDATE mailbox SET active = 0 WHERE username = '{address}'"))?;
        let out = keydove.command("cache").args(["forget", address]).output();
        ensure(out.is_ok_and(|out| out.status.success()), || "keydove cache forget failed".to_owned())?;
        expect(&explain(&keydove, address, "imap", Some(RIGHT))?, Refuse("mailbox_disabled"))
    }),
    ("an_explanation_shows_the_last_attempts_and_no_secret_and_counts_none", |system| {
        let keydove = start(system, "explaining-attempts", "0600")?;
        let address = "attempts@example.org";
        make_person(system, address)?;
        attempt_at(&keydove, Attempt::new(address, RIGHT), Accept("keycloak"))?;
        attempt_at(&keydove, Attempt::new(address, OTHER), Refuse("password_mismatch"))?;
        for _ in 0..2 {
            expect(&explain(&keydove, address, "imap", Some("guess-4711"))?, Refuse("password_mismatch"))?;
        }
        let told = explain(&keydove, address, "imap", Some("guess-4711"))?;
        let failures = told["failures"].as_array().cloned().unwrap_or_default();
        ensure(failures.len() == 1 && failures[0]["reason"] == "password_mismatch", || told.to_string())?;
        ensure(failures[0]["remote"] == "192.0.2.9", || told.to_string())?;
        // The history is written behind the logins.
        eventually(|| {
            let last = explain(&keydove, address, "imap", None)?["logins"][0]["verdict"].clone();
            ensure(last == "accept", || "the login is in no history".to_owned())
        })?;
        ensure(!told.to_string().contains("$2y$"), || told.to_string())?;
        let log = keydove.log();
        ensure(!log.contains("guess-4711"), || "the password is in the log".to_owned())?;
        let text = said(&keydove, address, "imap", None, &[])?;
        for part in ["accept with the right password", "Keycloak, ", "{BLF-CRYPT}", "password_mismatch"] {
            ensure(text.contains(part), || format!("{part} is not in:\n{text}"))?;
        }
        Ok(())
    }),
    ("an_explanation_makes_no_mailbox_and_says_which_template_would", |system| {
        let keydove = super::control::start_with(system, "explaining-first", |text| {
            format!("{text}\n[provisioning]\nenabled = true\ndefault_template = \"Explained\"\n")
        })?;
        let address = "first-explained@example.org";
        let person = json_of!({
            "email": address, "username": address, "enabled": true,
            "attributes": { "mailcow_password": [super::mailcow::world::RIGHT_HASH] },
        });
        system.keycloak.admin().import(&[person])?;
        expect(&explain(&keydove, address, "imap", Some(RIGHT))?, CannotTell("provision_template_missing"))?;
        system.execute(&format!(
            "INSERT INTO templates (template, type, attributes) VALUES ('Explained', 'mailbox', '{}')",
            super::mailcow::world::TEMPLATE
        ))?;
        for password in [Some(RIGHT), None] {
            let told = explain(&keydove, address, "imap", password)?;
            expect(&told, Accept("keycloak"))?;
            ensure(told.to_string().contains("`Explained`"), || told.to_string())?;
        }
        expect(&explain(&keydove, address, "imap", Some(OTHER))?, Refuse("password_mismatch"))?;
        let rows = system.query(&format!("SELECT username FROM mailbox WHERE username = '{address}'"))?;
        ensure(rows.is_empty(), || format!("{rows:?}"))?;
        attempt_at(&keydove, Attempt::new(address, RIGHT), Accept("keycloak")).map(drop)
    }),
];

pub fn expect(told: &Value, end: End<'_>) -> Result<()> {
    let (verdict, reason) = match end {
        Accept(source) => ("accept", source),
        Refuse(reason) => ("refuse", reason),
        CannotTell(reason) => ("cannot_tell", reason),
    };
    let explanation = &told["explanation"];
    ensure(explanation["verdict"] == verdict && explanation["reason"] == reason, || {
        format!("not {verdict} {reason}: {explanation:#}")
    })
}

pub fn explain(keydove: &Keydove, user: &str, service: &str, password: Option<&str>) -> Result<Value> {
    let text = said(keydove, user, service, password, &["--json"])?;
    serde_json::from_str(&text).map_err(|error| Failure(format!("{error}: {text}")))
}

fn said(
    keydove: &Keydove,
    user: &str,
    service: &str,
    password: Option<&str>,
    more: &[&str],
) -> Result<String> {
    let failed = |error: std::io::Error| Failure(format!("run keydove explain: {error}"));
    let mut command = keydove.command("explain");
    command.args([user, "--service", service]).args(more);
    if password.is_some() {
        command.arg("--password-stdin");
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let (Some(mut stdin), Some(password)) = (child.stdin.take(), password) {
        writeln!(stdin, "{password}").map_err(failed)?;
    }
    let output = child.wait_with_output().map_err(failed)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure(output.status.success(), || {
        format!("{}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr))
    })?;
    Ok(text)
}
