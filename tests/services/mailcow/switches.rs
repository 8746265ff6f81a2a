//! What a row says about who may log in: protocol switches, second factors, states, sources.

use super::WorldCase;
use super::world::End::{Accept, Refuse};
use super::world::{Attempt, OTHER, RIGHT, RIGHT_HASH, World, domain};
use crate::logins::{ALL, refused};
use crate::stage::Result;

/// The services that have a switch, by the name that a mail server sends.
const SERVICES: &[(&str, &str)] = &[
    ("imap", "imap_access"),
    ("pop3", "pop3_access"),
    ("smtp", "smtp_access"),
    ("sieve", "sieve_access"),
    ("eas", "eas_access"),
    ("dav", "dav_access"),
];

pub const CASES: &[WorldCase] = &[
    ("no_switch_or_null_allows", |world| {
        for (name, attributes) in [
            ("case26-missing", "{}"),
            ("case26-null", "{\"imap_access\":null}"),
            ("case26-others", "{\"pop3_access\":\"0\"}"),
        ] {
            switched(world, name, attributes)?;
            world.ends(&format!("{name}@case.example"), RIGHT, Accept("mailbox"))?;
        }
        world
            .mailbox("case26-column@case.example", &format!("attributes = NULL, {MAILCOW}'{RIGHT_HASH}'"))?;
        world.ends("case26-column@case.example", RIGHT, Accept("mailbox"))
    }),
    ("one_allows_in_any_form_and_all_else_forbids", |world| {
        for (number, value) in ["1", "true", "\"1\""].iter().enumerate() {
            let name = format!("case27-on{number}");
            switched(world, &name, &format!("{{\"imap_access\":{value}}}"))?;
            world.ends(&format!("{name}@case.example"), RIGHT, Accept("mailbox"))?;
        }
        for (number, value) in ["0", "\"0\"", "\"\"", "\"2\"", "false"].iter().enumerate() {
            let name = format!("case27-off{number}");
            switched(world, &name, &format!("{{\"imap_access\":{value}}}"))?;
            world.ends(&format!("{name}@case.example"), RIGHT, Refuse("service_forbidden"))?;
        }
        each_service_has_its_own_switch(world)
    }),
    ("a_service_that_is_off_costs_no_question", |world| {
        world.person("case28@case.example", |_| ())?;
        world.mailbox("case28@case.example", "attributes = '{\"imap_access\":\"0\"}'")?;
        world.ends_unasked("case28@case.example", OTHER, Refuse("service_forbidden"))?;
        world.ends_unasked("case28@case.example", RIGHT, Refuse("service_forbidden"))
    }),
    ("a_second_factor_takes_the_main_passwords_power", |world| {
        for (name, active) in [("case30-on", 1), ("case30-off", 0)] {
            switched(world, name, "{}")?;
            second_factor(world, name, active)?;
        }
        world.ends("case30-on@case.example", RIGHT, Refuse("second_factor_required"))?;
        world.ends("case30-off@case.example", RIGHT, Accept("mailbox"))
    }),
    ("a_second_factor_of_mailcow_is_not_keycloaks", |world| {
        world.person_with_hash("case31@case.example", RIGHT_HASH)?;
        second_factor(world, "case31", 1)?;
        world.ends("case31@case.example", RIGHT, Accept("keycloak"))
    }),
    ("what_the_web_interface_demands_stops_no_mail", |world| {
        let attributes = "{\"force_pw_update\":\"1\",\"force_tfa\":\"1\"}";
        switched(world, "case32", attributes)?;
        world.ends("case32@case.example", RIGHT, Accept("mailbox"))?;
        world.person("case32-kc@case.example", |_| ())?;
        world.mailbox("case32-kc@case.example", &format!("attributes = '{attributes}'"))?;
        world.ends("case32-kc@case.example", RIGHT, Accept("keycloak"))
    }),
    ("receiving_only_is_no_login", |world| {
        // Postfix of the stage delivers for example.org.
        let address = "case33@example.org";
        world.person(address, |_| ())?;
        world.mailbox(address, "active = 2")?;
        refused(world.system, address, RIGHT, ALL)?;
        world.ends_unasked(address, RIGHT, Refuse("mailbox_disabled"))?;
        crate::mail::is_delivered_to(world.system, address, "mail/example.org/case33/Maildir")
    }),
    // keydove's own: no login switches a mailbox on.
    ("a_login_never_switches_a_mailbox_on", |world| {
        let address = "case34@case.example";
        world.person(address, |user| user["attributes"]["mailcow_template"] = serde_json::json!(["gold"]))?;
        world.mailbox(address, "active = 0, name = 'Case 34'")?;
        world.ends_unasked(address, RIGHT, Refuse("mailbox_disabled"))?;
        world.rows(
            "SELECT active, name, attributes FROM mailbox WHERE username = 'case34@case.example'",
            &[&["0", "Case 34", "{}"]],
        )
    }),
    ("a_mailbox_that_is_off_opens_for_nobody", |world| {
        world.person("case35@case.example", |_| ())?;
        world.mailbox("case35@case.example", "active = 0")?;
        world.ends_unasked("case35@case.example", RIGHT, Refuse("mailbox_disabled"))?;
        world.mailbox("case35-row@case.example", &format!("active = 0, {MAILCOW}'{RIGHT_HASH}'"))?;
        world.ends("case35-row@case.example", RIGHT, Refuse("mailbox_disabled"))
    }),
    ("a_domain_that_is_off_opens_for_nobody", |world| {
        world.system.execute(&domain("case36.example", "active = 0"))?;
        for (name, changes) in [
            ("keycloak", String::new()),
            ("mailcow", format!("{MAILCOW}'{RIGHT_HASH}'")),
            ("ldap", "authsource = 'ldap'".to_owned()),
        ] {
            let address = format!("case36-{name}@case36.example");
            world.person(&address, |_| ())?;
            world.mailbox(&address, &changes)?;
            world.ends_unasked(&address, RIGHT, Refuse("domain_disabled"))?;
        }
        Ok(())
    }),
    ("a_resource_has_no_login", |world| {
        for kind in ["group", "thing", "location", "Location", "a thing"] {
            let address = format!("case37-{}@case.example", kind.replace(' ', "-"));
            // The names differ in more than case, for the database's sake.
            let address = if kind == "Location" { "case37-upper@case.example".to_owned() } else { address };
            world.person(&address, |_| ())?;
            world.mailbox(&address, &format!("kind = '{kind}'"))?;
            world.ends_unasked(&address, RIGHT, Refuse("mailbox_is_resource"))?;
        }
        Ok(())
    }),
    // keydove's own for `ldap`: a reason in place of a fatal error.
    ("a_mailbox_of_a_source_that_is_not_asked_here_is_refused", |world| {
        for (name, source) in [("ldap", "'ldap'"), ("oidc", "'generic-oidc'"), ("null", "NULL")] {
            let address = format!("case39-{name}@case.example");
            world.person(&address, |_| ())?;
            world.mailbox(&address, &format!("password = '{RIGHT_HASH}', authsource = {source}"))?;
            world.ends_unasked(&address, RIGHT, Refuse("source_unsupported"))?;
        }
        Ok(())
    }),
];

/// The columns of a mailbox whose hash stands in its row; the hash follows.
const MAILCOW: &str = "authsource = 'mailcow', password = ";

/// A mailbox with the right password in its row and these attributes.
fn switched(world: &World<'_>, name: &str, attributes: &str) -> Result<()> {
    let changes = format!("attributes = '{attributes}', {MAILCOW}'{RIGHT_HASH}'");
    world.mailbox(&format!("{name}@case.example"), &changes)
}

fn second_factor(world: &World<'_>, name: &str, active: u8) -> Result<()> {
    world.system.execute(&format!(
        "INSERT INTO tfa (key_id, username, authmech, active) VALUES ('key', '{name}@case.example', 'totp', {active})"
    ))
}

fn each_service_has_its_own_switch(world: &World<'_>) -> Result<()> {
    for &(off, key) in SERVICES {
        let name = format!("case27-{off}");
        switched(world, &name, &format!("{{\"{key}\":\"0\"}}"))?;
        let address = format!("{name}@case.example");
        for &(service, _) in SERVICES {
            let end = if service == off { Refuse("service_forbidden") } else { Accept("mailbox") };
            world.attempt(Attempt { service, ..Attempt::new(&address, RIGHT) }, end)?;
        }
    }
    Ok(())
}
