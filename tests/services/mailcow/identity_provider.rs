//! mailcow's own settings, the rows of `identity_provider`, in place of `[keycloak]`.

use super::app_passwords::app_password;
use crate::eventually;
use crate::mailcow::WorldCase;
use crate::mailcow::provisioning::newcomer;
use crate::mailcow::world::End::{Accept, CannotTell, Refuse};
use crate::mailcow::world::{Attempt, End, OTHER, RIGHT, World, attempt_at, prompt, quote};
use crate::stage::Result;
use crate::stage::keydove::Keydove;
use crate::stage::system::Database;

pub const CASES: &[WorldCase] = &[
    ("main_passwords_are_switched_off", |world| {
        let keydove = with_rows(world, "case38", &[("mailpassword_flow", Some("0"))])?;
        newcomer(world, "case38@case.example", None)?;
        world.mailbox("case38@case.example", "")?;
        app_password(world, "case38@case.example", "active = 1")?;
        ends(&keydove, "case38@case.example", RIGHT, Refuse("mail_passwords_off"))?;
        ends(&keydove, "case38@case.example", OTHER, Accept("app_password"))?;
        // Switched on again in mailcow's form.
        set(world, &[("mailpassword_flow", Some("1"))])?;
        eventually(|| ends(&keydove, "case38@case.example", RIGHT, Accept("keycloak")))
    }),
    // keydove's own: with a reason, where mailcow has a fatal error.
    ("where_the_provider_is_another_one_its_mailboxes_are_refused", |world| {
        let keydove = with_rows(world, "case39", &[])?;
        world.mailbox("case39-row@case.example", "authsource = 'ldap'")?;
        ends(&keydove, "case39-row@case.example", RIGHT, Refuse("source_unsupported"))
    }),
    ("first_logins_are_switched_off_in_mailcow", |world| {
        for (name, value, made) in [
            ("case40-empty", Some(""), false),
            ("case40-zero", Some("0"), false),
            ("case40-missing", None, true),
            ("case40-on", Some("1"), true),
        ] {
            let keydove = with_rows(world, name, &[("login_provisioning", value)])?;
            let address = format!("{name}@case.example");
            newcomer(world, &address, None)?;
            let end = if made { Accept("keycloak") } else { Refuse("mailbox_unknown") };
            ends(&keydove, &address, RIGHT, end)?;
        }
        Ok(())
    }),
    // keydove's own: without a template the password is not called wrong.
    ("mailcows_default_template_counts", |world| {
        let none = with_rows(world, "case41-none", &[("default_template", Some(""))])?;
        newcomer(world, "case41-row@case.example", Some("nonsense"))?;
        ends(&none, "case41-row@case.example", RIGHT, CannotTell("provision_no_mapping"))?;
        drop(none);
        let set = with_rows(world, "case41-set", &[])?;
        ends(&set, "case41-row@case.example", RIGHT, Accept("keycloak"))
    }),
    // keydove's own: mailcow refuses everybody.
    ("mappers_in_an_odd_shape_are_read_all_the_same", |world| {
        for (name, mappers, templates, template) in [
            ("case44-missing", None, None, "Cases"),
            (
                "case44-object",
                Some("{\"1\":\"gold-44\",\"4\":\"x\"}"),
                Some("{\"1\":\"gold\",\"4\":\"y\"}"),
                "gold",
            ),
            ("case44-list", Some("[\"x\",\"gold-44\"]"), Some("[\"y\",\"gold\"]"), "gold"),
            ("case44-broken", Some("["), Some("[\"gold\"]"), "Cases"),
        ] {
            let keydove = with_rows(world, name, &[("mappers", mappers), ("templates", templates)])?;
            let address = format!("{name}@case.example");
            newcomer(world, &address, Some("gold-44"))?;
            ends(&keydove, &address, RIGHT, Accept("keycloak"))?;
            let statement = format!("SELECT template_name FROM keydove_person WHERE mailbox = '{address}'");
            world.rows(&statement, &[&[template]])?;
        }
        Ok(())
    }),
    // keydove's own: an administrator's mistake is nobody's wrong password.
    ("a_wrong_client_secret_in_mailcow_is_no_refusal", |world| {
        let keydove = with_rows(world, "case64-row", &[("client_secret", Some("wr0ng"))])?;
        newcomer(world, "case64-row@case.example", None)?;
        world.mailbox("case64-row@case.example", "")?;
        ends(&keydove, "case64-row@case.example", RIGHT, CannotTell("keycloak_401"))?;
        set(world, &[("client_secret", Some("s3cret"))])?;
        eventually(|| ends(&keydove, "case64-row@case.example", RIGHT, Accept("keycloak")))
    }),
    ("settings_that_are_half_filled_in_are_no_refusal", |world| {
        let keydove = with_rows(world, "half-filled", &[("client_id", None)])?;
        newcomer(world, "half-filled@case.example", None)?;
        ends(&keydove, "half-filled@case.example", RIGHT, CannotTell("keycloak_settings"))?;
        set(world, &[("client_id", Some("mailcow"))])?;
        eventually(|| ends(&keydove, "half-filled@case.example", RIGHT, Accept("keycloak")))
    }),
];

fn ends(keydove: &Keydove, user: &str, password: &str, end: End<'_>) -> Result<()> {
    attempt_at(keydove, Attempt::new(user, password), end).map(drop)
}

/// A keydove that takes everything about Keycloak from the table: the usual rows with these in place of some.
fn with_rows(world: &World<'_>, name: &'static str, rows: &[(&str, Option<&str>)]) -> Result<Keydove> {
    let (url, realm) = (world.system.keycloak.url(), world.system.keycloak.names().realm("mail"));
    let usual = [
        ("authsource", "keycloak"),
        ("server_url", url.as_str()),
        ("realm", realm.as_str()),
        ("client_id", "mailcow"),
        ("client_secret", "s3cret"),
        ("redirect_url", "https://mail.case.example"),
        ("version", "26.7.3"),
        ("mailpassword_flow", "1"),
        ("login_provisioning", "1"),
        ("default_template", "Cases"),
        ("mappers", "[]"),
        ("templates", "[]"),
    ];
    world.system.execute("DELETE FROM identity_provider")?;
    set(world, &usual.map(|(key, value)| (key, Some(value))))?;
    set(world, rows)?;
    world.system.keydove.beside(name, |text| {
        let mailcow = "\n[mailcow]\nidentity_provider = true\nrefresh = \"200ms\"\n";
        without_keycloak(&prompt(&text)) + mailcow
    })
}

/// The configuration without what mailcow's table says.
pub fn without_keycloak(text: &str) -> String {
    let tables = ["server_url", "realm", "client_id", "client_secret_file"];
    let lines = text.lines().filter(|line| !tables.iter().any(|key| line.starts_with(key)));
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// Sets rows; without a value a row goes.
fn set(world: &World<'_>, rows: &[(&str, Option<&str>)]) -> Result<()> {
    let column = match world.system.database() {
        Database::Sqlite => "\"key\"",
        Database::MariaDb => "`key`",
    };
    for (key, value) in rows {
        let insert = value.map(|value| {
            format!("INSERT INTO identity_provider ({column}, value) VALUES ('{key}', {});", quote(value))
        });
        let insert = insert.unwrap_or_default();
        world.system.execute(&format!("DELETE FROM identity_provider WHERE {column} = '{key}';{insert}"))?;
    }
    Ok(())
}
