//! The table of a mailbox's fields, row by row: another program changes a field, then templates change and the sync runs.

use ::keydove::provision::{FIELDS, FieldPlace as Place, Holder};

use super::field::{Field, counts, templated};
use crate::ensure;
use crate::mailcow::WorldCase;
use crate::mailcow::world::{TEMPLATE, World, quote};
use crate::stage::Result;
use crate::stage::redis::Redis;
use crate::stage::system::Database;

/// A field in a test: how another program sets it, and what is there then.
struct Row {
    /// A statement, or the words of a command of Redis.
    set: String,
    /// A question for one value, or a command of Redis.
    ask: String,
    /// By hand.
    hand: &'static str,
    /// After the template has said something new about every field, and then what it said at first. `None`: as by hand.
    followed: Option<&'static str>,
}

const IMPORT: &str = "\n[sync]\nimport = true\nimport_limit = 10\npause = \"0\"\n";

pub const CASES: &[WorldCase] = &[("each_field_follows_the_one_whose_it_is", |world| {
    let redis = Redis::start_open(world.system.stage(), "holders")?;
    // `two` has its fields set by hand; of `one` keydove remembers nothing, as of every mailbox that mailcow made.
    let (one, two) = ("one@holders.example", "two@holders.example");
    let users = vec![templated(one, "holders"), templated(two, "holders")];
    let own = format!("\n[redis]\nsocket = \"{}\"\n{IMPORT}", redis.socket().display());
    let quiet = TEMPLATE.replace("\"rl_value\":\"\"", "\"tagged_mail_handler\":\"none\",\"rl_value\":\"\"");
    set_template(world, &quiet)?;
    make_tables(world)?;
    world.mailbox(one, &format!("attributes = {}", quote(BY_MAILCOW)))?;
    let mapping = "[provisioning.mappings]\nholders = \"holders\"\n";
    redis.ask(&["HSET", "RCPT_WANTS_SUBFOLDER_TAG", one, "1"])?;
    let field = Field::with(world, "holders", users, |text| {
        text.replace("[provisioning.mappings]\n", mapping) + &own
    })?;
    counts(&field.sync(&[])?, &[("seen", 2), ("created", 1), ("changed", 1)])?;
    // What the user of the mailbox chose is there, and what only administrators set is the template's.
    attribute(world, one, "quarantine_notification", "never")?;
    attribute(world, one, "tls_enforce_in", "1")?;
    attribute(world, one, "pop3_access", "1")?;
    hash_field(&redis, "RCPT_WANTS_SUBFOLDER_TAG", one, "1")?;

    let rows: Vec<(&str, Row)> =
        FIELDS.iter().map(|field| (name_of(field.place), row(field.place, two))).collect();
    for (name, row) in &rows {
        set(world, &redis, &row.set)?;
        is(world, &redis, (name, "by hand"), row, row.hand)?;
    }
    // The template says nothing new about them: a tag, and a right that nobody set by hand.
    let other = quiet
        .replace("\"tags\":[]", "\"tags\":[\"new\"]")
        .replace("\"acl_pushover\":1", "\"acl_pushover\":0");
    set_template(world, &other)?;
    counts(&field.sync(&[])?, &[("seen", 2), ("changed", 2)])?;
    for (name, row) in &rows {
        is(world, &redis, (name, "the template says nothing"), row, row.hand)?;
    }
    let new_tag = format!("username = '{two}' AND tag_name = 'new'");
    ensure(world.count("tags_mailbox", &new_tag)? == 1, || "the template's tag was not added".to_owned())?;
    // Now something new about each of them, and then the first again.
    set_template(world, LOUD)?;
    counts(&field.sync(&[])?, &[("seen", 2), ("changed", 2)])?;
    hash_field(&redis, "RL_VALUE", two, "10 / 1h")?;
    set_template(world, &quiet)?;
    counts(&field.sync(&[])?, &[("seen", 2), ("changed", 2)])?;
    for (name, row) in &rows {
        is(world, &redis, (name, "the template speaks"), row, row.followed.unwrap_or(row.hand))?;
    }
    // The rows of the table say who has the last word.
    for (field, (name, row)) in FIELDS.iter().zip(&rows) {
        let follows = row.followed.is_some();
        let may_follow = field.holder == Holder::Template || BINARY.contains(name);
        ensure(!follows || may_follow, || format!("{name} followed the template"))?;
    }
    Ok(())
})];

