//! What an administrator does to many people at once refuses them, and says why, and ends no session unless somebody says
//! that it is meant.

use super::company::{Company, PEOPLE, Plan};
use crate::commands;
use crate::mailcow::WorldCase;
use crate::mailcow::world::End::Refuse;
use crate::mailcow::world::{RIGHT, RIGHT_HASH, World};
use crate::stage::Result;
use crate::stage::directory::Import;
use crate::{ensure, eventually};

pub const CASES: &[WorldCase] = &[
    ("a_provider_that_is_switched_off_for_a_minute_kicks_nobody_with_import_on", |world| {
        provider_off(world, plan("ldap-off-on", Import::On), "provider_off", "switched_off")
    }),
    ("a_provider_that_is_switched_off_for_a_minute_kicks_nobody_with_import_off", |world| {
        provider_off(world, plan("ldap-off-off", Import::Off), "user_gone", "store_not_seen")
    }),
    ("with_view_realm_a_provider_that_is_switched_off_is_named_with_import_off", |world| {
        let plan = Plan { sees_stores: true, ..plan("ldap-off-seen", Import::Off) };
        provider_off(world, plan, "provider_off", "switched_off")
    }),
    ("with_view_realm_a_leaver_without_a_copy_is_kicked_and_check_names_the_directory", |world| {
        let plan = Plan {
            name: "ldap-sees",
            import: Import::Off,
            settings: "",
            sees_stores: true,
            throttles: false,
        };
        let company = Company::by_plan(world, plan)?;
        company.federation.forget_soon()?;
        company.log_in(&PEOPLE)?;
        let (said, _, _) = commands::output(&mut company.keydove.command("check"))?;
        ensure(said.contains("the user store `directory` answers; Keycloak keeps no copies"), || said)?;
        company.directory.delete(&company.at("ann"))?;
        eventually(|| company.ends("ann", RIGHT, Refuse("user_gone")))?;
        eventually(|| {
            let kicked = company.kicked()?;
            ensure(kicked == [company.at("ann")], || format!("{kicked:?}\n{}", company.keydove.log()))
        })?;
        company.federation.set("enabled", "false")?;
        let (said, _, _) = commands::output(&mut company.keydove.command("check"))?;
        ensure(said.contains("the user store `directory` is switched off"), || said)?;
        company.directory.freeze()?;
        company.federation.set("enabled", "true")?;
        let (said, _, code) = commands::output(&mut company.keydove.command("check"))?;
        company.directory.thaw()?;
        ensure(code == 1 && said.contains("does not answer"), || said)?;
        company.recovers(&["ben", "cal"]).map(drop)
    }),
    ("a_directory_that_was_emptied_has_few_kicked_and_the_rest_held", |world| {
        let company = Company::found(world, "ldap-empty", Import::On)?;
        company.federation.forget_soon()?;
        let more = ["dan", "eve", "fay", "gus", "hal", "ida", "jim", "kay", "leo"];
        for local in more {
            company.directory.add(&company.at(local), RIGHT_HASH)?;
        }
        let all: Vec<_> = PEOPLE.into_iter().chain(more).collect();
        company.log_in(&all)?;
        all.iter().try_for_each(|local| company.directory.delete(&company.at(local)))?;
        eventually(|| {
            for local in &all {
                company.verdict(local, RIGHT)?;
            }
            let (kicked, held) = (company.kicked()?.len(), held(&company)?.len());
            ensure(kicked <= 5 && kicked + held == all.len(), || format!("{kicked} kicked, {held} held"))
        })?;
        ensure(company.keydove.log().contains("keydove kick release --all"), || company.keydove.log())?;
        // Somebody says that it is meant: now all are kicked.
        let settled = company.run("kick", &["release", "--all", "--json"])?;
        ensure(settled["spared"] == 0, || settled.to_string())?;
        eventually(|| {
            let kicked = company.kicked()?.len();
            ensure(kicked == all.len(), || format!("{kicked} kicked"))
        })?;
        // Local people never noticed.
        company.log_in(&["loc"])
    }),
];

fn plan(name: &'static str, import: Import) -> Plan {
    Plan { name, import, settings: "", sees_stores: false, throttles: true }
}

fn provider_off(world: &World<'_>, plan: Plan, reason: &'static str, why: &str) -> Result<()> {
    let company = Company::by_plan(world, plan)?;
    company.log_in(&PEOPLE)?;
    company.log_in(&["loc"])?;
    company.federation.set("enabled", "false")?;
    for local in PEOPLE {
        eventually(|| company.ends(local, RIGHT, Refuse(reason)))?;
    }
    company.log_in(&["loc"])?;
    let (said, _, _) = commands::output(company.keydove.command("explain").arg(company.at("ann")))?;
    ensure(said.contains(reason), || format!("no {reason} in {said}"))?;
    // Nobody guessed: their names have mailboxes.
    let counters = company.run("throttle", &["list", "--json"])?;
    ensure(counters["total"] == 0, || format!("somebody counts as a guesser: {counters}"))?;
    eventually(|| {
        let held = held(&company)?;
        ensure(held.len() == 3 && held.iter().all(|(_, found)| found == why), || format!("{held:?}"))
    })?;
    ensure(company.kicked()?.is_empty(), || "somebody was kicked".to_owned())?;
    let log = company.keydove.log();
    ensure(log.matches("keydove kick release --all").count() == 1, || log)?;
    company.federation.set("enabled", "true")?;
    company.recovers(&PEOPLE)?;
    // Who may log in again is not kicked, whatever the administrator says.
    let settled = company.run("kick", &["release", "--all", "--json"])?;
    ensure(settled["kicked"] == 0 && settled["spared"] == 3, || settled.to_string())?;
    ensure(company.kicked()?.is_empty() && held(&company)?.is_empty(), || "somebody was kicked".to_owned())
}

fn held(company: &Company<'_>) -> Result<Vec<(String, String)>> {
    let list = company.run("kick", &["list", "--json"])?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let held = list["held"].as_array().cloned().unwrap_or_default();
    Ok(held.iter().map(|held| (text(&held["user"]), text(&held["why"]))).collect())
}
