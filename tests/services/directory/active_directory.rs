//! Accounts that a directory switches off in Active Directory's way: the bit of `userAccountControl` that Keycloak's mapper
//! *MSAD account controls* reads. The directory is `slapd` with the two attributes; the mapper and the answers are Keycloak's.

use super::company::{Company, PEOPLE};
use crate::commands;
use crate::mailcow::WorldCase;
use crate::mailcow::world::End::Refuse;
use crate::mailcow::world::{RIGHT, World};
use crate::stage::Result;
use crate::stage::directory::Import;
use crate::{ensure, eventually};

/// An account in use, and one that is switched off.
const NORMAL: u32 = 512;
const SWITCHED_OFF: u32 = 514;

pub const CASES: &[WorldCase] = &[
    ("who_is_switched_off_in_active_directory_is_refused_and_told_so_with_import_on", |world| {
        switched_off(world, "ldap-msad-on", Import::On)
    }),
    ("who_is_switched_off_in_active_directory_is_refused_and_told_so_with_import_off", |world| {
        switched_off(world, "ldap-msad-off", Import::Off)
    }),
];

fn switched_off(world: &World<'_>, name: &'static str, import: Import) -> Result<()> {
    let company = Company::found(world, name, import)?;
    company.federation.forget_at_once()?;
    company.federation.is_active_directory()?;
    company.log_in(&PEOPLE)?;
    company.directory.set_account_control(&company.at("ann"), SWITCHED_OFF)?;
    eventually(|| company.ends("ann", RIGHT, Refuse("store_disabled")))?;
    let (said, errors, _) = commands::output(company.keydove.command("explain").arg(company.at("ann")))?;
    ensure(said.contains("disabled by the user store behind Keycloak"), || format!("{said}{errors}"))?;
    company.log_in(&["ben", "loc"])?;
    company.directory.set_account_control(&company.at("ann"), NORMAL)?;
    company.recovers(&["ann"]).map(drop)
}