/// What mailcow's own mailbox has: a template's fingerprint of another time, and choices of its user.
const BY_MAILCOW: &str = r#"{"attribute_hash":"another","quarantine_notification":"never","quarantine_category":"all","tls_enforce_in":"1","tls_enforce_out":"1","pop3_access":"0"}"#;
/// Every field otherwise.
const LOUD: &str = r#"{"tags":["loud"],"quota":2097152,"tagged_mail_handler":"subject","quarantine_notification":"daily","quarantine_category":"add_header","rl_frame":"h","rl_value":"10","force_tfa":1,"sogo_access":0,"active":2,"tls_enforce_in":1,"tls_enforce_out":1,"imap_access":0,"pop3_access":0,"smtp_access":0,"sieve_access":0,"eas_access":0,"dav_access":0,"acl_syncjobs":1}"#;
/// The user's, with two values only: once the template has said the same as the user, nobody knows who chose it.
const BINARY: [&str; 2] = ["tls_enforce_in", "tls_enforce_out"];

fn name_of(place: Place) -> &'static str {
    match place {
        Place::Column(name) | Place::Attribute(name) | Place::Rows(name) | Place::Redis(name) => name,
    }
}

/// Every place has a row, or this stops.
fn row(place: Place, user: &str) -> Row {
    match place {
        Place::Column(name) => of_column(name.trim_start_matches("mailbox."), user),
        Place::Attribute(key) => of_attribute(key, user),
        Place::Rows(table) => of_rows(table, user),
        Place::Redis(hash) => of_redis(hash, user),
    }
}

fn of_column(column: &str, user: &str) -> Row {
    let (value, hand, followed) = match column {
        "quota" => ("7340032", "7340032", Some("0")),
        "active" => ("0", "0", None),
        "name" | "description" => ("'By Hand'", "By Hand", None),
        "custom_attributes" => ("'{\"a\": \"b\"}'", "{\"a\": \"b\"}", None),
        // Another source would be another case: no sync looks at such a mailbox.
        "authsource" => ("'keycloak'", "keycloak", None),
        other => unreachable!("{other} has no row in this test"),
    };
    Row {
        set: format!("UPDATE mailbox SET {column} = {value} WHERE username = '{user}'"),
        ask: format!("SELECT {column} FROM mailbox WHERE username = '{user}'"),
        hand,
        followed,
    }
}

fn of_attribute(key: &str, user: &str) -> Row {
    let (hand, followed) = match key {
        "quarantine_notification" => ("weekly", None),
        "quarantine_category" => ("all", None),
        "tls_enforce_in" | "tls_enforce_out" | "force_tfa" => ("1", Some("0")),
        "relayhost" => ("3", None),
        "force_pw_update" => ("1", None),
        "mailbox_format" => ("sdbox:", None),
        "recovery_email" => ("x@elsewhere.invalid", None),
        service if service.ends_with("_access") => ("0", Some("1")),
        other => unreachable!("{other} has no row in this test"),
    };
    let pair = format!("JSON_SET(attributes, '$.{key}', '{hand}')");
    Row {
        set: format!("UPDATE mailbox SET attributes = {pair} WHERE username = '{user}'"),
        ask: format!("SELECT attributes FROM mailbox WHERE username = '{user}'\t{key}"),
        hand,
        followed,
    }
}

