//! A mailbox belongs to a person, not to an address: leavers, newcomers with their address, and changed addresses.

use serde_json::json;

use super::app_passwords::app_password;
use crate::mailcow::WorldCase;
use crate::mailcow::provisioning::newcomer;
use crate::mailcow::world::End::{Accept, Refuse};
use crate::mailcow::world::{Attempt, OTHER, OTHER_HASH, RIGHT, World, attempt_at, person, prompt};
use crate::stage::Result;
use crate::stage::keydove::Keydove;
use crate::stage::process::run;

pub const CASES: &[WorldCase] = &[
    ("a_changed_address_opens_nobody_elses_mailbox", |world| {
        newcomer(world, "t41-a@case.example", None)?;
        world.ends("t41-a@case.example", RIGHT, Accept("keycloak"))?;
        world.bench.admin.delete("t41-a@case.example")?;
        world.person("t41-b@case.example", |user| {
            user["attributes"]["mailcow_password"] = json!([OTHER_HASH])
        })?;
        world.ends("t41-b@case.example", OTHER, Accept("keycloak"))?;
        world.bench.admin.update("t41-b@case.example", |user| {
            user["email"] = "t41-a@case.example".into();
        })?;
        let keydove = fresh(world, "t41-fresh")?;
        ends(&keydove, "t41-a@case.example", OTHER, Refuse("user_replaced"))
    }),
    ("a_newcomer_gets_no_leavers_mail", |world| {
        let address = "t43@case.example";
        newcomer(world, address, None)?;
        world.ends(address, RIGHT, Accept("keycloak"))?;
        app_password(world, address, "password = '{PLAIN}of the leaver'")?;
        world.ends(address, "of the leaver", Accept("app_password"))?;
        world.bench.admin.delete(address)?;
        let mut new = person(address);
        new["attributes"]["mailcow_password"] = json!([OTHER_HASH]);
        world.bench.admin.import(&[new])?;
        let keydove = fresh(world, "t43-fresh")?;
        for password in [OTHER, "of the leaver"] {
            ends(&keydove, address, password, Refuse("user_replaced"))?;
        }
        ends(&keydove, address, RIGHT, Refuse("user_replaced"))?;
        let id = world.bench.admin.id(address)?;
        run(keydove.command("mailbox").args(["adopt", address, "--id", &id]))?;
        let keydove = fresh(world, "t43-adopted")?;
        ends(&keydove, address, OTHER, Accept("keycloak"))?;
        ends(&keydove, address, RIGHT, Refuse("password_mismatch"))
    }),
];

/// A keydove that remembers nothing yet, whatever the others do.
fn fresh(world: &World<'_>, name: &'static str) -> Result<Keydove> {
    let schemes = "\n[hashing.schemes]\nallow_weak = [\"PLAIN\"]\n";
    world.system.keydove.beside(name, |text| prompt(&text) + schemes)
}

fn ends(keydove: &Keydove, user: &str, password: &str, end: crate::mailcow::world::End<'_>) -> Result<()> {
    attempt_at(keydove, Attempt::new(user, password), end).map(drop)
}
