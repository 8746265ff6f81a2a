//! A login through mailcow's own web server, as far as it writes: mailcow compares the mailbox with the template, and if
//! the fingerprint or the name differs it applies all of it, `active` included. Here it is another program that writes the
//! same rows, because no PHP runs here.

use serde_json::Value;

use super::rows::SEEDED_HASH;
use super::world::{World, quote};
use crate::stage::system::Database;
use crate::stage::{Failure, Result};

/// Logs in somebody whose template is mailcow's seeded one. `name` is what mailcow knows of their name: nothing with a
/// password, first and last name by single sign-on. Says whether the template was applied.
pub fn log_in(world: &World<'_>, address: &str, name: &str) -> Result<bool> {
    let found = "SELECT COALESCE(name, ''), COALESCE(attributes, '{}') FROM mailbox WHERE username = ";
    let rows = world.system.query(&format!("{found}{}", quote(address)))?;
    let [row] = &rows[..] else { return Err(Failure(format!("no mailbox {address}"))) };
    let attributes: Value =
        serde_json::from_str(&row[1]).map_err(|error| Failure(format!("{error}: {}", row[1])))?;
    if row[0] == name && attributes["attribute_hash"] == SEEDED_HASH {
        return Ok(false);
    }
    apply(world, address, name)?;
    Ok(true)
}

/// What mailcow's job does for an existing mailbox, too.
fn apply(world: &World<'_>, address: &str, name: &str) -> Result<()> {
    let (address, name) = (quote(address), quote(name));
    let on = ["sogo", "imap", "pop3", "smtp", "sieve", "eas", "dav"];
    let pairs: String = on.iter().map(|service| format!(", '$.{service}_access', '1'")).collect();
    let off = ["force_pw_update", "force_tfa", "tls_enforce_in", "tls_enforce_out"];
    let off: String = off.iter().map(|key| format!(", '$.{key}', '0'")).collect();
    world.system.execute(&format!(
        "UPDATE alias SET active = 1 WHERE address = {address};
         UPDATE mailbox SET active = 1, quota = 0, name = CASE WHEN {name} = '' THEN name ELSE {name} END,
                attributes = JSON_SET(attributes{pairs}{off}, '$.quarantine_notification', 'hourly',
                                      '$.quarantine_category', 'reject', '$.attribute_hash', '{SEEDED_HASH}')
          WHERE username = {address};
         UPDATE user_acl SET syncjobs = 0, sogo_profile_reset = 0, pw_reset = 0, spam_alias = 1, pushover = 1
          WHERE username = {address};"
    ))?;
    if world.system.database() == Database::MariaDb {
        world.system.execute(&format!(
            "INSERT INTO _sogo_static_view (c_uid, domain, c_name, c_cn, mail, aliases)
             SELECT username, domain, username, name, username, '' FROM mailbox
              WHERE active = 1 AND username = {address}
             ON DUPLICATE KEY UPDATE c_cn = VALUES(c_cn);
             DELETE FROM _sogo_static_view WHERE c_uid NOT IN (SELECT username FROM mailbox WHERE active = 1);"
        ))?;
    }
    Ok(())
}
