//! Logins from the webmail's address.

use super::app_passwords::app_password;
use crate::mailcow::WorldCase;
use crate::mailcow::world::End::{Accept, Refuse};
use crate::mailcow::world::{Attempt, OTHER, RIGHT, RIGHT_HASH, World, attempt_at, prompt};
use crate::stage::Result;
use crate::stage::keydove::Keydove;

pub const ADDRESS: &str = "172.22.1.248";
/// The secret by which the webmail logs in.
pub const SIGN_ON: &str = "s1ngle s1gn-on";

pub const CASES: &[WorldCase] = &[("the_webmail_is_let_in_where_a_service_is_off", |world| {
    let keydove = with_webmail(world, "case29")?;
    let off = "attributes = '{\"imap_access\":\"0\"}'";
    for address in ["case29@case.example", "case29-off@case.example"] {
        let changes = if address.contains("off") { "active = 0" } else { "active = 1" };
        world.mailbox(
            address,
            &format!("authsource = 'mailcow', password = '{RIGHT_HASH}', {off}, {changes}"),
        )?;
    }
    app_password(world, "case29@case.example", "imap_access = 0")?;
    let from = |remote, password, end| {
        let attempt = Attempt { remote, ..Attempt::new("case29@case.example", password) };
        attempt_at(&keydove, attempt, end)
    };
    for (password, source) in [(RIGHT, "mailbox"), (OTHER, "app_password"), (SIGN_ON, "single_sign_on")] {
        from(Some(ADDRESS), password, Accept(source))?;
    }
    for remote in [Some("172.22.1.249"), Some("192.0.2.9"), Some(""), None] {
        for password in [RIGHT, OTHER, SIGN_ON] {
            from(remote, password, Refuse("service_forbidden"))?;
        }
    }
    // keydove's own: a mailbox that is off stays shut for the webmail too.
    let attempt = Attempt { remote: Some(ADDRESS), ..Attempt::new("case29-off@case.example", SIGN_ON) };
    attempt_at(&keydove, attempt, Refuse("mailbox_disabled")).map(drop)
})];

/// A keydove that knows the webmail.
pub fn with_webmail(world: &World<'_>, name: &'static str) -> Result<Keydove> {
    let settings = settings(world, name)?;
    world.system.keydove.beside(name, |text| prompt(&text) + &settings)
}

/// `[sogo]` with its secret.
pub fn settings(world: &World<'_>, name: &str) -> Result<String> {
    let secret = world.system.stage().write(&format!("keydove/{name}_sign_on"), SIGN_ON)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&secret, mode).map_err(|error| error.to_string())?;
    Ok(format!("\n[sogo]\naddresses = [\"{ADDRESS}\"]\nsingle_sign_on_file = \"{}\"\n", secret.display()))
}
