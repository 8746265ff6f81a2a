//! `explain` and `check --user` say what a login gets, where they used to say something else.

use serde_json::json as json_of;

use super::control::{make_person, start_with};
use super::explain::{expect, explain};
use super::mailcow::world::End::{Accept, CannotTell, Refuse};
use super::mailcow::world::{Attempt, RIGHT, RIGHT_HASH, TEMPLATE, attempt_at, prompt};
use super::stage::keydove::{Keydove, remembering};
use super::stage::{Failure, Result};
use super::{Case, ensure};

/// First logins by a template of one's own.
const MAKES: &str = "\n[provisioning]\nenabled = true\nretry_after = \"1s\"\ndefault_template = ";

pub const CASES: &[Case] = &[
    ("a_switch_that_is_off_is_the_reason_although_the_person_is_disabled", |system| {
        let keydove = start_with(system, "truth-switch", |text| text)?;
        let address = "truth-switch@example.org";
        make_person(system, address)?;
        system.execute(&format!(
            "UPDATE mailbox SET attributes = '{{\"pop3_access\":\"0\"}}' WHERE username = '{address}'"
        ))?;
        system.keycloak.admin().update(address, |user| user["enabled"] = false.into())?;
        for (service, end) in [("pop3", Refuse("service_forbidden")), ("imap", Refuse("user_disabled"))] {
            expect(&explain(&keydove, address, service, None)?, end)?;
            attempt_at(&keydove, Attempt { service, ..Attempt::new(address, RIGHT) }, end)?;
            expect(&explain(&keydove, address, service, Some(RIGHT))?, end)?;
        }
        Ok(())
    }),
    ("a_first_login_that_a_limit_or_the_template_stops_is_not_called_an_accept", |system| {
        let template = |name: &str, text: &str| {
            system.execute(&format!(
                "INSERT INTO templates (template, type, attributes) VALUES ('{name}', 'mailbox', '{text}')"
            ))
        };
        template("TruthPlain", TEMPLATE)?;
        template("TruthOff", &TEMPLATE.replace("\"active\":1", "\"active\":0"))?;
        template("TruthNoImap", &TEMPLATE.replace("\"imap_access\":1", "\"imap_access\":0"))?;
        system.execute(
            "INSERT INTO domain (domain, mailboxes, quota, active) VALUES ('truth-full.example', 0, 1000, 1);
             INSERT INTO domain (domain, mailboxes, quota, active) VALUES ('truth.example', 1000, 1000, 1);
             INSERT INTO alias (address, goto, domain) VALUES ('alias@truth.example', 'x@truth.example', 'truth.example')",
        )?;
        for (name, mapped, address, end) in [
            (
                "truth-full",
                "TruthPlain",
                "new@truth-full.example",
                CannotTell("provision_max_mailbox_exceeded"),
            ),
            ("truth-alias", "TruthPlain", "alias@truth.example", CannotTell("provision_is_alias")),
            ("truth-off", "TruthOff", "off@truth.example", Refuse("mailbox_disabled")),
            ("truth-noimap", "TruthNoImap", "noimap@truth.example", Refuse("service_forbidden")),
            ("truth-plain", "TruthPlain", "plain@truth.example", Accept("keycloak")),
        ] {
            let keydove = start_with(system, name, |text| format!("{text}{MAKES}\"{mapped}\"\n"))?;
            system.keycloak.admin().import(&[person(address)])?;
            let told = explain(&keydove, address, "imap", None)?;
            expect(&told, end)?;
            expect(&explain(&keydove, address, "imap", Some(RIGHT))?, end)?;
            let rows = system.query(&format!("SELECT username FROM mailbox WHERE username = '{address}'"))?;
            ensure(rows.is_empty(), || format!("the rehearsal left {rows:?}"))?;
            let checked = check(&keydove, address)?;
            ensure(checked.contains("the running keydove was asked"), || checked.clone())?;
            let told = match end {
                Accept(_) => "imap: the right password opens the mailbox",
                Refuse(reason) | CannotTell(reason) => reason,
            };
            ensure(checked.contains(told), || format!("{address}: no `{told}` in\n{checked}"))?;
            attempt_at(&keydove, Attempt::new(address, RIGHT), end)?;
        }
        Ok(())
    }),
    ("check_finds_out_by_itself_where_no_daemon_can_be_asked", |system| {
        let keydove = system.keydove.beside("truth-alone", |text| remembering(&prompt(&text)))?;
        let address = "truth-alone@example.org";
        make_person(system, address)?;
        system.execute(&format!(
            "UPDATE mailbox SET attributes = '{{\"pop3_access\":\"0\"}}' WHERE username = '{address}'"
        ))?;
        let checked = check(&keydove, address)?;
        for part in [
            "imap: the right password opens the mailbox (keycloak)",
            "pop3: the right password is refused: service_forbidden",
        ] {
            ensure(checked.contains(part), || format!("no `{part}` in\n{checked}"))?;
        }
        ensure(!checked.contains("the running keydove was asked"), || checked.clone())
    }),
];

fn person(address: &str) -> serde_json::Value {
    json_of!({
        "email": address, "username": address, "enabled": true,
        "attributes": { "mailcow_password": [RIGHT_HASH] },
    })
}

/// What `check --user` prints, whatever its exit code.
fn check(keydove: &Keydove, address: &str) -> Result<String> {
    let output = keydove.command("check").args(["--user", address]).output();
    let output = output.map_err(|error| Failure(format!("run keydove check: {error}")))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
