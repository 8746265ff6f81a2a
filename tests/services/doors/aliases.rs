//! Logins by another name of a mailbox.

use serde_json::json;

use super::Named;
use crate::mailcow::WorldCase;
use crate::mailcow::app_password;
use crate::mailcow::world::End::{Accept, CannotTell, Refuse};
use crate::mailcow::world::{Attempt, OTHER, OTHER_HASH, RIGHT, RIGHT_HASH, attempt_at, domain};
use crate::{ensure, transport};

const BOTH: &str = "alias_domains = true\naliases = true";

pub const CASES: &[WorldCase] = &[
    ("an_alias_domain_opens_the_mailbox_of_the_domain_that_it_stands_for", |world| {
        let named = Named::start(world, "doors-alias-domain", "alias_domains = true", "")?;
        world.system.execute(&format!(
            "{} INSERT INTO alias_domain (alias_domain, target_domain, active) VALUES
             ('doors-ad.example', 'doors-at.example', 1), ('doors-off.example', 'doors-at.example', 0);
             INSERT INTO alias (address, goto, domain)
             VALUES ('doors-plain@doors-at.example', 'doors-ad@doors-at.example', 'doors-at.example');",
            domain("doors-at.example", "")
        ))?;
        let user = "doors-ad@doors-at.example";
        world.person_with_hash(user, RIGHT_HASH)?;
        app_password(world, user, "active = 1")?;
        for (name, password, source) in [
            ("doors-ad@doors-ad.example", RIGHT, "keycloak"),
            ("Doors-AD@Doors-AD.example", RIGHT, "keycloak"),
            ("doors-ad@doors-ad.example", OTHER, "app_password"),
        ] {
            let line = attempt_at(&named.keydove, Attempt::new(name, password), Accept(source))?.0;
            let both = line.contains(&format!("user=\"{name}\" normal=\"{user}\""));
            ensure(both, || line.clone())?;
        }
        // Dovecot is told the mailbox's own name.
        let mut socket = crate::mailcow::world::connect(&named.keydove)?;
        transport(socket.login(1, "doors-ad@doors-ad.example", RIGHT))?;
        let answer = transport(socket.line())?;
        ensure(answer == format!("OK\t1\tuser={user}"), || answer.clone())?;
        for (name, password, end) in [
            ("doors-ad@doors-ad.example", "wrong", Refuse("password_mismatch")),
            ("doors-ad@doors-off.example", RIGHT, Refuse("domain_unknown")),
            ("doors-nobody@doors-ad.example", RIGHT, Refuse("mailbox_unknown")),
            // Aliases are another switch.
            ("doors-plain@doors-at.example", RIGHT, Refuse("mailbox_unknown")),
        ] {
            attempt_at(&named.keydove, Attempt::new(name, password), end)?;
        }
        named.explains(
            "doors-ad@doors-ad.example",
            "imap",
            &["opens the mailbox doors-ad@doors-at.example", "\"verdict\": \"accept\""],
        )?;
        // What is switched off for the mailbox is so by every name of it.
        world.bench.admin.update(user, |user| user["enabled"] = false.into())?;
        attempt_at(&named.keydove, Attempt::new("doors-ad@doors-ad.example", RIGHT), Refuse("user_disabled"))
            .map(drop)
    }),
    ("a_first_login_by_an_alias_domain_makes_the_one_mailbox", |world| {
        let more = "\n[provisioning]\nenabled = true\ndefault_template = \"Cases\"\n";
        let named = Named::start(world, "doors-alias-first", BOTH, more)?;
        world.system.execute(&format!(
            "{} INSERT INTO alias_domain (alias_domain, target_domain, active)
             VALUES ('doors-fd.example', 'doors-ft.example', 1);
             INSERT INTO alias (address, goto, domain)
             VALUES ('doors-team@doors-ft.example', 'a@x.example,b@x.example', 'doors-ft.example');",
            domain("doors-ft.example", "")
        ))?;
        world.person("doors-fa@doors-ft.example", |_| ())?;
        let log_in = |name, end| attempt_at(&named.keydove, Attempt::new(name, RIGHT), end).map(drop);
        log_in("doors-fa@doors-fd.example", Accept("keycloak"))?;
        log_in("doors-fa@doors-ft.example", Accept("keycloak"))?;
        ensure(world.count("mailbox", "local_part = 'doors-fa'")? == 1, || "not one mailbox".to_owned())?;
        // No mailbox beside an alias that opens none.
        world.person("doors-team@doors-ft.example", |_| ())?;
        log_in("doors-team@doors-ft.example", CannotTell("provision_is_alias"))?;
        ensure(world.count("mailbox", "local_part = 'doors-team'")? == 0, || "a second mailbox".to_owned())
    }),
    ("an_alias_of_one_mailbox_opens_it_and_every_other_alias_opens_none", |world| {
        let named = Named::start(world, "doors-alias", "aliases = true", "")?;
        let user = "doors-one@case.example";
        world.person_with_hash(user, RIGHT_HASH)?;
        // Somebody of their own, whose address is an alias of the former too.
        world.person_with_hash("doors-own@case.example", OTHER_HASH)?;
        let row = |address: &str, goto: &str, active: u8| {
            format!(
                "INSERT INTO alias (address, goto, domain, active)
                 VALUES ('{address}', '{goto}', 'case.example', {active});"
            )
        };
        world.system.execute(
            &[
                row("doors-as@case.example", " DOORS-one@Case.Example ", 1),
                row("doors-hidden@case.example", user, 2),
                row("doors-off@case.example", user, 0),
                row("doors-two@case.example", &format!("{user},doors-own@case.example"), 1),
                row("doors-away@case.example", "doors-one@elsewhere.example", 1),
                row("doors-next@case.example", "doors-as@case.example", 1),
                row("doors-own@case.example", user, 1),
                row("@doors-any.example", user, 1),
                domain("doors-any.example", ""),
            ]
            .concat(),
        )?;
        for (name, password, end) in [
            ("doors-as@case.example", RIGHT, Accept("keycloak")),
            ("doors-hidden@case.example", RIGHT, Accept("keycloak")),
            ("doors-as@case.example", "wrong", Refuse("password_mismatch")),
            ("doors-as+tag@case.example", RIGHT, Refuse("mailbox_unknown")),
            ("doors-off@case.example", RIGHT, Refuse("mailbox_unknown")),
            ("doors-two@case.example", RIGHT, Refuse("mailbox_unknown")),
            ("doors-away@case.example", RIGHT, Refuse("mailbox_unknown")),
            ("doors-next@case.example", RIGHT, Refuse("mailbox_unknown")),
            ("doors-somebody@doors-any.example", RIGHT, Refuse("mailbox_unknown")),
            // A mailbox of the very name wins.
            ("doors-own@case.example", OTHER, Accept("keycloak")),
            ("doors-own@case.example", RIGHT, Refuse("password_mismatch")),
        ] {
            attempt_at(&named.keydove, Attempt::new(name, password), end)?;
        }
        Ok(())
    }),
    ("an_alias_opens_no_mailbox_unless_it_shall", |world| {
        world.person_with_hash("doors-not@case.example", RIGHT_HASH)?;
        world.system.execute(
            "INSERT INTO alias (address, goto, domain)
             VALUES ('doors-not-as@case.example', 'doors-not@case.example', 'case.example');",
        )?;
        world.ends("doors-not-as@case.example", RIGHT, Refuse("user_unknown"))
    }),
    ("guesses_under_every_name_of_a_mailbox_count_together", |world| {
        let settings = "aliases = true";
        let named = Named::start(world, "doors-alias-guess", settings, "")?;
        let mut keydove = named.keydove;
        keydove.stop()?;
        keydove.start_changed(|text| {
            text.replace("[throttle]\nenabled = false", "[throttle]\nenabled = true\nguesses = 3")
        })?;
        let user = "doors-guess@case.example";
        world.person(user, |user| user["attributes"]["mailcow_password"] = json!([RIGHT_HASH]))?;
        world.mailbox(user, "")?;
        world.system.execute(
            "INSERT INTO alias (address, goto, domain)
             VALUES ('doors-guess-as@case.example', 'doors-guess@case.example', 'case.example');",
        )?;
        let names = [user, "doors-guess-as@case.example"];
        for number in 0..3 {
            let (name, password) = (names[number % 2], format!("guess {number}"));
            attempt_at(&keydove, Attempt::new(name, &password), Refuse("password_mismatch"))?;
        }
        for name in names {
            attempt_at(&keydove, Attempt::new(name, "guess 4"), CannotTell("throttled"))?;
        }
        Ok(())
    }),
];
