//! Who is who: two people with one address, letters that look alike, and names that are none.

use std::fs;

use serde_json::{Value, json};

use crate::ensure;
use crate::mailcow::WorldCase;
use crate::mailcow::world::End::{Accept, CannotTell, Refuse};
use crate::mailcow::world::{
    Attempt, OTHER, OTHER_HASH, RIGHT, RIGHT_HASH, World, attempt_at, connect, log_line, person, prompt, send,
};
use crate::stage::system::Database;
use crate::stage::{Result, attempt, source_tree};
use crate::transport;

pub const CASES: &[WorldCase] = &[
    ("two_people_with_one_address_are_both_refused", |world| {
        world.bench.admin.make_realm(&realm_with_twins("t41@case.example")?)?;
        world.mailbox("t41@case.example", "")?;
        let keydove = world
            .system
            .keydove
            .beside("t41", |text| prompt(&text).replace("realm = \"mail\"", "realm = \"twins\""))?;
        for password in [RIGHT, OTHER, "neither"] {
            attempt_at(&keydove, Attempt::new("t41@case.example", password), Refuse("user_conflict"))?;
        }
        let log = keydove.log();
        let warned = log.lines().any(|line| line.contains(" WARN ") && line.contains("t41@case.example"));
        ensure(warned, || format!("nobody was warned:\n{log}"))?;
        world.mailbox("t41-single@case.example", "")?;
        attempt_at(&keydove, Attempt::new("t41-single@case.example", RIGHT), Accept("keycloak")).map(drop)
    }),
    ("letters_that_look_alike_are_not_the_same", |world| {
        person_with(world, "müller42@case.example", RIGHT_HASH)?;
        person_with(world, "muller42@case.example", OTHER_HASH)?;
        world.mailbox("müller42@case.example", "")?;
        world.ends("müller42@case.example", RIGHT, Accept("keycloak"))?;
        world.ends("müller42@case.example", OTHER, Refuse("password_mismatch"))?;
        world.ends("muller42@case.example", RIGHT, Refuse("password_mismatch"))?;
        // MariaDB has no room for both; SQLite has.
        let end = match world.system.database() {
            Database::MariaDb => CannotTell("provision_object_exists"),
            Database::Sqlite => Accept("keycloak"),
        };
        world.ends("muller42@case.example", OTHER, end)?;
        // Keycloak itself takes the Kelvin sign for a k; the answer is compared again here.
        for (name, look_alike) in [
            ("kelvin42@case.example", "\u{212A}elvin42@case.example"),
            ("dina42@case.example", "d\u{131}na42@case.example"),
            ("strasse42@case.example", "straße42@case.example"),
        ] {
            world.person_with_hash(name, RIGHT_HASH)?;
            world.ends(name, RIGHT, Accept("keycloak"))?;
            world.ends(look_alike, RIGHT, Refuse("user_unknown"))?;
        }
        Ok(())
    }),
    ("control_characters_stay_in_their_field", |world| {
        let signs = (0..=0x20_u8).filter(|&byte| byte != 0).chain([0x7f]).map(char::from);
        for sign in signs.chain(['\u{85}', '\u{a0}', '\u{2028}', '*', '/', '"', '\\']) {
            let name = format!("t44{sign}x@case.example");
            one_line(world, &name)?;
        }
        for name in
            ["t44@case.example\nOK\t1\tuser=t44@case.example", "t44@case.example*master", "*", "\u{feff}"]
        {
            one_line(world, name)?;
        }
        world.person_with_hash("t44@case.example", RIGHT_HASH)?;
        world.ends("t44@case.example", RIGHT, Accept("keycloak"))
    }),
];

/// One answer of one line without a field too many, and one line of the log.
fn one_line(world: &World<'_>, name: &str) -> Result<()> {
    let keydove = &world.bench.keydove;
    let mut socket = connect(keydove)?;
    let attempt = Attempt::new(name, RIGHT);
    let session = send(&mut socket, attempt)?;
    let answer = transport(socket.line())?;
    let fields: Vec<_> = answer.split('\t').collect();
    let well_formed = matches!(fields.as_slice(), ["FAIL", "1", user] if user.starts_with("user="))
        && !answer.chars().any(|c| c.is_control() && c != '\t');
    ensure(well_formed, || format!("{name:?} is answered {answer:?}"))?;
    let line = log_line(keydove, &session)?;
    ensure(line.0.contains("reason=name_invalid"), || format!("{name:?}: {}", line.0))?;
    // Nothing else is said on this connection, and it goes on.
    transport(socket.send(b"AUTH\t2\tNONE\tservice=imap\n"))?;
    crate::expect("the next request", socket.line(), "FAIL\t2")
}

fn person_with(world: &World<'_>, email: &str, hash: &str) -> Result<()> {
    world.person(email, |user| user["attributes"]["mailcow_password"] = json!([hash]))
}

/// The realm of the stage under another name, in which addresses need not be unique.
fn realm_with_twins(email: &str) -> Result<Value> {
    let path = source_tree().join("tests/realm/mail-realm.json");
    let text = attempt("read", &path, fs::read_to_string(&path))?;
    let mut realm: Value = attempt("read", &path, serde_json::from_str(&text))?;
    realm["realm"] = "twins".into();
    realm["duplicateEmailsAllowed"] = true.into();
    realm["loginWithEmailAllowed"] = false.into();
    let (mut first, mut second) = (person(email), person(email));
    first["username"] = "first".into();
    second["username"] = "second".into();
    second["attributes"]["mailcow_password"] = json!([OTHER_HASH]);
    let service_accounts = realm["users"].as_array().cloned().unwrap_or_default().into_iter();
    let mut users: Vec<_> =
        service_accounts.filter(|user| !user["serviceAccountClientId"].is_null()).collect();
    users.extend([first, second, person("t41-single@case.example")]);
    realm["users"] = users.into();
    Ok(realm)
}