fn of_rows(table: &str, user: &str) -> Row {
    if table == "user_acl" {
        return Row {
            set: format!("UPDATE user_acl SET syncjobs = 1, spam_alias = 0 WHERE username = '{user}'"),
            ask: format!("SELECT syncjobs FROM user_acl WHERE username = '{user}'"),
            hand: "1",
            followed: Some("0"),
        };
    }
    let (column, more, values) = match table {
        "alias" => ("goto", ", address, domain", ", 'info@holders.example', 'holders.example'"),
        "app_passwd" => ("mailbox", ", name, domain, password", ", 'x', 'holders.example', '{X}1'"),
        "sender_acl" => ("logged_in_as", ", send_as", ", '@elsewhere.invalid'"),
        "spamalias" => ("goto", ", address, description, validity", ", 'temporary@holders.example', '', 1"),
        "tags_mailbox" => ("username", ", tag_name", ", 'mine'"),
        "tfa" => ("username", ", key_id, authmech, active", ", 'x', 'totp', 1"),
        "filterconf" => ("object", "", ""),
        "imapsync" => ("user2", "", ""),
        _ => ("username", "", ""),
    };
    let mine = match table {
        "tags_mailbox" => " AND tag_name = 'mine'",
        "alias" => " AND active = 1 AND address <> goto",
        _ => "",
    };
    Row {
        set: format!("INSERT INTO {table} ({column}{more}) VALUES ('{user}'{values})"),
        ask: format!("SELECT COUNT(*) FROM {table} WHERE {column} = '{user}'{mine}"),
        hand: "1",
        followed: None,
    }
}

fn of_redis(hash: &str, user: &str) -> Row {
    let (set, hand, followed) = match hash {
        "RL_VALUE" => (format!("HSET {hash} {user} 3/1m"), "3/1m", Some("")),
        "RCPT_WANTS_SUBFOLDER_TAG" => (format!("HSET {hash} {user} 1"), "1", None),
        "RCPT_WANTS_SUBJECT_TAG" => (format!("HDEL {hash} {user}"), "", None),
        other => unreachable!("{other} has no row in this test"),
    };
    Row { set, ask: format!("HGET {hash} {user}"), hand, followed }
}

fn set(world: &World<'_>, redis: &Redis, statement: &str) -> Result<()> {
    if statement.starts_with('H') {
        return redis.ask(&statement.split(' ').collect::<Vec<_>>()).map(drop);
    }
    world.system.execute(statement)
}

fn is(world: &World<'_>, redis: &Redis, (name, when): (&str, &str), row: &Row, expected: &str) -> Result<()> {
    let found = if row.ask.starts_with('H') {
        redis.ask(&row.ask.split(' ').collect::<Vec<_>>())?.trim_end().to_owned()
    } else {
        let (statement, key) = row.ask.split_once('\t').unwrap_or((&row.ask, ""));
        let found = world.system.query(statement)?.concat().concat();
        if key.is_empty() { found } else { value_of(&found, key) }
    };
    ensure(found == expected, || format!("{name} is `{found}` and not `{expected}` when {when}"))
}

fn value_of(attributes: &str, key: &str) -> String {
    let attributes: serde_json::Value = serde_json::from_str(attributes).unwrap_or_default();
    attributes[key].as_str().unwrap_or_default().to_owned()
}

fn attribute(world: &World<'_>, user: &str, key: &str, expected: &str) -> Result<()> {
    let rows = world.system.query(&format!("SELECT attributes FROM mailbox WHERE username = '{user}'"))?;
    let found = value_of(&rows.concat().concat(), key);
    ensure(found == expected, || format!("{key} of {user} is `{found}`"))
}

fn hash_field(redis: &Redis, hash: &str, user: &str, expected: &str) -> Result<()> {
    let found = redis.ask(&["HGET", hash, user])?;
    ensure(found.trim_end() == expected, || format!("{hash} of {user} is `{found}`"))
}

fn set_template(world: &World<'_>, attributes: &str) -> Result<()> {
    world.system.execute(&format!(
        "DELETE FROM templates WHERE template = 'holders';
         INSERT INTO templates (template, type, attributes) VALUES ('holders', 'mailbox', {});",
        quote(attributes)
    ))
}

/// Tables of mailcow's that no statement of keydove's names; with the one column that says whose a row is.
fn make_tables(world: &World<'_>) -> Result<()> {
    let text = match world.system.database() {
        Database::Sqlite => "TEXT",
        Database::MariaDb => "VARCHAR(255)",
    };
    for (table, column) in [
        ("sieve_filters", "username"),
        ("filterconf", "object"),
        ("imapsync", "user2"),
        ("pushover", "username"),
    ] {
        world.system.execute(&format!("CREATE TABLE IF NOT EXISTS {table} ({column} {text} NOT NULL);"))?;
    }
    Ok(())
}
