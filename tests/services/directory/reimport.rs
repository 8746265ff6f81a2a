//! Keycloak removes its copies of the people of a directory and makes new ones, with new ids: whoever is proven to be the
//! same gets their mailbox back by one command, and nobody else.

use super::company::{Company, PEOPLE};
use crate::commands;
use crate::mailcow::WorldCase;
use crate::mailcow::world::End::{Accept, Refuse};
use crate::mailcow::world::{RIGHT, RIGHT_HASH};
use crate::stage::Result;
use crate::stage::directory::Import;
use crate::{ensure, eventually};

pub const CASES: &[WorldCase] = &[
    ("after_a_reimport_one_command_readmits_who_is_proven_to_be_the_same", |world| {
        let company = Company::found(world, "ldap-again", Import::On)?;
        company.log_in(&PEOPLE)?;
        marked(&company, 3)?;
        company.federation.remove_copies()?;
        for local in PEOPLE {
            eventually(|| company.ends(local, RIGHT, Refuse("user_replaced")))?;
        }
        // Of one nothing is remembered, of another somebody else's mark.
        let of = |local: &str| format!("mailbox = '{}'", company.at(local));
        world.system.execute(&format!("DELETE FROM keydove_mark WHERE {}", of("ben")))?;
        world.system.execute(&format!("UPDATE keydove_mark SET value = 'x' WHERE {}", of("cal")))?;
        let expected = [("ann", "readmitted"), ("ben", "no_mark_remembered"), ("cal", "mark_differs")];
        eventually(|| adopts(&company, "LDAP_ID", true, &expected))?;
        company.ends("ann", RIGHT, Refuse("user_replaced"))?;
        eventually(|| adopts(&company, "LDAP_ID", false, &expected))?;
        eventually(|| company.ends("ann", RIGHT, Accept("keycloak")))?;
        for local in ["ben", "cal"] {
            company.ends(local, RIGHT, Refuse("user_replaced"))?;
        }
        // A second run finds only those who are left.
        eventually(|| adopts(&company, "LDAP_ID", false, &expected[1..]))
    }),
    ("whoever_was_hired_anew_under_the_same_address_does_not_get_the_mailbox", |world| {
        let company = Company::found(world, "ldap-hired", Import::On)?;
        company.federation.forget_soon()?;
        company.log_in(&["ann"])?;
        marked(&company, 1)?;
        // Another entry of the directory, so another person.
        company.directory.delete(&company.at("ann"))?;
        eventually(|| company.ends("ann", RIGHT, Refuse("user_gone")))?;
        company.directory.add(&company.at("ann"), RIGHT_HASH)?;
        eventually(|| company.ends("ann", RIGHT, Refuse("user_replaced")))?;
        eventually(|| adopts(&company, "LDAP_ID", false, &[("ann", "mark_differs")]))?;
        company.ends("ann", RIGHT, Refuse("user_replaced"))?;
        // An attribute that is not remembered proves nothing, and says so.
        let (said, _, code) = commands::output(company.keydove.command("mailbox").args([
            "adopt",
            "--all",
            "--by",
            "sn",
            "--dry-run",
        ]))?;
        ensure(code == 1 && said.contains("mark_attribute"), || format!("{code}: {said}"))
    }),
    ("while_the_directory_is_down_nobody_is_readmitted", |world| {
        let mut company = Company::found(world, "ldap-again-down", Import::On)?;
        company.log_in(&["ann", "ben"])?;
        marked(&company, 2)?;
        company.federation.remove_copies()?;
        for local in ["ann", "ben"] {
            eventually(|| company.ends(local, RIGHT, Refuse("user_replaced")))?;
        }
        company.directory.kill()?;
        let (said, _, code) =
            commands::output(company.keydove.command("mailbox").args(["adopt", "--all", "--by", "LDAP_ID"]))?;
        ensure(code == 1 && said.contains("does not answer"), || format!("{code}: {said}"))?;
        company.directory.start_again()?;
        // Keycloak takes in whoever it lists for the first time, so a first list may have changed under way.
        let both = [("ann", "readmitted"), ("ben", "readmitted")];
        eventually(|| adopts(&company, "LDAP_ID", false, &both))?;
        eventually(|| company.log_in(&["ann", "ben"]))
    }),
];

/// What is remembered is written down after the login.
fn marked(company: &Company<'_>, people: usize) -> Result<()> {
    eventually(|| {
        let condition = format!("mailbox LIKE '%@{}' AND attribute = 'LDAP_ID'", company.domain());
        let found = company.world.count("keydove_mark", &condition)?;
        ensure(found == people, || format!("{found} marks\n{}", company.keydove.log()))
    })
}

fn adopts(company: &Company<'_>, by: &str, dry_run: bool, expected: &[(&str, &str)]) -> Result<()> {
    let mut arguments = vec!["adopt", "--all", "--by", by, "--json"];
    arguments.extend(dry_run.then_some("--dry-run"));
    let (said, errors, code) = commands::output(company.keydove.command("mailbox").args(&arguments))?;
    let answer: serde_json::Value = serde_json::from_str(&said).unwrap_or_default();
    let mut found: Vec<_> = answer["people"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|person| {
            (person["address"].as_str().unwrap_or_default(), person["outcome"].as_str().unwrap_or_default())
        })
        .collect();
    found.sort_unstable();
    let wanted: Vec<_> = expected.iter().map(|(local, outcome)| (company.at(local), *outcome)).collect();
    let is_right =
        found.iter().copied().eq(wanted.iter().map(|(address, outcome)| (address.as_str(), *outcome)));
    ensure(is_right, || format!("{said}{errors}"))?;
    let all_in = expected.iter().all(|(_, outcome)| *outcome == "readmitted");
    ensure(code == i32::from(!all_in), || format!("exit code {code}: {said}"))
}
