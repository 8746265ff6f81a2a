//! Whose mailbox an address is, what is written for it, and what its switches say.

use serde_json::json;

use crate::ensure;
use crate::mailcow::WorldCase;
use crate::mailcow::world::End::{Accept, CannotTell, Refuse};
use crate::mailcow::world::{
    Attempt, End, OTHER, OTHER_HASH, RIGHT, RIGHT_HASH, SETTINGS, World, attempt_at, person, prompt,
};
use crate::stage::Result;
use crate::stage::keydove::{Keydove, remembering};

/// Each service name with the switch that counts for it.
const NAMES: &[(&str, &str)] = &[
    ("imap", "imap_access"),
    ("pop3", "pop3_access"),
    ("sieve", "sieve_access"),
    ("managesieve", "sieve_access"),
    ("smtp", "smtp_access"),
    ("submission", "smtp_access"),
    ("smtps", "smtp_access"),
];
/// What can stand in a mailbox's JSON, and whether it lets in. `None`: nothing stands there.
const VALUES: &[(Option<&str>, bool)] = &[
    (None, true),
    (Some("\"0\""), false),
    (Some("\"1\""), true),
    (Some("0"), false),
    (Some("1"), true),
    (Some("null"), true),
];

pub const CASES: &[WorldCase] = &[
    ("people_are_found_by_email_user_name_or_attribute_and_by_nothing_else", |world| {
        let (own, other) = ("want18@case.example", "want18-other@case.example");
        let mut found = person(own);
        found["attributes"]["mailcow_template"] = json!([own]);
        // Their contact address is somebody else's mailbox; by any other source that counts for nothing.
        let mut contact = person(other);
        contact["username"] = "want18-contact@case.example".into();
        world.bench.admin.import(&[found, contact])?;
        for address in [own, other, "want18-contact@case.example"] {
            world.mailbox(address, "")?;
        }
        let by_attribute = "lookup = \"attribute\"\nlookup_attribute = \"mailcow_template\"";
        for (name, setting, of_contact) in [
            ("want18-email", "lookup = \"email\"", Accept("keycloak")),
            ("want18-username", "lookup = \"username\"", Refuse("user_gone")),
            ("want18-attribute", by_attribute, Refuse("user_gone")),
        ] {
            let realm = "realm = \"mail\"";
            let keydove = world
                .system
                .keydove
                .beside(name, |text| prompt(&text).replace(realm, &format!("{realm}\n{setting}")))?;
            ends(&keydove, own, RIGHT, Accept("keycloak"))?;
            ends(&keydove, other, RIGHT, of_contact)?;
        }
        Ok(())
    }),
    ("case_and_spaces_make_one_record_one_mailbox_and_one_limit", |world| {
        let spellings = ["want20@case.example", "Want20@Case.EXAMPLE", " WANT20@case.example "];
        world.person("want20@case.example", |_| ())?;
        let throttle = "[throttle]\nfirst_wait = \"15m\"\n";
        let url = world.system.keycloak.url();
        let relay = world.system.keycloak.relay(crate::stage::relay::Conduct::Pass)?;
        let keydove = world.system.keydove.beside("want20", |text| {
            let text = remembering(&prompt(&text)).replace(&url, &relay.url());
            text.replace("[throttle]\nenabled = false\n", throttle) + SETTINGS
        })?;
        for user in spellings {
            ends(&keydove, user, RIGHT, Accept("keycloak"))?;
        }
        let asked = relay.requests("want20").len();
        ensure(asked == 1, || format!("{asked} questions for one person"))?;
        let rows = world.system.query("SELECT username FROM mailbox WHERE local_part LIKE '%ant20%'")?;
        ensure(rows == [["want20@case.example"]], || format!("{rows:?}"))?;
        // Ten different guesses are what one address may try, however the name is spelt.
        for number in 0..10 {
            let guess = format!("guess {number}");
            let end = Refuse("password_mismatch");
            attempt_at(&keydove, stranger(spellings[number % spellings.len()], &guess), end)?;
        }
        for user in spellings {
            attempt_at(&keydove, stranger(user, RIGHT), CannotTell("throttled"))?;
        }
        Ok(())
    }),
    ("signs_in_addresses_find_exactly_their_own_person", |world| {
        let people = ["want30a+b@case.example", "want30a_b@case.example", "want30axb@case.example"];
        world.person_with_hash(people[0], RIGHT_HASH)?;
        world.person_with_hash(people[1], OTHER_HASH)?;
        world.person_with_hash(people[2], RIGHT_HASH)?;
        for (address, right, wrong) in
            [(people[0], RIGHT, OTHER), (people[1], OTHER, RIGHT), (people[2], RIGHT, OTHER)]
        {
            world.ends(address, right, Accept("keycloak"))?;
            world.ends(address, wrong, Refuse("password_mismatch"))?;
        }
        // Mailboxes whose address is a part of one, or takes a sign for another.
        for address in ["30axb@case.example", "want30ax@case.example", "want30a%b@case.example"] {
            world.mailbox(address, "")?;
            world.ends(address, RIGHT, Refuse("user_gone"))?;
        }
        Ok(())
    }),
    ("every_service_name_obeys_every_value_of_its_switch", |world| {
        for (number, (value, allowed)) in VALUES.iter().enumerate() {
            for (key, names) in by_switch() {
                let address = format!("want33-{number}-{}@case.example", key.trim_end_matches("_access"));
                let attributes = value.map_or("{}".to_owned(), |value| format!("{{\"{key}\":{value}}}"));
                world.person(&address, |_| ())?;
                world.mailbox(&address, &format!("attributes = '{attributes}'"))?;
                let end = if *allowed { Accept("keycloak") } else { Refuse("service_forbidden") };
                for service in names {
                    over(world, service, &address, end)?;
                }
                for unknown in ["teapot", ""] {
                    over(world, unknown, &address, Refuse("service_unknown"))?;
                }
            }
        }
        Ok(())
    }),
    ("a_local_mailbox_beside_keycloaks_costs_keycloak_no_call", |world| {
        let (local, of_keycloak) = ("want34-local@case.example", "want34-keycloak@case.example");
        world.person(local, |user| user["attributes"]["mailcow_password"] = json!([OTHER_HASH]))?;
        world.mailbox(local, &format!("authsource = 'mailcow', password = '{RIGHT_HASH}'"))?;
        world.person_with_hash(of_keycloak, RIGHT_HASH)?;
        world.ends_unasked(local, RIGHT, Accept("mailbox"))?;
        world.ends_unasked(local, OTHER, Refuse("password_mismatch"))?;
        world.ends(of_keycloak, RIGHT, Accept("keycloak"))
    }),
];

/// From where nobody has logged in yet.
fn stranger<'a>(user: &'a str, password: &'a str) -> Attempt<'a> {
    Attempt { remote: Some("198.51.100.20"), ..Attempt::new(user, password) }
}

/// The switches, each with its service names.
fn by_switch() -> Vec<(&'static str, Vec<&'static str>)> {
    let of = |key: &str| NAMES.iter().filter(|(_, own)| *own == key).map(|(name, _)| *name).collect();
    let keys = ["imap_access", "pop3_access", "sieve_access", "smtp_access"];
    keys.into_iter().map(|key| (key, of(key))).collect()
}

fn over(world: &World<'_>, service: &str, user: &str, end: End<'_>) -> Result<()> {
    let attempt = Attempt { service, ..Attempt::new(user, RIGHT) };
    world.attempt(attempt, end).map_err(|failure| crate::stage::Failure(format!("{service}: {}", failure.0)))
}

fn ends(keydove: &Keydove, user: &str, password: &str, end: End<'_>) -> Result<()> {
    attempt_at(keydove, Attempt::new(user, password), end).map(drop)
}
