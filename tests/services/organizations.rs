//! People whom an organization of Keycloak's manages: they came by a login at the organization's own identity provider.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::commands;
use crate::control::start_with;
use crate::mailcow::WorldCase;
use crate::mailcow::world::End::{Accept, Refuse};
use crate::mailcow::world::{Attempt, End, RIGHT, RIGHT_HASH, SETTINGS, World, attempt_at, domain, person};
use crate::stage::Result;
use crate::stage::keycloak_admin::{KeycloakAdmin, Organization};
use crate::stage::keydove::Keydove;
use crate::{ensure, eventually};

const KEYDOVE: &str = "\n[cache]\nmax_staleness = \"1s\"\nmailbox_staleness = \"1s\"\nunknown = \"1s\"\n\
    refetch_pause = \"0\"\n\n[sync]\nimport = true\nimport_limit = 100\npause = \"0\"\ndeactivate = \"disabled\"\n\
    missed_runs = 1\n\n[kick]\ncommand = ";
/// The first managed members.
const STAFF: [&str; 2] = ["manny", "maria"];
/// Invited, not managed.
const GUEST: &str = "guest";

pub const CASES: &[WorldCase] = &[
    ("an_organization_that_is_switched_off_refuses_whom_it_manages_and_ends_nobodys_session", |world| {
        let office = Office::found(world, "org-off")?;
        office.organization.switch(false)?;
        office.is_off()?;
        office.organization.switch(true)?;
        office.is_on_again()
    }),
    (
        "organizations_that_are_switched_off_in_the_realm_refuse_whom_they_manage_and_end_nobodys_session",
        |world| {
            let office = Office::found(world, "orgs-off")?;
            office.admin.change_realm(&json!({ "organizationsEnabled": false }))?;
            office.is_off()?;
            office.admin.change_realm(&json!({ "organizationsEnabled": true }))?;
            office.is_on_again()
        },
    ),
    ("who_is_disabled_while_their_organization_is_off_is_refused_for_that_and_kicked", |world| {
        let office = Office::found(world, "org-both")?;
        let leaver = office.at(STAFF[0]);
        office.admin.update(&leaver, |user| user["enabled"] = false.into())?;
        office.organization.switch(false)?;
        eventually(|| office.ends(STAFF[0], Refuse("user_disabled")))?;
        eventually(|| office.ends(STAFF[1], Refuse("organization_off")))?;
        eventually(|| {
            let kicked = office.kicked()?;
            ensure(kicked == [leaver.as_str()], || format!("{kicked:?}"))
        })?;
        office.organization.switch(true)?;
        eventually(|| office.ends(STAFF[0], Refuse("user_disabled")))?;
        eventually(|| office.ends(STAFF[1], Accept("keycloak")))
    }),
];

/// A realm with an organization in it, and a keydove that asks the realm. The domain is `NAME.example`.
struct Office {
    keydove: Keydove,
    admin: KeycloakAdmin,
    organization: Organization,
    name: &'static str,
    /// What the command that ends sessions leaves, before each name.
    kicked: PathBuf,
}

impl Office {
    /// Everybody has logged in, at Keycloak in a browser and at keydove.
    fn found(world: &World<'_>, name: &'static str) -> Result<Self> {
        let domain_name = format!("{name}.example");
        let at = |local: &str| format!("{local}@{domain_name}");
        let mut realm = crate::sync::realm(name, vec![person(&at(GUEST))])?;
        realm["organizationsEnabled"] = true.into();
        world.bench.admin.make_realm(&realm)?;
        let admin = world.bench.admin.in_realm(name);
        let users: Vec<_> = STAFF
            .iter()
            .map(|local| {
                let mut user = person(&at(local));
                user["username"] = (*local).into();
                user["credentials"] = json!([{ "type": "password", "value": RIGHT, "temporary": false }]);
                user["attributes"] = Value::Null;
                user
            })
            .collect();
        let home = world.bench.admin.make_home(&format!("{name}-home"), &users)?;
        let organization = world.bench.admin.in_realm(name).make_organization(name, &domain_name, &home)?;
        for local in STAFF {
            organization.admit(local, RIGHT)?;
            admin.update(&at(local), |user| user["attributes"]["mailcow_password"] = json!([RIGHT_HASH]))?;
        }
        organization.invite(&at(GUEST))?;
        world.system.execute(&domain(&domain_name, ""))?;
        let kicked = world.system.stage().path(&format!("{name}-kicked-"));
        let command = json!(["/usr/bin/touch", format!("{}{{user}}", kicked.display())]);
        let keydove = start_with(world.system, name, |text| {
            let own = format!("realm = \"{name}\"\nname = \"{name}\"");
            let text = text.replace("realm = \"mail\"", &own);
            let text = text.replace("[throttle]\nenabled = false", "[throttle]\nenabled = true");
            format!("{text}{SETTINGS}{KEYDOVE}{command}\n")
        })?;
        let office = Self { keydove, admin, organization, name, kicked };
        // The first answers of a realm take longer than a login may.
        eventually(|| office.all_log_in())?;
        Ok(office)
    }

