//! What only a whole mail server shows: both Dovecots and Postfix, tokens beside passwords, sessions that are open.

use std::time::Duration;

use serde_json::json;

use crate::clients::{Imap, Login, coming_from, imap_login, imap_token};
use crate::control::make_person;
use crate::logins::{ALL, accepted, refused};
use crate::mailcow::world::{OTHER_HASH, RIGHT, SETTINGS, TEMPLATE, domain, person, prompt, quote};
use crate::oauth::{OAUTH, new_person, tampered};
use crate::stage::keydove::Keydove;
use crate::stage::process::run;
use crate::stage::system::System;
use crate::stage::{Failure, Result, free_port};
use crate::sync::realm;
use crate::takeover::{Site, on_2_3, on_2_4};
use crate::{LoneCase, ensure, eventually, expect, transport};

const ALICE: Login<'_> = Login { user: "alice@example.org", password: "pw" };
/// The exit code of a wrong configuration.
const CONFIG: i32 = 78;

pub const LONE_CASES: &[LoneCase] = &[
    ("a_token_logs_in_through_dovecot_and_a_wrong_one_is_no_guess", |system| {
        let address = "want37@example.org";
        let token = new_person(system, "want37", address)?;
        system.keydove.stop()?;
        system.keydove.start_changed(|text| {
            let throttle = "[throttle]\nfirst_wait = \"15m\"\n";
            prompt(&text).replace("[throttle]\nenabled = false\n", throttle) + OAUTH
        })?;
        // Dovecot takes plain passwords from its own address only.
        system.dovecot.reconfigure("disable_plaintext_auth = no\n")?;
        let end = tokens_are_no_guesses(system, address, &token);
        system.dovecot.reconfigure("")?;
        system.keydove.stop()?;
        system.keydove.start_again()?;
        end
    }),
    ("the_shipped_files_log_in_on_both_dovecots_and_postfix", |system| {
        accepted(system, ALICE.user, ALICE.password, ALL)?;
        refused(system, ALICE.user, "wrong", ALL)?;
        on_2_3(system, lets_alice_in)?;
        on_2_4(system, lets_alice_in)
    }),
    ("a_bad_configuration_is_found_before_a_restart", |system| {
        let good = system.keydove.command("check");
        let path = good.get_args().last().map(std::path::PathBuf::from).unwrap_or_default();
        let text = std::fs::read_to_string(&path).map_err(|error| Failure(error.to_string()))?;
        let check = |text: &str| -> Result<(Option<i32>, String)> {
            std::fs::write(&path, text).map_err(|error| Failure(error.to_string()))?;
            let output = system.keydove.command("check").arg("--offline").output();
            let output = output.map_err(|error| Failure(format!("run keydove check: {error}")))?;
            let said = [output.stdout, output.stderr].concat();
            Ok((output.status.code(), String::from_utf8_lossy(&said).into_owned()))
        };
        let bad = check(&text.replacen("realm = ", "relam = ", 1));
        // The one that runs has read the file before.
        let served = accepted(system, ALICE.user, ALICE.password, ALL);
        let good = check(&text);
        let (code, said) = bad?;
        ensure(code == Some(CONFIG) && said.contains("relam") && said.contains('^'), || {
            format!("{code:?} {said}")
        })?;
        served?;
        let (code, said) = good?;
        ensure(code == Some(0), || format!("{code:?} {said}"))
    }),
    ("an_idle_session_ends_when_its_owner_is_disabled_or_has_a_new_password", |system| {
        let people = ["kicked@example.org", "kicked-not@example.org", "kicked-too@example.org"];
        people.iter().try_for_each(|address| make_person(system, address))?;
        let config = system.dovecot.config().display().to_string();
        let kick = json!(["/usr/bin/doveadm", "-c", config, "kick", "{user}"]);
        system.keydove.stop()?;
        system.keydove.start_changed(|text| {
            let polled = "client_id = \"mailcow-events\"\npoll_events = \"1s\"";
            text.replace("client_id = \"mailcow\"", polled) + &format!("\n[kick]\ncommand = {kick}\n")
        })?;
        let end = access_ends(system, people);
        system.keydove.stop()?;
        system.keydove.start_again()?;
        end
    }),
    ("the_sync_ends_the_open_sessions_of_a_leaver", |system| {
        let people = ["leaver@want35.example", "stayer@want35.example"];
        let admin = system.keycloak.admin();
        admin.make_realm(&realm("want35", people.iter().map(|email| person(email)).collect())?)?;
        let template = format!(
            "INSERT INTO templates (template, type, attributes) VALUES ('Cases', 'mailbox', {});",
            quote(TEMPLATE)
        );
        system.execute(&(domain("want35.example", "") + &template))?;
        let of_realm = |text: String| {
            text.replace("realm = \"mail\"", "realm = \"want35\"\nname = \"want35\"") + SETTINGS
        };
        // As somebody who is not root does it.
        let port = free_port()?;
        system.dovecot.reconfigure(&format!(
            "doveadm_api_key = s3cret\nservice doveadm {{\n  inet_listener http {{\n    address = 127.0.0.1\n    port = {port}\n  }}\n}}\n"
        ))?;
        let kick = json!([
            "/usr/bin/curl",
            "--silent",
            "--fail",
            "--header",
            "Authorization: X-Dovecot-API czNjcmV0",
            "--data",
            "[[\"kick\", {\"mask\": [\"{user}\"]}, \"k\"]]",
            format!("http://127.0.0.1:{port}/doveadm/v1"),
        ]);
        let settings = format!(
            "\n[sync]\nimport = true\nimport_limit = 2\npause = \"0\"\nmissed_runs = 1\n\
             deactivate = \"receive-only\"\n\n[kick]\ncommand = {kick}\n"
        );
        let syncing = system.keydove.beside("want35", |text| of_realm(text) + &settings)?;
        run(&mut syncing.command("sync"))?;
        system.keydove.stop()?;
        system.keydove.start_changed(of_realm)?;
        let end = sessions_end(system, &syncing, people);
        system.dovecot.reconfigure("")?;
        system.keydove.stop()?;
        system.keydove.start_again()?;
        end
    }),
];

