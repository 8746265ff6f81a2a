//! What `keydove check` warns of when it asks Keycloak.

use std::path::Path;

use crate::ensure;
use crate::mailcow::WorldCase;
use crate::mailcow::world::World;
use crate::stage::{Result, attempt};

pub const CASES: &[WorldCase] = &[
    // The attribute's name is all that differs: the realm has one of each kind.
    ("check_says_who_can_write_the_attribute", |world| {
        let sound = check(world, "t38-sound", "")?;
        ensure(sound.contains("the service account sees people"), || sound.clone())?;
        ensure(!sound.contains("`mailcow_password`"), || sound)?;
        let writable = check(world, "t38-writable", "password_attribute = \"firstName\"")?;
        ensure(writable.contains("users may edit `firstName`"), || writable)?;
        let hidden = check(world, "t38-hidden", "password_attribute = \"undeclared\"")?;
        ensure(hidden.contains("`undeclared` is not declared"), || hidden)?;
        let address = check(world, "t38-verified", "require_verified_email = true")?;
        ensure(!address.contains("users may edit `email`"), || address)
    }),
    ("check_says_how_many_people_would_get_a_mailbox", |world| {
        let keydove = world.system.keydove.beside("t50-count", |text| {
            format!("{text}\n[provisioning]\nenabled = true\ndefault_template = \"Cases\"\n")
        })?;
        let said = run(&keydove)?;
        let count = said.split("[provisioning] is on: of ").nth(1).and_then(|rest| rest.split(' ').next());
        let count: Option<u32> = count.and_then(|count| count.parse().ok());
        ensure(count.is_some_and(|count| count >= 20), || said)
    }),
];

fn check(world: &World<'_>, name: &'static str, setting: &str) -> Result<String> {
    let realm = "realm = \"mail\"";
    run(&world.system.keydove.beside(name, |text| text.replace(realm, &format!("{realm}\n{setting}")))?)
}

fn run(keydove: &crate::stage::keydove::Keydove) -> Result<String> {
    let output = attempt("run", Path::new("keydove check"), keydove.command("check").output())?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // 1 is for what stands against logins.
    ensure(matches!(output.status.code(), Some(0 | 1)), || said.clone())?;
    Ok(said)
}
