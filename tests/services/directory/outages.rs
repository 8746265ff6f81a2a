//! Whatever becomes of the directory, nobody is wronged meanwhile, and afterwards everything is as before.

use super::company::{Company, PEOPLE, Plan};
use crate::mailcow::WorldCase;
use crate::mailcow::world::World;
use crate::stage::Result;
use crate::stage::directory::Import;

pub const CASES: &[WorldCase] = &[
    ("a_directory_that_is_down_locks_nobody_out_with_import_on", |world| {
        rides_out(
            world,
            "ldap-down-on",
            Import::On,
            |company| company.directory.kill(),
            |company| company.directory.start_again(),
        )
    }),
    ("a_directory_that_is_down_locks_nobody_out_with_import_off", |world| {
        rides_out(
            world,
            "ldap-down-off",
            Import::Off,
            |company| company.directory.kill(),
            |company| company.directory.start_again(),
        )
    }),
    ("a_directory_that_does_not_answer_locks_nobody_out_with_import_on", |world| {
        rides_out(
            world,
            "ldap-frozen-on",
            Import::On,
            |company| company.directory.freeze(),
            |company| company.directory.thaw(),
        )
    }),
    ("a_directory_that_does_not_answer_locks_nobody_out_with_import_off", |world| {
        rides_out(
            world,
            "ldap-frozen-off",
            Import::Off,
            |company| company.directory.freeze(),
            |company| company.directory.thaw(),
        )
    }),
    ("a_directory_that_does_not_take_keycloaks_password_locks_nobody_out_with_import_on", |world| {
        rides_out(
            world,
            "ldap-bind-on",
            Import::On,
            |company| company.federation.bind_rightly(false),
            |company| company.federation.bind_rightly(true),
        )
    }),
    ("a_directory_that_does_not_take_keycloaks_password_locks_nobody_out_with_import_off", |world| {
        rides_out(
            world,
            "ldap-bind-off",
            Import::Off,
            |company| company.federation.bind_rightly(false),
            |company| company.federation.bind_rightly(true),
        )
    }),
];

type Step = fn(&mut Company<'_>) -> Result<()>;

fn rides_out(world: &World<'_>, name: &'static str, import: Import, fail: Step, mend: Step) -> Result<()> {
    let plan = Plan { name, import, settings: "", sees_stores: false, throttles: true };
    let mut company = Company::by_plan(world, plan)?;
    company.log_in(&PEOPLE[..2])?;
    company.log_in(&["loc"])?;
    let late = company.hire()?;
    fail(&mut company)?;
    // `cal` has never logged in, and `late` was hired a moment ago: Keycloak alone could know them.
    company.rides_out(&["ann", "ben", "loc"], "cal", &late)?;
    mend(&mut company)?;
    company.recovers(&["ann", "ben", "loc", "cal", &late]).map(drop)
}