fn lets_alice_in(site: &mut Site<'_>) -> Result<()> {
    eventually(|| expect("IMAP", imap_login(site.dovecot.imap, ALICE), "OK "))?;
    let wrong = Login { password: "wrong", ..ALICE };
    expect("IMAP", imap_login(site.dovecot.imap, wrong), "NO [AUTHENTICATIONFAILED]")
}

/// The first one leaves while both have a session open.
fn sessions_end(system: &System, syncing: &Keydove, people: [&str; 2]) -> Result<()> {
    let [leaver, stayer] = people.map(|user| Login { user, password: RIGHT });
    let (mut left, mut stays) = (idle(system, leaver)?, idle(system, stayer)?);
    let admin = system.keycloak.admin().in_realm("want35");
    admin.update(leaver.user, |user| user["enabled"] = false.into())?;
    let said = run(&mut syncing.command("sync"))?;
    ensure(ended(&mut left), || format!("the leaver's session lives on: {said}"))?;
    transport(stays.end_idle())?;
    let answer = transport(stays.command("NOOP"))?;
    ensure(answer.last().is_some_and(|last| last.starts_with("OK")), || format!("{answer:?}"))?;
    refused(system, leaver.user, RIGHT, ALL)?;
    accepted(system, stayer.user, RIGHT, ALL)
}

/// Three wait for news; one is disabled, one has a new password, and nobody logs in.
fn access_ends(system: &System, people: [&str; 3]) -> Result<()> {
    let [disabled, stayer, renewed] = people.map(|user| Login { user, password: RIGHT });
    let admin = system.keycloak.admin();
    let (mut left, mut stays, mut renews) =
        (idle(system, disabled)?, idle(system, stayer)?, idle(system, renewed)?);
    // What made these people is seen meanwhile.
    std::thread::sleep(Duration::from_secs(3));
    admin.update(disabled.user, |user| user["enabled"] = false.into())?;
    admin.update(renewed.user, |user| user["attributes"]["mailcow_password"] = json!([OTHER_HASH]))?;
    let log = || system.keydove.log_so_far();
    ensure(ended(&mut left), || format!("the session of somebody disabled lives on:\n{}", log()))?;
    ensure(ended(&mut renews), || format!("the session of an old password lives on:\n{}", log()))?;
    transport(stays.end_idle())?;
    let answer = transport(stays.command("NOOP"))?;
    ensure(answer.last().is_some_and(|last| last.starts_with("OK")), || format!("{answer:?}"))?;
    accepted(system, stayer.user, RIGHT, ALL)
}

/// A session that waits for news.
fn idle(system: &System, login: Login<'_>) -> Result<Imap> {
    let mut imap = transport(Imap::connect(system.dovecot.imap))?;
    expect("IMAP", imap.login(login), "OK ")?;
    transport(imap.command("SELECT INBOX"))?;
    transport(imap.idle())?;
    Ok(imap)
}

/// Reads until the server has closed; a server that stays silent is waited for as long as any answer may take.
fn ended(imap: &mut Imap) -> bool {
    loop {
        match imap.next_line() {
            Ok(line) if line.starts_with("* BYE") => return true,
            Ok(_) => {}
            Err(error) => {
                return matches!(
                    error.kind(),
                    std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset
                );
            }
        }
    }
}

/// More wrong tokens than anybody may guess passwords, from where nobody is known; then passwords, until they are limited.
fn tokens_are_no_guesses(system: &System, address: &str, token: &str) -> Result<()> {
    let by_token = |token: &str| {
        let response = format!("user={address}\x01auth=Bearer {token}\x01\x01");
        imap_token(system.dovecot.imap, "XOAUTH2", &response, "").map(|(_, end)| end)
    };
    let by_password = |password: &str| imap_login(system.dovecot.imap, Login { user: address, password });
    coming_from([127, 3, 7, 1], || {
        for number in 0..15 {
            let wrong = format!("{}{number}", tampered(token));
            expect("a wrong token", by_token(&wrong), "NO [AUTHENTICATIONFAILED]")?;
        }
        for number in 0..10 {
            let guess = format!("guess {number}");
            expect("a wrong password", by_password(&guess), "NO [AUTHENTICATIONFAILED]")?;
        }
        expect("one more", by_password("guess 10"), "NO [UNAVAILABLE]")
    })?;
    coming_from([127, 4, 7, 1], || {
        expect("a token", by_token(token), "OK")?;
        expect("a password", by_password(RIGHT), "OK ")
    })
}
