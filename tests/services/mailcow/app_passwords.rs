//! App passwords: rows of `app_passwd` with switches of their own.

use std::time::Instant;

use crate::ensure;
use crate::mailcow::WorldCase;
use crate::mailcow::world::End::{Accept, CannotTell, Refuse};
use crate::mailcow::world::{
    Attempt, OTHER, OTHER_HASH, RIGHT, RIGHT_HASH, World, attempt_at, connect, domain, log_line, prompt,
    quote, send,
};
use crate::stage::keydove::Keydove;
use crate::stage::{Failure, Result};
use crate::transport;

const BY_APP_PASSWORD: super::world::End<'static> = Accept("app_password");
/// How many wrong logins may end as cannot tell before all hashes of 20 app passwords are known not to fit, or be late
/// because the machine is busy.
const ROUNDS: usize = 5;

pub const CASES: &[WorldCase] = &[
    ("the_mailboxes_switch_is_the_main_passwords", |world| {
        let off = "attributes = '{\"imap_access\":\"0\"}'";
        with_row(world, "case20@case.example", off)?;
        app_password(world, "case20@case.example", "imap_access = 1")?;
        world.ends("case20@case.example", OTHER, BY_APP_PASSWORD)?;
        world.ends("case20@case.example", RIGHT, Refuse("service_forbidden"))
    }),
    ("an_app_password_has_its_own_switches", |world| {
        with_row(world, "case21@case.example", "active = 1")?;
        app_password(world, "case21@case.example", "imap_access = 0")?;
        world.ends("case21@case.example", OTHER, Refuse("password_mismatch"))?;
        world.ends("case21@case.example", RIGHT, Accept("mailbox"))?;
        for service in ["pop3", "smtp", "sieve", "eas", "dav"] {
            let attempt = Attempt { service, ..Attempt::new("case21@case.example", OTHER) };
            world.attempt(attempt, BY_APP_PASSWORD)?;
        }
        Ok(())
    }),
    // keydove's own for people in Keycloak: they must be enabled there now, so nobody who left gets in by an app
    // password, and while Keycloak is away nobody can tell.
    ("an_app_password_counts_for_mailboxes_of_any_source", |world| {
        for (name, source) in [("oidc", "'generic-oidc'"), ("ldap", "'ldap'"), ("null", "NULL")] {
            let address = format!("case22-{name}@case.example");
            world.mailbox(&address, &format!("authsource = {source}"))?;
            app_password(world, &address, "active = 1")?;
            world.ends_unasked(&address, OTHER, BY_APP_PASSWORD)?;
        }
        for name in ["here", "gone", "off"] {
            let address = format!("case22-{name}@case.example");
            world.person(&address, |user| user["enabled"] = (name != "off").into())?;
            world.mailbox(&address, "")?;
            app_password(world, &address, "active = 1")?;
        }
        world.bench.admin.delete("case22-gone@case.example")?;
        world.ends("case22-here@case.example", OTHER, BY_APP_PASSWORD)?;
        world.ends("case22-gone@case.example", OTHER, Refuse("user_gone"))?;
        world.ends("case22-off@case.example", OTHER, Refuse("user_disabled"))?;
        let url = world.system.keycloak.url();
        let away = world
            .system
            .keydove
            .beside("case22", |text| prompt(&text).replace(&url, "http://127.0.0.1:9"))?;
        attempt_at(&away, Attempt::new("case22-here@case.example", OTHER), CannotTell("keycloak_refused"))?;
        attempt_at(&away, Attempt::new("case22-null@case.example", OTHER), BY_APP_PASSWORD).map(drop)
    }),
    ("what_is_off_is_off_for_app_passwords_too", |world| {
        world.system.execute(&domain("case23.example", "active = 0"))?;
        for (address, of_mailbox, of_password, reason) in [
            ("case23-0@case.example", "active = 0", "active = 1", "mailbox_disabled"),
            ("case23-2@case.example", "active = 2", "active = 1", "mailbox_disabled"),
            ("case23@case23.example", "active = 1", "active = 1", "domain_disabled"),
            ("case23-app@case.example", "active = 1", "active = 0", "password_mismatch"),
            ("case23-room@case.example", "kind = 'location'", "active = 1", "mailbox_is_resource"),
        ] {
            with_row(world, address, of_mailbox)?;
            app_password(world, address, of_password)?;
            world.ends(address, OTHER, Refuse(reason))?;
        }
        Ok(())
    }),
    ("an_app_password_needs_no_second_factor", |world| {
        with_row(world, "case24@case.example", "active = 1")?;
        app_password(world, "case24@case.example", "active = 1")?;
        world.system.execute(
            "INSERT INTO tfa (key_id, username, authmech, active) VALUES ('key', 'case24@case.example', 'totp', 1)",
        )?;
        world.ends("case24@case.example", OTHER, BY_APP_PASSWORD)?;
        world.ends("case24@case.example", RIGHT, Refuse("second_factor_required"))
    }),
    // keydove's own for names that are no service at all: nobody logs in by them.
    ("a_service_without_a_switch_takes_no_app_password", |world| {
        with_row(world, "case25@case.example", "active = 1")?;
        app_password(world, "case25@case.example", "active = 1")?;
        let by = |service, password, end| {
            world.attempt(Attempt { service, ..Attempt::new("case25@case.example", password) }, end)
        };
        by("doveadm", OTHER, Refuse("password_mismatch"))?;
        by("doveadm", RIGHT, Accept("mailbox"))?;
        for password in [OTHER, RIGHT] {
            by("lmtp", password, Refuse("service_unknown"))?;
            by("nonsense", password, Refuse("service_unknown"))?;
        }
        Ok(())
    }),
    ("many_app_passwords_do_not_show_in_the_time_of_a_refusal", |world| {
        for number in [0, 1, 20] {
            let address = format!("t29-{number}@case.example");
            with_row(world, &address, "active = 1")?;
            for _ in 0..number {
                app_password(world, &address, "active = 1")?;
            }
        }
        let keydove = world.system.keydove.beside("t29", |text| {
            prompt(&text).replace("failure_delay = \"0\"", "failure_delay = \"300ms\"")
        })?;
        for address in ["t29-0@case.example", "t29-1@case.example", "t29-20@case.example"] {
            refused_in_the_end(&keydove, address)?;
        }
        Ok(())
    }),
];

