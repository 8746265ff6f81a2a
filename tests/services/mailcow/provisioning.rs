//! First logins: which template, which rules stand against a mailbox, what is written.

use std::thread;

use serde_json::json;

use super::WorldCase;
use super::rows::{GOLD, GOLD_HASH};
use super::world::End::{Accept, CannotTell, Refuse};
use super::world::{Attempt, OTHER, RIGHT, World, attempt_at, domain, prompt};
use crate::ensure;
use crate::stage::Result;

pub const CASES: &[WorldCase] = &[
    // The row of `identity_provider` that switches it waits for that table to be read.
    ("mailboxes_are_made_where_that_is_on", |world| {
        newcomer(world, "case40@case.example", None)?;
        let off = world.system.keydove.beside("case40", |text| prompt(&text))?;
        attempt_at(&off, Attempt::new("case40@case.example", RIGHT), Refuse("mailbox_unknown"))?;
        ensure(world.count("mailbox", "username = 'case40@case.example'")? == 0, || {
            "it was made".to_owned()
        })?;
        world.ends("case40@case.example", RIGHT, Accept("keycloak"))
    }),
    // keydove's own: without a template the password is not called wrong.
    ("where_no_mapping_fits_the_default_template_counts", |world| {
        newcomer(world, "case41@case.example", Some("nonsense"))?;
        let settings = "\n[provisioning]\nenabled = true\n[provisioning.mappings]\ngold = \"gold\"\n";
        let none = world.system.keydove.beside("case41", |text| prompt(&text) + settings)?;
        let attempt = Attempt::new("case41@case.example", RIGHT);
        attempt_at(&none, attempt, CannotTell("provision_no_mapping"))?;
        made_with(world, "case41@case.example", "Cases")
    }),
    ("a_mapping_that_differs_in_case_only_fits_not", |world| {
        newcomer(world, "case42@case.example", Some("Gold"))?;
        made_with(world, "case42@case.example", "Cases")?;
        newcomer(world, "case42-same@case.example", Some("gold"))?;
        made_with(world, "case42-same@case.example", "gold")
    }),
    ("where_the_mapped_template_is_gone_no_mailbox_is_made", |world| {
        newcomer(world, "case45@case.example", Some("gone"))?;
        world.ends("case45@case.example", RIGHT, CannotTell("provision_template_missing"))?;
        newcomer(world, "case45-old@case.example", Some("gone"))?;
        world.mailbox("case45-old@case.example", "")?;
        world.ends("case45-old@case.example", RIGHT, Accept("keycloak"))
    }),
    ("where_the_address_is_an_alias_no_mailbox_is_made", |world| {
        world.system.execute(
            "INSERT INTO alias (address, goto, domain) VALUES ('case46@case.example', 'x@case.example', 'case.example');
             INSERT INTO spamalias (address, goto, description, validity) VALUES
             ('case46-spam@case.example', 'x@case.example', '', 2000000000),
             ('case46-past@case.example', 'x@case.example', '', 1);",
        )?;
        for (name, reason) in [
            ("case46", "provision_is_alias"),
            ("case46-spam", "provision_is_spam_alias"),
            ("case46-past", "provision_is_spam_alias"),
        ] {
            let address = format!("{name}@case.example");
            newcomer(world, &address, None)?;
            world.ends(&address, RIGHT, CannotTell(reason))?;
        }
        ensure(world.count("mailbox", "local_part LIKE 'case46%'")? == 0, || "one was made".to_owned())
    }),
    ("where_the_domain_is_full_no_mailbox_is_made", |world| {
        for (name, changes, reason) in [
            ("count", "mailboxes = 1", "provision_max_mailbox_exceeded"),
            ("one", "maxquota = 1023", "provision_mailbox_quota_exceeded"),
            ("sum", "maxquota = 2048, quota = 2047", "provision_mailbox_quota_left_exceeded"),
        ] {
            let name = format!("{name}.case47.example");
            world.system.execute(&domain(&name, changes))?;
            world.mailbox(&format!("first@{name}"), "quota = 1073741824, active = 0")?;
            let address = format!("case47@{name}");
            newcomer(world, &address, Some("limited"))?;
            world.ends(&address, OTHER, Refuse("password_mismatch"))?;
            world.ends(&address, RIGHT, CannotTell(reason))?;
            let made = world.count("mailbox", &format!("username = '{address}'"))?;
            ensure(made == 0, || format!("{address} was made"))?;
        }
        Ok(())
    }),
    ("unlimited_fits_every_limit", |world| {
        world.system.execute(&domain("case48.example", "maxquota = 1, quota = 1"))?;
        newcomer(world, "case48@case48.example", None)?;
        world.ends("case48@case48.example", RIGHT, Accept("keycloak"))?;
        world.rows("SELECT quota FROM mailbox WHERE username = 'case48@case48.example'", &[&["0"]])
    }),
    ("a_quota_is_cut_to_whole_mebibytes", |world| {
        newcomer(world, "case49@case.example", Some("odd-quota"))?;
        world.ends("case49@case.example", RIGHT, Accept("keycloak"))?;
        world.rows("SELECT quota FROM mailbox WHERE username = 'case49@case.example'", &[&["1048576"]])
    }),
    // keydove's own: mailcow writes the rows and refuses then.
    ("a_domain_that_is_off_gets_no_mailbox", |world| {
        world.system.execute(&domain("case50.example", "active = 0"))?;
        newcomer(world, "case50@case50.example", None)?;
        world.ends_unasked("case50@case50.example", RIGHT, Refuse("domain_disabled"))?;
        ensure(world.count("mailbox", "domain = 'case50.example'")? == 0, || "it was made".to_owned())
    }),
    ("a_template_may_make_a_mailbox_without_a_login", |world| {
        for (template, active) in [("receives", "2"), ("off", "0")] {
            let address = format!("case51-{template}@case.example");
            newcomer(world, &address, Some(template))?;
            world.ends(&address, RIGHT, Refuse("mailbox_disabled"))?;
            world.ends(&address, RIGHT, Refuse("mailbox_disabled"))?;
            world.rows(
                &format!(
                    "SELECT m.active, a.active FROM mailbox m JOIN alias a ON a.address = m.username
                     WHERE m.username = '{address}'"
                ),
                &[&[active, active]],
            )?;
        }
        Ok(())
    }),
    // keydove's own: all of them get in.
    ("four_first_logins_at_once_make_one_mailbox", |world| at_once(world, "case52@case.example", 4)),
    ("fifty_first_logins_at_once_make_one_mailbox", |world| at_once(world, "t48@case.example", 50)),
    ("the_first_26_tags_count", |world| {
        newcomer(world, "case54@case.example", Some("tags"))?;
        world.ends("case54@case.example", RIGHT, Accept("keycloak"))?;
        let tags = "FROM tags_mailbox WHERE username = 'case54@case.example'";
        let last = format!("SELECT COUNT(*), MIN(tag_name), MAX(tag_name) {tags}");
        world.rows(&last, &[&["26", "tag 01", "tag 26"]])
    }),
    ("the_fingerprint_is_phps", |world| {
        newcomer(world, "case56@case.example", Some("gold"))?;
        made_with(world, "case56@case.example", "gold")?;
        let hash = "SELECT JSON_EXTRACT(attributes, '$.attribute_hash') FROM mailbox WHERE username = 'case56@case.example'";
        let found = world.system.query(hash)?;
        // MariaDB keeps the quotes of JSON, SQLite takes them off.
        let found = found.first().and_then(|row| row.first()).map(|hash| hash.trim_matches('"'));
        ensure(found == Some(GOLD_HASH), || format!("{found:?} for {GOLD}"))
    }),
    // keydove's own: mailcow refuses the first of them.
    ("a_first_login_may_come_from_calendars_and_phones", |world| {
        for service in ["eas", "dav"] {
            let address = format!("case74-{service}@case.example");
            newcomer(world, &address, None)?;
            world
                .attempt(Attempt { service, ..Attempt::new(&address, OTHER) }, Refuse("password_mismatch"))?;
            world.attempt(Attempt { service, ..Attempt::new(&address, RIGHT) }, Accept("keycloak"))?;
        }
        Ok(())
    }),
    ("a_wrong_first_password_leaves_no_trace", |world| {
        // keydove makes its own tables with the first mailbox.
        newcomer(world, "before-t30@case.example", None)?;
        world.ends("before-t30@case.example", RIGHT, Accept("keycloak"))?;
        newcomer(world, "t30@case.example", None)?;
        for user in ["t30@case.example", "t30-nobody@case.example"] {
            let reason = if user.contains("nobody") { "user_unknown" } else { "password_mismatch" };
            world.ends(user, OTHER, Refuse(reason))?;
        }
        for (table, column) in EVERY_TABLE {
            let rows = world.count(table, &format!("{column} LIKE 't30%'"))?;
            ensure(rows == 0, || format!("{table} has {rows} rows"))?;
        }
        Ok(())
    }),
    ("a_full_domain_is_asked_again_after_a_while", |world| {
        world.system.execute(&domain("t49.example", "mailboxes = 0"))?;
        newcomer(world, "t49@t49.example", None)?;
        world.ends("t49@t49.example", RIGHT, CannotTell("provision_max_mailbox_exceeded"))?;
        world.system.execute("UPDATE domain SET mailboxes = 10 WHERE domain = 't49.example'")?;
        let retried = || world.ends("t49@t49.example", RIGHT, Accept("keycloak"));
        crate::eventually(retried)
    }),
    // The rest of it, a count of the people before it is switched on, waits for the command line.
    ("without_a_word_nobody_gets_a_mailbox", |world| {
        newcomer(world, "t50@case.example", None)?;
        let keydove = world.system.keydove.beside("t50", |text| prompt(&text))?;
        attempt_at(&keydove, Attempt::new("t50@case.example", RIGHT), Refuse("mailbox_unknown"))?;
        let settings = "\n[provisioning]\nenabled = true\n";
        let keydove = world.system.keydove.beside("t50-no-default", |text| prompt(&text) + settings)?;
        attempt_at(&keydove, Attempt::new("t50@case.example", RIGHT), CannotTell("provision_no_mapping"))?;
        ensure(world.count("mailbox", "username = 't50@case.example'")? == 0, || "it was made".to_owned())
    }),
    ("no_domain_is_ever_made", |world| {
        for address in ["t51@t51.example", "t51@sub.case.example", "t51@case.example.evil"] {
            newcomer(world, address, None)?;
            world.ends_unasked(address, RIGHT, Refuse("domain_unknown"))?;
        }
        ensure(world.count("domain", "domain LIKE '%t51%' OR domain LIKE '%evil'")? == 0, || {
            "made".to_owned()
        })?;
        ensure(world.count("mailbox", "local_part = 't51'")? == 0, || "a mailbox was made".to_owned())
    }),
];

