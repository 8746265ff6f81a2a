//! A mailbox of keydove's, row by row and column by column, beside what mailcow writes.

use serde_json::{Value, json};

use super::WorldCase;
use super::provisioning::newcomer;
use super::world::End::Accept;
use super::world::{RIGHT, World};
use crate::ensure;
use crate::stage::system::Database;
use crate::stage::{Failure, Result};

/// A template with everything in it that hurts: a quota between two mebibytes, tags with `/`, `ü` and an emoji, tags
/// that only differ in case, numbers as texts, keys that are missing.
pub const GOLD: &str = r#"{"quota":3222274047,"tags":["a/b","\u00fc\ud83d\ude00","A/B","it's"],"quarantine_category":"all","quarantine_notification":"never","rl_frame":"h","rl_value":"10","force_pw_update":1,"force_tfa":1,"sogo_access":0,"active":1,"tls_enforce_in":1,"pop3_access":"0","acl_syncjobs":1,"acl_pw_reset":"1"}"#;
/// PHP 8.2: `sha1(json_encode($text))` of [`GOLD`].
pub const GOLD_HASH: &str = "c03cc0cb9bdbb6a6db34de2ebcacd70dbaa694f2";
/// The same of the template that mailcow is seeded with.
pub const SEEDED_HASH: &str = "c63d56c97072ca649e4bb8af48835600ac8808e3";

const SEEDED_ADDRESS: &str = "rows-seeded@rows.example";
const GOLD_ADDRESS: &str = "rows-gold@rows.example";

pub const CASES: &[WorldCase] = &[
    ("every_column_of_a_new_mailbox_is_what_mailcow_writes", |world| {
        newcomer(world, SEEDED_ADDRESS, None)?;
        world.ends(SEEDED_ADDRESS, RIGHT, Accept("keycloak"))?;
        mailbox(world, SEEDED_ADDRESS, "rows-seeded", "0")?;
        attributes(
            world,
            SEEDED_ADDRESS,
            &json!({
                "force_pw_update": "0", "force_tfa": "0", "tls_enforce_in": "0", "tls_enforce_out": "0",
                "sogo_access": "1", "imap_access": "1", "pop3_access": "1", "smtp_access": "1", "sieve_access": "1",
                "eas_access": "1", "dav_access": "1", "relayhost": "0", "mailbox_format": "maildir:",
                "quarantine_notification": "hourly", "quarantine_category": "reject", "attribute_hash": SEEDED_HASH,
            }),
        )?;
        around(world, SEEDED_ADDRESS)?;
        rights(
            world,
            SEEDED_ADDRESS,
            &["1", "1", "1", "1", "1", "0", "1", "0", "1", "1", "1", "1", "1", "1", "0"],
        )?;
        world.rows(&format!("SELECT tag_name FROM tags_mailbox WHERE username = '{SEEDED_ADDRESS}'"), &[])?;
        sogo(world, SEEDED_ADDRESS)
    }),
    ("every_column_of_a_mailbox_of_an_odd_template_is_what_mailcow_writes", |world| {
        newcomer(world, GOLD_ADDRESS, Some("gold"))?;
        world.ends(GOLD_ADDRESS, RIGHT, Accept("keycloak"))?;
        mailbox(world, GOLD_ADDRESS, "rows-gold", "3221225472")?;
        attributes(
            world,
            GOLD_ADDRESS,
            &json!({
                "force_pw_update": "0", "force_tfa": "1", "tls_enforce_in": "1", "tls_enforce_out": "0",
                "sogo_access": "0", "imap_access": "1", "pop3_access": "0", "smtp_access": "1", "sieve_access": "1",
                "eas_access": "1", "dav_access": "1", "relayhost": "0", "mailbox_format": "maildir:",
                "quarantine_notification": "never", "quarantine_category": "all", "attribute_hash": GOLD_HASH,
            }),
        )?;
        around(world, GOLD_ADDRESS)?;
        rights(
            world,
            GOLD_ADDRESS,
            &["0", "0", "0", "0", "0", "1", "0", "0", "0", "0", "0", "0", "0", "0", "1"],
        )?;
        // Of two tags that differ in case only, the collation keeps the first.
        world.rows(
            &format!("SELECT tag_name FROM tags_mailbox WHERE username = '{GOLD_ADDRESS}' ORDER BY LENGTH(tag_name), tag_name"),
            if world.system.database() == Database::MariaDb {
                &[&["a/b"], &["it's"], &["ü😀"]]
            } else {
                &[&["ü😀"], &["a/b"], &["it's"]]
            },
        )?;
        sogo(world, GOLD_ADDRESS)
    }),
];