    fn at(&self, local: &str) -> String {
        format!("{local}@{}.example", self.name)
    }

    fn ends(&self, local: &str, end: End<'_>) -> Result<()> {
        attempt_at(&self.keydove, Attempt::new(&self.at(local), RIGHT), end).map(drop)
    }

    fn all_log_in(&self) -> Result<()> {
        [STAFF[0], STAFF[1], GUEST].iter().try_for_each(|local| self.ends(local, Accept("keycloak")))
    }

    /// Managed members are refused, everybody says why, and that is all that becomes of them; the guest notices nothing.
    fn is_off(&self) -> Result<()> {
        for local in STAFF {
            eventually(|| self.ends(local, Refuse("organization_off")))?;
            eventually(|| self.ends(GUEST, Accept("keycloak")))?;
            let address = self.at(local);
            let words = ["organization_off", "managed by an organization that is switched off in Keycloak"];
            self.says("explain", &[&address], &words)?;
            self.says("check", &["--user", &address], &words)?;
        }
        let held = self.json("kick", &["list", "--json"])?["held"].clone();
        let held = held.as_array().cloned().unwrap_or_default();
        let are_held = held.len() == STAFF.len() && held.iter().all(|held| held["why"] == "switched_off");
        ensure(are_held, || format!("{held:?}"))?;
        for _ in 0..2 {
            let report = self.json("sync", &["--json"])?;
            let is_told = report["complete"] == false && report["skipped"]["switched_off"] == 2;
            ensure(is_told && report["deactivated"] == 0, || report.to_string())?;
        }
        let kicked = self.kicked()?;
        ensure(kicked.is_empty(), || format!("kicked: {kicked:?}"))?;
        let counters = self.json("throttle", &["list", "--json"])?;
        ensure(counters["total"] == 0, || format!("somebody counts as a guesser: {counters}"))
    }

    /// Everybody logs in, and nobody is kicked, whatever the administrator says.
    fn is_on_again(&self) -> Result<()> {
        eventually(|| self.all_log_in())?;
        let settled = self.json("kick", &["release", "--all", "--json"])?;
        ensure(settled["kicked"] == 0 && settled["spared"] == 2, || settled.to_string())?;
        let report = self.json("sync", &["--json"])?;
        ensure(report["complete"] == true && report["deactivated"] == 0, || report.to_string())?;
        let kicked = self.kicked()?;
        ensure(kicked.is_empty(), || format!("kicked: {kicked:?}"))
    }

    /// Whose sessions were ended.
    fn kicked(&self) -> Result<Vec<String>> {
        commands::kicked(&self.kicked)
    }

    /// A command prints all of this, however it ends.
    fn says(&self, command: &str, arguments: &[&str], parts: &[&str]) -> Result<()> {
        let (text, errors, _) = commands::output(self.keydove.command(command).args(arguments))?;
        parts.iter().try_for_each(|part| {
            ensure(text.contains(part), || format!("keydove {command}: no `{part}` in\n{text}{errors}"))
        })
    }

    fn json(&self, command: &str, arguments: &[&str]) -> Result<Value> {
        commands::json(&self.keydove, command, arguments)
    }
}