/// Every table that a first login writes, and its column with the address.
pub const EVERY_TABLE: [(&str, &str); 7] = [
    ("mailbox", "username"),
    ("alias", "address"),
    ("quota2", "username"),
    ("quota2replica", "username"),
    ("user_acl", "username"),
    ("tags_mailbox", "username"),
    ("keydove_person", "mailbox"),
];

/// A person without a mailbox, with this value of the template attribute.
pub fn newcomer(world: &World<'_>, email: &str, template: Option<&str>) -> Result<()> {
    world.person(email, |user| {
        if let Some(template) = template {
            user["attributes"]["mailcow_template"] = json!([template]);
        }
    })
}

/// The first login makes a mailbox of this template.
fn made_with(world: &World<'_>, address: &str, template: &str) -> Result<()> {
    world.ends(address, RIGHT, Accept("keycloak"))?;
    world.rows(
        &format!("SELECT template_name FROM keydove_person WHERE mailbox = '{address}'"),
        &[&[template]],
    )
}

/// So many first logins of one person at one moment all get in, and one mailbox is made.
fn at_once(world: &World<'_>, address: &str, logins: usize) -> Result<()> {
    newcomer(world, address, None)?;
    let results: Vec<Result<()>> = thread::scope(|scope| {
        let login = || world.ends(address, RIGHT, Accept("keycloak"));
        let running: Vec<_> = (0..logins).map(|_| scope.spawn(login)).collect();
        running
            .into_iter()
            .map(|login| login.join().unwrap_or_else(|_| Err("a login panicked".to_owned().into())))
            .collect()
    });
    results.into_iter().collect::<Result<()>>()?;
    for (table, column) in EVERY_TABLE {
        let rows = world.count(table, &format!("{column} = '{address}'"))?;
        let expected = usize::from(table != "tags_mailbox");
        ensure(rows == expected, || format!("{table} has {rows} rows"))?;
    }
    let line = format!("made a mailbox at the first login user=\"{address}\"");
    let log = world.bench.keydove.log();
    let made = log.matches("made a mailbox at the first login").count();
    ensure(made > 0 && log.matches(&line).count() <= 1, || format!("it was made more than once: {line}"))
}
