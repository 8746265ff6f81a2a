//! Templates that change: existing mailboxes follow, after the login and not in it.

use std::thread::sleep;
use std::time::Duration;

use super::WorldCase;
use crate::mailcow::provisioning::newcomer;
use crate::mailcow::world::End::{Accept, Refuse};
use crate::mailcow::world::{Attempt, RIGHT, SETTINGS, TEMPLATE, World, attempt_at, prompt, quote};
use crate::stage::Result;
use crate::stage::keydove::Keydove;
use crate::{ensure, eventually};

/// How long none may come.
const QUIET: Duration = Duration::from_millis(1500);

pub const CASES: &[WorldCase] = &[
    // keydove's own: neither the state nor what an administrator set by hand.
    ("an_update_leaves_the_state_alone", |world| {
        let address = "case34-hand@case.example";
        set_template(world, "case34", &TEMPLATE.replace("\"pop3_access\":1", "\"pop3_access\":0"))?;
        let mut keydove = mapped(world, "case34")?;
        newcomer(world, address, Some("case34"))?;
        login(&keydove, address)?;
        world
            .system
            .execute(&format!("UPDATE mailbox SET active = 0, quota = 7 WHERE username = '{address}'"))?;
        set_template(world, "case34", TEMPLATE)?;
        forget_all(&mut keydove)?;
        attempt_at(&keydove, Attempt::new(address, RIGHT), Refuse("mailbox_disabled"))?;
        sleep(QUIET);
        let state = format!("SELECT quota, active FROM mailbox WHERE username = '{address}'");
        world.rows(&state, &[&["7", "0"]])?;
        world.system.execute(&format!("UPDATE mailbox SET active = 1 WHERE username = '{address}'"))?;
        forget_all(&mut keydove)?;
        login(&keydove, address)?;
        it_shows(world, address, "\"pop3_access\": \"1\"")?;
        world.rows(&state, &[&["7", "1"]])
    }),
    ("without_a_mapping_there_is_no_update", |world| {
        let address = "case43@case.example";
        newcomer(world, address, Some("nonsense"))?;
        world.mailbox(address, "quota = 7")?;
        world.ends(address, RIGHT, Accept("keycloak"))?;
        sleep(QUIET);
        world.rows(
            &format!("SELECT attributes, quota, modified FROM mailbox WHERE username = '{address}'"),
            &[&["{}", "7", &modified(world, address)?]],
        )
    }),
    ("a_template_that_is_gone_changes_nothing", |world| {
        let address = "case45-update@case.example";
        newcomer(world, address, Some("gone"))?;
        world.mailbox(address, "quota = 7")?;
        world.ends(address, RIGHT, Accept("keycloak"))?;
        sleep(QUIET);
        world.rows(
            &format!("SELECT attributes, quota FROM mailbox WHERE username = '{address}'"),
            &[&["{}", "7"]],
        )
    }),
    ("an_edited_template_is_one_update", |world| {
        let address = "case57@case.example";
        set_template(world, "case57", TEMPLATE)?;
        let mut keydove = mapped(world, "case57")?;
        newcomer(world, address, Some("case57"))?;
        login(&keydove, address)?;
        let before = hash(world, address)?;
        // The same settings in another spelling.
        set_template(world, "case57", &TEMPLATE.replace(':', ": "))?;
        forget_all(&mut keydove)?;
        login(&keydove, address)?;
        eventually(|| ensure(hash(world, address)? != before, || "the mailbox does not follow".to_owned()))?;
        let (after, at) = (hash(world, address)?, modified(world, address)?);
        // A second update would have another second.
        sleep(QUIET);
        forget_all(&mut keydove)?;
        login(&keydove, address)?;
        sleep(QUIET);
        ensure(hash(world, address)? == after && modified(world, address)? == at, || {
            "updated again".to_owned()
        })
    }),
    ("a_hand_edit_stays_until_the_template_says_something_new", |world| {
        let address = "t52@case.example";
        set_template(world, "t52", TEMPLATE)?;
        let mut keydove = mapped(world, "t52")?;
        newcomer(world, address, Some("t52"))?;
        login(&keydove, address)?;
        world.system.execute(&format!(
            "UPDATE mailbox SET attributes = JSON_SET(attributes, '$.pop3_access', '0') WHERE username = '{address}'"
        ))?;
        set_template(world, "t52", &TEMPLATE.replace("\"sieve_access\":1", "\"sieve_access\":0"))?;
        forget_all(&mut keydove)?;
        login(&keydove, address)?;
        it_shows(world, address, "\"sieve_access\": \"0\"")?;
        let found = attributes(world, address)?;
        ensure(found.contains("\"pop3_access\": \"0\""), || found.clone())
    }),
];

/// A keydove with one mapping more, to a template of the same name.
fn mapped(world: &World<'_>, name: &'static str) -> Result<Keydove> {
    let mapping = format!("[provisioning.mappings]\n{name} = \"{name}\"\n");
    let settings = SETTINGS.replace("[provisioning.mappings]\n", &mapping);
    let beside = match name {
        "case34" => "case34-update",
        "case57" => "case57-update",
        other => other,
    };
    world.system.keydove.beside(beside, |text| prompt(&text) + &settings)
}

fn set_template(world: &World<'_>, name: &str, attributes: &str) -> Result<()> {
    let attributes = quote(attributes);
    if world.count("templates", &format!("template = '{name}'"))? == 0 {
        let insert = format!(
            "INSERT INTO templates (template, type, attributes) VALUES ('{name}', 'mailbox', {attributes})"
        );
        return world.system.execute(&insert);
    }
    world.system.execute(&format!("UPDATE templates SET attributes = {attributes} WHERE template = '{name}'"))
}

fn login(keydove: &Keydove, address: &str) -> Result<()> {
    attempt_at(keydove, Attempt::new(address, RIGHT), Accept("keycloak")).map(drop)
}

/// Starts it again: a person is looked at once a minute at most, and records are kept for a while.
fn forget_all(keydove: &mut Keydove) -> Result<()> {
    keydove.stop()?;
    keydove.start_again()
}

fn it_shows(world: &World<'_>, address: &str, text: &str) -> Result<()> {
    eventually(|| {
        let found = attributes(world, address)?;
        ensure(found.contains(text), || format!("{text} is not in {found}"))
    })
}

/// With a space after each colon, whatever the database writes.
fn attributes(world: &World<'_>, address: &str) -> Result<String> {
    let found = one(world, &format!("SELECT attributes FROM mailbox WHERE username = '{address}'"))?;
    Ok(found.replace(": ", ":").replace("\":\"", "\": \""))
}

fn hash(world: &World<'_>, address: &str) -> Result<String> {
    let found = attributes(world, address)?;
    Ok(found.split("\"attribute_hash\": \"").nth(1).unwrap_or_default().to_owned())
}

fn modified(world: &World<'_>, address: &str) -> Result<String> {
    one(world, &format!("SELECT modified FROM mailbox WHERE username = '{address}'"))
}

fn one(world: &World<'_>, statement: &str) -> Result<String> {
    Ok(world.system.query(statement)?.concat().concat())
}
