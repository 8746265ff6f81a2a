//! What is a name, and what is asked about it.

use serde_json::json;

use super::WorldCase;
use super::world::End::{Accept, CannotTell, Refuse};
use super::world::{Attempt, OTHER, RIGHT, attempt_at, prompt};
use crate::ensure;

pub const CASES: &[WorldCase] = &[
    ("a_name_without_a_domain_is_refused_and_asked_of_nobody", |world| {
        for name in ["case01", "case01@", "@case.example", ""] {
            world.ends_unasked(name, RIGHT, Refuse("name_invalid"))?;
        }
        Ok(())
    }),
    // keydove's own: what only the collation finds equal is another name.
    ("letter_case_does_not_count_and_no_collation_decides", |world| {
        world.person("case02@case.example", |_| ())?;
        world.mailbox("case02@case.example", "")?;
        world.ends("CASE02@CASE.EXAMPLE", RIGHT, Accept("keycloak"))?;
        let line =
            attempt_at(&world.bench.keydove, Attempt::new("Case02@case.example", RIGHT), Accept("keycloak"))?;
        ensure(line.0.contains("case02@case.example"), || line.0.clone())?;
        world.person("ünal02@case.example", |_| ())?;
        world.mailbox("ünal02@case.example", "")?;
        world.ends("ünal02@case.example", RIGHT, Accept("keycloak"))?;
        world.ends("unal02@case.example", RIGHT, Refuse("user_unknown"))
    }),
    ("a_plus_address_is_an_address_of_its_own", |world| {
        world.person("case03@case.example", |_| ())?;
        world.mailbox("case03@case.example", "")?;
        world.ends("case03+tag@case.example", RIGHT, Refuse("user_unknown"))?;
        let asked = world.bench.relay.requests("case03");
        ensure(
            asked.len() == 1
                && asked[0].contains("email=case03%2Btag%40case.example")
                && asked[0].contains("exact=true"),
            || format!("Keycloak was asked {asked:?}"),
        )
    }),
    ("an_alias_is_no_login", |world| {
        for address in ["case04@case.example", "case04@case04-target.example"] {
            world.person(address, |_| ())?;
            world.mailbox(address, "")?;
        }
        world.system.execute(
            "INSERT INTO domain (domain) VALUES ('case04-target.example');
             INSERT INTO alias_domain (alias_domain, target_domain) VALUES ('case04.example', 'case04-target.example');
             INSERT INTO alias (address, goto, domain)
             VALUES ('case04-alias@case.example', 'case04@case.example', 'case.example');",
        )?;
        world.ends("case04@case.example", RIGHT, Accept("keycloak"))?;
        world.ends("case04@case04-target.example", RIGHT, Accept("keycloak"))?;
        world.ends_unasked("case04@case04.example", RIGHT, Refuse("domain_unknown"))?;
        world.ends("case04-alias@case.example", RIGHT, Refuse("user_unknown"))
    }),
    // keydove's own: letters outside ASCII are fine where such a mailbox is; none is made. A quoted local part and
    // the local part 0 make no mailbox either.
    ("odd_names_are_refused_and_asked_of_nobody", |world| {
        let long = format!("{}@case.example", "c".repeat(65));
        for name in [
            "case05@case.example.",
            "case05..x@case.example",
            ".case05@case.example",
            "case05.@case.example",
            "case05@case..example",
            "\"case 05\"@case.example",
            "\"case05\"@case.example",
            "case05@x@case.example",
            &long,
        ] {
            world.ends_unasked(name, RIGHT, Refuse("name_invalid"))?;
        }
        world.ends_unasked("case05@localhost", RIGHT, Refuse("domain_unknown"))?;
        world.ends("älice05@case.example", RIGHT, Refuse("user_unknown"))?;
        for name in ["öve05@case.example", "0@case.example"] {
            world.person(name, |_| ())?;
            world.ends(name, OTHER, Refuse("password_mismatch"))?;
            world.ends(name, RIGHT, CannotTell("provision_mailbox_invalid"))?;
        }
        let rows = world.count(
            "mailbox",
            "domain = 'case.example' AND local_part IN ('älice05', 'öve05', '0', 'case05')",
        )?;
        ensure(rows == 0, || format!("{rows} mailboxes were made"))
    }),
    ("a_name_is_no_pattern", |world| {
        world.person("case11@case.example", |_| ())?;
        for name in ["%@case.example", "case1_@case.example", "case%@case.example", "c%11@case.example"] {
            world.ends(name, RIGHT, Refuse("user_unknown"))?;
        }
        world.ends("case*@case.example", RIGHT, Refuse("name_invalid"))?;
        let rows = world
            .count("mailbox", "domain = 'case.example' AND local_part IN ('%', 'case1_', 'case%', 'c%11')")?;
        ensure(rows == 0, || format!("{rows} mailboxes were made"))
    }),
    // keydove's own: mailcow asks its provider about everybody.
    ("a_foreign_domain_costs_no_question", |world| {
        world.person("case65@elsewhere.example", |_| ())?;
        world.ends_unasked("case65@elsewhere.example", RIGHT, Refuse("domain_unknown"))
    }),
    ("odd_characters_reach_keycloak_as_they_are", |world| {
        let name = "case75+a&b=c#d%25'e?f@case.example";
        world.person(name, |_| ())?;
        world.ends(name, RIGHT, Accept("keycloak"))?;
        let asked = world.bench.relay.requests("case75");
        let escaped = "email=case75%2Ba%26b%3Dc%23d%2525%27e%3Ff%40case.example&";
        ensure(asked.len() == 1 && asked[0].contains(escaped), || format!("Keycloak was asked {asked:?}"))?;
        let odd = "case75 R&D + büro";
        world.bench.admin.make_group(odd)?;
        world.bench.admin.make_role(odd)?;
        let realm = "realm = \"mail\"";
        for (name, demand, kind, missing) in [
            ("case75-group", format!("required_group = \"/{odd}\""), "groups", "group_missing"),
            ("case75-role", format!("required_role = \"{odd}\""), "realmRoles", "role_missing"),
        ] {
            let edit = |text: String| prompt(&text).replace(realm, &format!("{realm}\n{demand}"));
            let keydove = world.system.keydove.beside(name, edit)?;
            for (side, end) in [("in", Accept("keycloak")), ("out", Refuse(missing))] {
                let email = format!("{name}-{side}@case.example");
                let value = if kind == "groups" { format!("/{odd}") } else { odd.to_owned() };
                world.person(&email, |user| {
                    user[kind] = if side == "in" { json!([value]) } else { json!([]) }
                })?;
                world.mailbox(&email, "")?;
                attempt_at(&keydove, Attempt::new(&email, RIGHT), end)?;
            }
        }
        Ok(())
    }),
];