/// All columns but `attributes` and the dates. The name is keydove's own: mailcow leaves it empty at a login.
fn mailbox(world: &World<'_>, address: &str, local_part: &str, quota: &str) -> Result<()> {
    world.rows(
        &format!(
            "SELECT username, password, name, description, mailbox_path_prefix, quota, local_part, domain,
             custom_attributes, kind, multiple_bookings, authsource, modified, active
             FROM mailbox WHERE username = '{address}'"
        ),
        &[&[
            address,
            "",
            "Case Person",
            "NULL",
            "/var/vmail/",
            quota,
            local_part,
            "rows.example",
            "{}",
            "",
            "-1",
            "keycloak",
            "NULL",
            "1",
        ]],
    )?;
    no_column_is_left_out(world, "mailbox", 16)
}

/// The object with its keys in mailcow's order. `passwd_update` is the time of the creation.
fn attributes(world: &World<'_>, address: &str, expected: &Value) -> Result<()> {
    let row = world.system.query(&format!("SELECT attributes FROM mailbox WHERE username = '{address}'"))?;
    let text = row.first().and_then(|row| row.first()).cloned().unwrap_or_default();
    let mut found: Value =
        serde_json::from_str(&text).map_err(|error| Failure(format!("{error}: {text}")))?;
    let time = found.as_object_mut().and_then(|object| object.remove("passwd_update")).unwrap_or_default();
    let shape: String =
        time.as_str().unwrap_or_default().chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    ensure(shape == "0000-00-00 00:00:00", || format!("passwd_update is {time}"))?;
    ensure(found == *expected, || {
        format!("attributes of {address}:\n  found    {found}\n  expected {expected}")
    })?;
    let keys = [
        "force_pw_update",
        "force_tfa",
        "tls_enforce_in",
        "tls_enforce_out",
        "sogo_access",
        "imap_access",
        "pop3_access",
        "smtp_access",
        "sieve_access",
        "eas_access",
        "dav_access",
        "relayhost",
        "passwd_update",
        "mailbox_format",
        "quarantine_notification",
        "quarantine_category",
        "attribute_hash",
    ];
    let places: Vec<_> = keys.iter().map(|key| text.find(&format!("\"{key}\":"))).collect();
    ensure(places.is_sorted() && places.iter().all(Option::is_some), || format!("the order of keys: {text}"))
}

/// Alias and both quota tables.
fn around(world: &World<'_>, address: &str) -> Result<()> {
    world.rows(
        &format!(
            "SELECT address, goto, domain, modified, private_comment, public_comment, sogo_visible, internal,
             sender_allowed, active FROM alias WHERE address = '{address}'"
        ),
        &[&[address, address, "rows.example", "NULL", "NULL", "NULL", "1", "0", "1", "1"]],
    )?;
    no_column_is_left_out(world, "alias", 12)?;
    for table in ["quota2", "quota2replica"] {
        let statement = format!("SELECT username, bytes, messages FROM {table} WHERE username = '{address}'");
        world.rows(&statement, &[&[address, "0", "0"]])?;
        no_column_is_left_out(world, table, 3)?;
    }
    no_column_is_left_out(world, "tags_mailbox", 2)
}

/// The rights in the order of mailcow's columns.
fn rights(world: &World<'_>, address: &str, expected: &[&str]) -> Result<()> {
    world.rows(
        &format!(
            "SELECT spam_alias, tls_policy, spam_score, spam_policy, delimiter_action, syncjobs, eas_reset,
             sogo_profile_reset, pushover, quarantine, quarantine_attachments, quarantine_notification,
             quarantine_category, app_passwds, pw_reset FROM user_acl WHERE username = '{address}'"
        ),
        &[expected],
    )?;
    no_column_is_left_out(world, "user_acl", 16)
}

/// SOGo's row, which only mailcow's database has. The password is keydove's own: mailcow's is the same for everybody.
fn sogo(world: &World<'_>, address: &str) -> Result<()> {
    if world.system.database() == Database::Sqlite {
        return Ok(());
    }
    world.rows(
        &format!(
            "SELECT c_uid, domain, c_name, c_password, c_cn, c_l, c_o, c_ou, c_telephonenumber, mail, aliases,
             ad_aliases, ext_acl, kind, multiple_bookings FROM _sogo_static_view WHERE c_uid = '{address}'"
        ),
        &[&[
            address,
            "rows.example",
            address,
            "{SSHA256}AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "Case Person",
            "NULL",
            "NULL",
            "NULL",
            "NULL",
            address,
            "",
            "",
            "",
            "",
            "-1",
        ]],
    )?;
    no_column_is_left_out(world, "_sogo_static_view", 15)
}

/// The table has as many columns as were compared, its dates and its own number included.
fn no_column_is_left_out(world: &World<'_>, table: &str, compared: usize) -> Result<()> {
    let statement = match world.system.database() {
        Database::Sqlite => format!("SELECT COUNT(*) FROM pragma_table_info('{table}')"),
        Database::MariaDb => format!(
            "SELECT COUNT(*) FROM information_schema.columns
             WHERE table_schema = DATABASE() AND table_name = '{table}'"
        ),
    };
    world.rows(&statement, &[&[&compared.to_string()]])
}
