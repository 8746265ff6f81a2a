//! A run of the sync while something is wrong with the directory takes nobody for gone, and says why it did not get to its
//! end; a run with all well is complete, whether Keycloak keeps copies or not.

use super::company::{Company, PEOPLE, Plan};
use crate::ensure;
use crate::mailcow::WorldCase;
use crate::mailcow::world::End::Refuse;
use crate::mailcow::world::{RIGHT, World};
use crate::stage::Result;
use crate::stage::directory::Import;

/// The first run that misses somebody switches their mailbox off.
const SETTINGS: &str = "\n[sync]\nimport = true\nimport_limit = 100\npause = \"0\"\ndeactivate = \"disabled\"\n\
                        missed_runs = 1\n";

pub const CASES: &[WorldCase] = &[
    ("a_sync_in_an_outage_takes_nobody_for_gone_with_import_on", |world| {
        takes_only_leavers(world, "ldap-sync-on", Import::On)
    }),
    ("a_sync_is_complete_with_import_off_and_takes_nobody_for_gone_in_an_outage", |world| {
        takes_only_leavers(world, "ldap-sync-off", Import::Off)
    }),
];

fn takes_only_leavers(world: &World<'_>, name: &'static str, import: Import) -> Result<()> {
    let plan = Plan { name, import, settings: SETTINGS, sees_stores: false, throttles: true };
    let mut company = Company::by_plan(world, plan)?;
    company.federation.forget_soon()?;
    company.log_in(&PEOPLE)?;
    company.log_in(&["loc"])?;
    let whole = company.run("sync", &["--json"])?;
    ensure(whole["complete"] == true && whole["seen"] == 4, || format!("{whole}"))?;
    let log = company.keydove.log().len();

    company.directory.kill()?;
    incomplete(&company, "answer")?;
    company.directory.start_again()?;
    company.directory.freeze()?;
    incomplete(&company, "answer")?;
    company.directory.thaw()?;
    company.federation.bind_rightly(false)?;
    incomplete(&company, "answer")?;
    company.federation.bind_rightly(true)?;
    company.federation.set("enabled", "false")?;
    let reason = if import == Import::On { "switched off" } else { "empty or switched off" };
    incomplete(&company, reason)?;
    company.federation.set("enabled", "true")?;
    company.nobody_was_wronged(log)?;

    company.recovers(&PEOPLE)?;
    company.directory.delete(&company.at("cal"))?;
    // With copies the first run makes Keycloak delete one under its hands; and Keycloak remembers people for a second.
    crate::eventually(|| {
        let report = company.run("sync", &["--json"])?;
        ensure(report["complete"] == true && report["deactivated"] == 1, || format!("{report}"))
    })?;
    crate::eventually(|| company.ends("cal", RIGHT, Refuse("mailbox_disabled")))?;
    active(&company, 3)?;
    company.log_in(&["ann", "ben", "loc"])
}

/// Twice, so that whoever counted as missing would be switched off.
fn incomplete(company: &Company<'_>, reason: &str) -> Result<()> {
    for _ in 0..2 {
        let report = company.run("sync", &["--json"])?;
        let trouble = report["sources"][0]["trouble"].as_str().unwrap_or_default();
        ensure(report["complete"] == false && trouble.contains(reason), || format!("{reason}: {report}"))?;
        ensure(report["deactivated"] == 0 && report["missing"] == 0, || report.to_string())?;
    }
    active(company, 4)
}

fn active(company: &Company<'_>, expected: usize) -> Result<()> {
    let found = company.world.count("mailbox", &format!("active = 1 AND domain = '{}'", company.domain()))?;
    ensure(found == expected, || format!("{found} active mailboxes, not {expected}"))
}
