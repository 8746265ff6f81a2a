//! How an address finds its person, from which Keycloak, and what a change of the authentication source does.

use serde_json::json;

use super::WorldCase;
use super::world::End::{Accept, Refuse};
use super::world::{Attempt, OTHER, OTHER_HASH, RIGHT, World, attempt_at, domain, person, prompt};
use crate::ensure;
use crate::stage::Result;
use crate::stage::keydove::Keydove;

const REALM: &str = "realm = \"mail\"";

pub const CASES: &[WorldCase] = &[
    ("people_are_found_by_the_local_part_whatever_their_email_is", |world| {
        world.person("contact@elsewhere.example", |user| user["username"] = "idlocal".into())?;
        for address in ["idlocal@case.example", "contact@case.example"] {
            world.mailbox(address, "")?;
        }
        let keydove = with_lookup(world, "idlocal", "lookup = \"local_part\"")?;
        ends(&keydove, "idlocal@case.example", RIGHT, Accept("keycloak"))?;
        ends(&keydove, "contact@case.example", RIGHT, Refuse("user_gone"))?;
        // By email it is nobody's.
        world.ends("idlocal@case.example", RIGHT, Refuse("user_gone"))
    }),
    ("people_are_found_by_an_attribute_and_by_none_of_its_parts", |world| {
        world.person("idattr@elsewhere.example", |user| {
            user["attributes"]["mailcow_template"] = json!(["idattr@case.example"]);
        })?;
        for address in ["idattr@case.example", "attr@case.example"] {
            world.mailbox(address, "")?;
        }
        let setting = "lookup = \"attribute\"\nlookup_attribute = \"mailcow_template\"";
        let keydove = with_lookup(world, "idattr", setting)?;
        ends(&keydove, "idattr@case.example", RIGHT, Accept("keycloak"))?;
        ends(&keydove, "attr@case.example", RIGHT, Refuse("user_gone"))
    }),
    ("each_mail_domain_asks_its_own_keycloak", |world| {
        world.system.execute(&domain("second.example", ""))?;
        // One address in both realms, with different passwords.
        world.person("idtwo@second.example", |_| ())?;
        world.mailbox("idtwo@second.example", "")?;
        world.person("idtwo@case.example", |_| ())?;
        world.mailbox("idtwo@case.example", "")?;
        let mut second = person("idtwo@second.example");
        second["attributes"]["mailcow_password"] = json!([OTHER_HASH]);
        world.bench.admin.make_realm(&second_realm(&second))?;
        let url = world.system.keycloak.url();
        let keydove = world.system.keydove.beside("idtwo", |text| {
            let secret = text.lines().find(|line| line.starts_with("client_secret_file")).unwrap_or_default();
            let source = format!(
                "[[keycloak_source]]\nserver_url = \"{url}\"\nrealm = \"second\"\nclient_id = \"mailcow\"\n{secret}\n\
                 domains = [\"second.example\"]\n"
            );
            format!("{}\n{source}", prompt(&text))
        })?;
        ends(&keydove, "idtwo@second.example", OTHER, Accept("keycloak"))?;
        ends(&keydove, "idtwo@second.example", RIGHT, Refuse("password_mismatch"))?;
        ends(&keydove, "idtwo@case.example", RIGHT, Accept("keycloak"))?;
        ends(&keydove, "idtwo@case.example", OTHER, Refuse("password_mismatch"))?;
        // Which Keycloak it was is remembered with the mailbox.
        crate::eventually(|| {
            let source = "SELECT source FROM keydove_person WHERE mailbox = 'idtwo@second.example'";
            world.rows(source, &[&["second.example"]])
        })
    }),
    ("a_changed_source_counts_and_the_old_password_waits", |world| {
        let address = "idsource@case.example";
        world.person(address, |_| ())?;
        world.mailbox(address, &format!("authsource = 'mailcow', password = '{OTHER_HASH}'"))?;
        let turn = |to: &str| {
            world
                .system
                .execute(&format!("UPDATE mailbox SET authsource = '{to}' WHERE username = '{address}'"))
        };
        for _ in 0..2 {
            world.ends_unasked(address, OTHER, Accept("mailbox"))?;
            world.ends_unasked(address, RIGHT, Refuse("password_mismatch"))?;
            turn("keycloak")?;
            world.ends(address, RIGHT, Accept("keycloak"))?;
            world.ends(address, OTHER, Refuse("password_mismatch"))?;
            turn("mailcow")?;
        }
        world.rows(&format!("SELECT password FROM mailbox WHERE username = '{address}'"), &[&[OTHER_HASH]])
    }),
    ("a_hundred_logins_change_no_mailbox", |world| {
        let address = "idhundred@case.example";
        world.person(address, |user| user["attributes"]["mailcow_template"] = json!(["gold"]))?;
        // The first login makes the mailbox; what hands change afterwards stays.
        world.ends(address, RIGHT, Accept("keycloak"))?;
        world.system.execute(&format!(
            "UPDATE mailbox SET quota = 4711, name = 'By Hand' WHERE username = '{address}';
             UPDATE user_acl SET pushover = 1 WHERE username = '{address}';"
        ))?;
        let everything = || {
            let mut rows = Vec::new();
            for (table, key) in [
                ("mailbox", "username"),
                ("alias", "address"),
                ("user_acl", "username"),
                ("quota2", "username"),
                ("tags_mailbox", "username"),
                ("keydove_person", "mailbox"),
            ] {
                rows.push(world.system.query(&format!("SELECT * FROM {table} WHERE {key} = '{address}'"))?);
            }
            Ok::<_, crate::stage::Failure>(rows)
        };
        let before = everything()?;
        let mut socket = super::world::connect(&world.bench.keydove)?;
        for _ in 0..100 {
            super::world::send(&mut socket, Attempt::new(address, RIGHT))?;
            crate::expect("a login", socket.line(), "OK\t1\tuser=idhundred@case.example")?;
        }
        let after = everything()?;
        ensure(before == after, || format!("{before:?}\nbecame\n{after:?}"))
    }),
];

fn with_lookup(world: &World<'_>, name: &'static str, setting: &str) -> Result<Keydove> {
    world.system.keydove.beside(name, |text| prompt(&text).replace(REALM, &format!("{REALM}\n{setting}")))
}

fn ends(keydove: &Keydove, user: &str, password: &str, end: super::world::End<'_>) -> Result<()> {
    attempt_at(keydove, Attempt::new(user, password), end).map(drop)
}

/// A realm with the client, its rights, the attributes and one person.
fn second_realm(user: &serde_json::Value) -> serde_json::Value {
    json!({
        "realm": "second", "enabled": true,
        "components": { "org.keycloak.userprofile.UserProfileProvider": [{
            "providerId": "declarative-user-profile",
            "config": { "kc.user.profile.config": [json!({
                "attributes": [
                    { "name": "username" }, { "name": "email" }, { "name": "firstName" }, { "name": "lastName" },
                    { "name": "mailcow_password", "permissions": { "view": ["admin"], "edit": ["admin"] } },
                ],
            }).to_string()] },
        }] },
        "clients": [{
            "clientId": "mailcow", "secret": "s3cret", "serviceAccountsEnabled": true, "publicClient": false,
            "standardFlowEnabled": false,
        }],
        "users": [
            user,
            {
                "username": "service-account-mailcow", "enabled": true, "serviceAccountClientId": "mailcow",
                "clientRoles": { "realm-management": ["view-users"] },
            },
        ],
    })
}