/// A mailbox whose main password is the right one, in its row.
fn with_row(world: &World<'_>, address: &str, changes: &str) -> Result<()> {
    world.mailbox(address, &format!("authsource = 'mailcow', password = '{RIGHT_HASH}', {changes}"))
}

/// An app password, the other one, with these columns changed.
pub fn app_password(world: &World<'_>, address: &str, changes: &str) -> Result<()> {
    let (_, domain) = address.rsplit_once('@').unwrap_or_default();
    world.system.execute(&format!(
        "INSERT INTO app_passwd (name, mailbox, domain, password) VALUES ('case', {address}, '{domain}', '{OTHER_HASH}');
         UPDATE app_passwd SET {changes} WHERE mailbox = {address};",
        address = quote(address)
    ))
}

/// A wrong password is refused, not sooner than any other; with many hashes only after they all have been tried.
fn refused_in_the_end(keydove: &Keydove, address: &str) -> Result<()> {
    for _ in 0..ROUNDS {
        let mut socket = connect(keydove)?;
        let start = Instant::now();
        let session = send(&mut socket, Attempt::new(address, "neither"))?;
        let answer = transport(socket.line())?;
        let took = start.elapsed().as_millis();
        let line = log_line(keydove, &session)?;
        if line.0.contains("reason=password_mismatch") {
            ensure(took >= 300 && !answer.contains("code="), || line.0.clone())?;
            if took < 900 {
                return Ok(());
            }
            continue;
        }
        ensure(answer.ends_with("code=temp_fail"), || format!("{answer}\n{}", line.0))?;
    }
    Err(Failure(format!("{address} was never refused in time:\n{}", keydove.log())))
}
