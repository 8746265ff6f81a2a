//! The login history, mailcow's table `sasl_log`.

use super::app_passwords::app_password;
use super::webmail::{ADDRESS, SIGN_ON, with_webmail};
use crate::eventually;
use crate::mailcow::WorldCase;
use crate::mailcow::world::End::{Accept, Refuse};
use crate::mailcow::world::{Attempt, OTHER, RIGHT, RIGHT_HASH, World, attempt_at};
use crate::stage::Result;

pub const CASES: &[WorldCase] = &[
    ("the_history_names_the_webmail", |world| {
        let keydove = with_webmail(world, "case29-log")?;
        // One mailbox for each way in, because a row is one for service, address and user.
        for (name, password, source, service) in [
            ("main", RIGHT, "mailbox", "NONE"),
            ("app", OTHER, "app_password", "SOGO"),
            ("sign-on", SIGN_ON, "single_sign_on", "SOGO"),
        ] {
            let address = format!("case29-log-{name}@case.example");
            let off = "attributes = '{\"imap_access\":\"0\"}'";
            world.mailbox(&address, &format!("authsource = 'mailcow', password = '{RIGHT_HASH}', {off}"))?;
            app_password(world, &address, "active = 1")?;
            let attempt = Attempt { remote: Some(ADDRESS), ..Attempt::new(&address, password) };
            attempt_at(&keydove, attempt, Accept(source))?;
            history(world, &address, &[&[service, ADDRESS]])?;
        }
        Ok(())
    }),
    ("the_history_keeps_the_name_of_the_service", |world| {
        for (address, service) in
            [("case66-log@case.example", "IMAP"), ("case66-sub@case.example", "submission")]
        {
            world.mailbox(address, &format!("authsource = 'mailcow', password = '{RIGHT_HASH}'"))?;
            world.attempt(Attempt { service, ..Attempt::new(address, RIGHT) }, Accept("mailbox"))?;
            history(world, address, &[&[service, "192.0.2.9"]])?;
        }
        Ok(())
    }),
    ("the_history_has_no_login_from_nowhere", |world| {
        let address = "case67-log@case.example";
        world.mailbox(address, &format!("authsource = 'mailcow', password = '{RIGHT_HASH}'"))?;
        for (remote, password) in [(None, RIGHT), (Some("192.0.2.9"), OTHER), (Some("192.0.2.10"), RIGHT)] {
            let end = if password == RIGHT { Accept("mailbox") } else { Refuse("password_mismatch") };
            world.attempt(Attempt { remote, ..Attempt::new(address, password) }, end)?;
        }
        // The last login's row shows that the others have none.
        history(world, address, &[&["imap", "192.0.2.10"]])
    }),
    ("two_passwords_of_one_client_are_one_row", |world| {
        let address = "case68@case.example";
        world.mailbox(address, &format!("authsource = 'mailcow', password = '{RIGHT_HASH}'"))?;
        app_password(world, address, "active = 1")?;
        let id = format!("SELECT id FROM app_passwd WHERE mailbox = '{address}'");
        let id = world.system.query(&id)?.concat().concat();
        let number = format!("SELECT app_password FROM sasl_log WHERE username = '{address}'");
        world.ends(address, OTHER, Accept("app_password"))?;
        eventually(|| world.rows(&number, &[&[&id]]))?;
        // An old row is renewed, not left.
        let past = "2001-01-01 00:00:00";
        world
            .system
            .execute(&format!("UPDATE sasl_log SET datetime = '{past}' WHERE username = '{address}'"))?;
        world.ends(address, RIGHT, Accept("mailbox"))?;
        eventually(|| world.rows(&number, &[&["0"]]))?;
        world.rows(
            &format!("SELECT COUNT(*) FROM sasl_log WHERE username = '{address}' AND datetime > '{past}'"),
            &[&["1"]],
        )
    }),
];

fn history(world: &World<'_>, address: &str, expected: &[&[&str]]) -> Result<()> {
    let statement = format!("SELECT service, real_rip FROM sasl_log WHERE username = '{address}'");
    eventually(|| world.rows(&statement, expected))
}
