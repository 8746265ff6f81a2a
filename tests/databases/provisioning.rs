//! Making mailboxes, against a real database: every row and column, every rule, and many logins at one moment.
//!
//! The tables must be empty, and keydove's user must be allowed to write.
#![expect(clippy::panic, reason = "a test stops at the first surprise")]

mod limits;
mod many;
mod updates;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use keydove::auth::{Denial, NotAccepted, ProvisionRefusal, Service, TempFailReason, Username};
use keydove::backend::sql::{AuthSource, Database, MailboxState};
use keydove::provision::{Config, Identity, Provisioned, Provisioner, RateLimit};

/// Another way to the same database.
pub trait Other {
    /// Runs statements of the dialect that MariaDB and SQLite share.
    async fn run(&self, statements: &str);
    /// The same where somebody may be in the way, for whom it does not wait. Says whether it was done.
    async fn tries(&self, statement: &str) -> bool;
    /// Reads rows, every value as a text.
    async fn ask(&self, statement: &str) -> Vec<Vec<Option<String>>>;
    /// Makes every insertion into `user_acl` fail, or no longer.
    async fn break_acl(&self, broken: bool);
}

/// mailcow's own template, and one with everything in it that hurts.
const DEFAULT: &str = r#"{"tags":[],"quota":0,"quarantine_notification":"hourly","quarantine_category":"reject","rl_frame":"s","rl_value":"","force_pw_update":0,"force_tfa":0,"sogo_access":1,"active":1,"tls_enforce_in":0,"tls_enforce_out":0,"imap_access":1,"pop3_access":1,"smtp_access":1,"sieve_access":1,"eas_access":1,"dav_access":1,"acl_spam_alias":1,"acl_tls_policy":1,"acl_spam_score":1,"acl_spam_policy":1,"acl_delimiter_action":1,"acl_syncjobs":0,"acl_eas_reset":1,"acl_sogo_profile_reset":0,"acl_pushover":1,"acl_quarantine":1,"acl_quarantine_attachments":1,"acl_quarantine_notification":1,"acl_quarantine_category":1,"acl_app_passwds":1}"#;
const GOLD: &str = r#"{"quota":3222274047,"tags":["a/b","\u00fc\ud83d\ude00","A/B","it's"],"quarantine_category":"all","quarantine_notification":"never","rl_frame":"h","rl_value":"10","force_pw_update":1,"force_tfa":1,"sogo_access":0,"active":1,"tls_enforce_in":1,"pop3_access":"0","acl_syncjobs":1,"acl_pw_reset":"1"}"#;
/// PHP 8.2: `sha1(json_encode($text))` of [`GOLD`].
const GOLD_HASH: &str = "c03cc0cb9bdbb6a6db34de2ebcacd70dbaa694f2";

/// Runs everything. Leaves rows behind.
pub async fn provisioning_battery(database: &Database, other: &impl Other) {
    seed_templates(other).await;
    every_row_is_mailcows(database, other).await;
    fifty_first_logins_make_one_mailbox(database, other).await;
    limits::limits_battery(database, other).await;
    many::what_stands_against_one_leaves_the_others(database, other).await;
    a_failure_in_the_middle_leaves_nothing(database, other).await;
    what_was_refused_is_left_alone_for_a_while(database, other).await;
    a_mailbox_belongs_to_one_person(database, other).await;
    updates::updates_battery(database, other).await;
    app_passwords_are_read_with_their_limits(database, other).await;
}

async fn every_row_is_mailcows(database: &Database, other: &impl Other) {
    other.run("INSERT INTO domain (domain, mailboxes) VALUES ('rows.example', 5)").await;
    other.run("INSERT INTO quota2 (username, bytes, messages) VALUES ('gold@rows.example', 7, 7)").await;
    let name = "gold@rows.example";
    let made = provision(database, &person(name, "gold")).await.unwrap();
    let Provisioned::Created(redis) = made else { panic!("somebody else made it") };
    assert_eq!(redis.rate_limit, RateLimit::Set("10 / 1h".to_owned()));

    let columns = "username, password, name, description, mailbox_path_prefix, quota, local_part, domain, \
                   custom_attributes, kind, multiple_bookings, authsource, active";
    let expected = [
        name,
        "",
        "Alice O'Ångström",
        "NULL",
        "/var/vmail/",
        "3221225472",
        "gold",
        "rows.example",
        "{}",
        "",
        "-1",
        "keycloak",
        "1",
    ];
    assert_eq!(one_row(other, "mailbox", columns, "username", name).await, expected);
    let attributes = &one_row(other, "mailbox", "attributes", "username", name).await[0];
    let passwd_update = &value_of(attributes, "passwd_update");
    assert!(is_date_and_time(passwd_update), "{passwd_update}");
    let plain = attributes.replace(": ", ":").replace(", ", ",");
    let expected = format!(
        r#"{{"force_pw_update":"0","force_tfa":"1","tls_enforce_in":"1","tls_enforce_out":"0","sogo_access":"0","imap_access":"1","pop3_access":"0","smtp_access":"1","sieve_access":"1","eas_access":"1","dav_access":"1","relayhost":"0","passwd_update":"{passwd_update}","mailbox_format":"maildir:","quarantine_notification":"never","quarantine_category":"all","attribute_hash":"{GOLD_HASH}"}}"#
    );
    assert_eq!(plain, expected);
    // mailcow lets the database set a key afterwards, which spaces the text in the database's own way.
    let spaced = other.ask(&format!("SELECT JSON_SET('{plain}', '$.force_tfa', '1')")).await;
    assert_eq!(spaced[0][0].as_deref(), Some(attributes.as_str()));

    let tags = other.ask("SELECT tag_name FROM tags_mailbox WHERE username = 'gold@rows.example'").await;
    let mut tags: Vec<_> = tags.into_iter().flatten().flatten().collect();
    tags.sort();
    assert_eq!(tags, ["a/b", "it's", "ü😀"], "the one that differs in case only is left out");
    for table in ["quota2", "quota2replica"] {
        assert_eq!(one_row(other, table, "bytes, messages", "username", name).await, ["0", "0"], "{table}");
    }
    let columns =
        "goto, domain, private_comment, public_comment, sogo_visible, internal, sender_allowed, active";
    let expected = [name, "rows.example", "NULL", "NULL", "1", "0", "1", "1"];
    assert_eq!(one_row(other, "alias", columns, "address", name).await, expected);
    let columns = "syncjobs, pw_reset, spam_alias, tls_policy, spam_score, spam_policy, delimiter_action, eas_reset, \
                   sogo_profile_reset, pushover, quarantine, quarantine_attachments, quarantine_notification, \
                   quarantine_category, app_passwds";
    let mut expected = ["0"; 15];
    expected[..2].fill("1");
    assert_eq!(one_row(other, "user_acl", columns, "username", name).await, expected);
    let columns = "keycloak_id, source, template_name, template_fingerprint, template_attributes, missing_since, missed_runs";
    let expected = ["id of gold@rows.example", "main", "Gold", GOLD_HASH, GOLD, "NULL", "0"];
    assert_eq!(one_row(other, "keydove_person", columns, "mailbox", name).await, expected);

    let mailbox = database.find_mailbox(&user(name)).await.unwrap().mailbox.unwrap();
    assert_eq!((mailbox.active, mailbox.authsource), (MailboxState::On, Some(AuthSource::Keycloak)));
    assert!(!mailbox.access.allows(&Service::Pop3) && mailbox.access.allows(&Service::Imap));
    // Edge case 51.
    assert!(provision(database, &person("two@rows.example", "two")).await.is_ok());
    let mailbox = database.find_mailbox(&user("two@rows.example")).await.unwrap().mailbox.unwrap();
    assert_eq!(mailbox.active, MailboxState::ReceiveOnly);
    assert_eq!(one_row(other, "alias", "active", "address", "two@rows.example").await, ["2"]);
}

/// T48 and edge case 52.
async fn fifty_first_logins_make_one_mailbox(database: &Database, other: &impl Other) {
    other.run("INSERT INTO domain (domain, mailboxes) VALUES ('fifty.example', 100)").await;
    let alice = person("alice@fifty.example", "none");
    let provisioner = provisioner(Duration::from_secs(30));
    let now = now();
    let logins = (0..50).map(|_| provisioner.provision(database, &alice, now));
    let ends: Vec<_> = join_all(logins).await.into_iter().map(Result::unwrap).collect();
    let created = ends.iter().filter(|end| matches!(end, Provisioned::Created(_))).count();
    assert_eq!((created, ends.len()), (1, 50));
    for (table, column) in [("mailbox", "username"), ("alias", "address"), ("user_acl", "username")] {
        assert_eq!(count(other, table, &format!("{column} = 'alice@fifty.example'")).await, 1, "{table}");
    }
}

/// P7 and edge case 53.
async fn a_failure_in_the_middle_leaves_nothing(database: &Database, other: &impl Other) {
    other.run("INSERT INTO domain (domain, mailboxes) VALUES ('half.example', 10)").await;
    let carol = person("carol@half.example", "gold");
    other.break_acl(true).await;
    let Err(NotAccepted::CannotTell(failure)) = provision(database, &carol).await else {
        panic!("it was made")
    };
    assert_eq!(failure.reason, TempFailReason::SqlError, "{failure}");
    nothing_is_left_of(other, "carol@half.example").await;
    other.break_acl(false).await;
    assert!(matches!(provision(database, &carol).await, Ok(Provisioned::Created(_))));
}

/// No table has a row of this mailbox.
pub async fn nothing_is_left_of(other: &impl Other, name: &str) {
    for (table, column) in [
        ("mailbox", "username"),
        ("alias", "address"),
        ("tags_mailbox", "username"),
        ("quota2", "username"),
        ("quota2replica", "username"),
        ("user_acl", "username"),
        ("keydove_person", "mailbox"),
    ] {
        assert_eq!(count(other, table, &format!("{column} = '{name}'")).await, 0, "{table}");
    }
}

/// Retried with back-off, not per attempt.
async fn what_was_refused_is_left_alone_for_a_while(database: &Database, other: &impl Other) {
    other.run("INSERT INTO domain (domain, mailboxes) VALUES ('full.example', 0)").await;
    let (provisioner, dave, start) =
        (provisioner(Duration::from_secs(30)), person("dave@full.example", "none"), now());
    for _ in 0..1000 {
        let end = provisioner.provision(database, &dave, start).await;
        assert_eq!(reason(end), ProvisionRefusal::MaxMailboxExceeded);
    }
    other.run("UPDATE domain SET mailboxes = 1 WHERE domain = 'full.example'").await;
    let just_before = start + Duration::from_millis(29_999);
    assert!(provisioner.provision(database, &dave, just_before).await.is_err());
    nothing_is_left_of(other, "dave@full.example").await;
    assert!(provisioner.provision(database, &dave, start + Duration::from_secs(30)).await.is_ok());
}

/// An address that another person had is not given away by a login.
async fn a_mailbox_belongs_to_one_person(database: &Database, other: &impl Other) {
    other.run("INSERT INTO domain (domain, mailboxes) VALUES ('reuse.example', 10)").await;
    let erin = person("erin@reuse.example", "none");
    let name = user("erin@reuse.example");
    assert!(database.person_of(&name).await.unwrap().is_none());
    provision(database, &erin).await.unwrap();
    let known = database.person_of(&name).await.unwrap().unwrap();
    assert_eq!((known.keycloak_id.as_str(), known.source.as_str()), ("id of erin@reuse.example", "main"));
    other.run("DELETE FROM alias WHERE address = 'erin@reuse.example'").await;
    other.run("DELETE FROM mailbox WHERE username = 'erin@reuse.example'").await;
    let new = Identity { keycloak_id: "another".to_owned(), ..erin };
    let end = provision(database, &new).await;
    assert_eq!(end, Err(NotAccepted::Refused(Denial::UserConflict)));
    database.remember_person(&name, "another", "main").await.unwrap();
    assert_eq!(database.person_of(&name).await.unwrap().unwrap().keycloak_id, "id of erin@reuse.example");
    database.adopt_person(&name, "another", "main").await.unwrap();
    assert!(provision(database, &new).await.is_ok());
}

async fn app_passwords_are_read_with_their_limits(database: &Database, other: &impl Other) {
    let name = "gold@rows.example";
    other
        .run(
            "INSERT INTO app_passwd (id, name, mailbox, domain, password, imap_access, active)
             VALUES (101, 'a', 'Gold@rows.example', 'rows.example', '{X}1', 0, 1),
                    (102, 'b', 'gold@rows.example', 'rows.example', '{X}2', 1, 0),
                    (103, 'c', 'gold@rows.example', 'rows.example', '{X}3', 2, 1),
                    (104, 'd', 'two@rows.example', 'rows.example', '{X}4', 1, 1);
             INSERT INTO keydove_app_password (app_passwd, expires, networks) VALUES (103, 60, '10.0.0.0/8, ::1')",
        )
        .await;
    assert_eq!(ids(database, name).await, [103, 101]);
    let found = database.app_passwords(&user(name)).await.unwrap();
    let [limited, free] = found.as_slice() else { panic!("not two") };
    assert!(
        limited.password.matches(b"{X}3") && !limited.allows(&Service::Imap) && limited.allows(&Service::Eas)
    );
    let at = |seconds| std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    assert!(!limited.has_expired(at(59)) && limited.has_expired(at(60)) && !free.has_expired(at(1 << 40)));
    assert!(limited.names_itself && !free.names_itself);
    for (remote, allowed) in [("10.9.8.7", true), ("::1", true), ("11.0.0.1", false), ("::2", false)] {
        let remote = remote.parse().ok();
        assert_eq!(limited.allows_from(remote), allowed, "{remote:?}");
        assert!(free.allows_from(remote));
    }
    assert!(!limited.allows_from(None) && free.allows_from(None));
    assert!(!free.allows(&Service::Imap) && free.allows(&Service::Smtp) && !free.allows(&Service::Lmtp));
    assert!(database.app_passwords(&user("nobody@rows.example")).await.unwrap().is_empty());
    other
        .run(
            "INSERT INTO sasl_log (service, app_password, username, real_rip, datetime)
             VALUES ('imap', 101, 'gold@rows.example', '192.0.2.1', '2026-01-02 00:00:00'),
                    ('smtp', 103, 'gold@rows.example', '192.0.2.1', '2026-01-01 00:00:00')",
        )
        .await;
    assert_eq!(ids(database, name).await, [101, 103]);
    other.run("UPDATE keydove_app_password SET networks = 'nowhere'").await;
    let found = database.app_passwords(&user(name)).await.unwrap();
    assert!(found.iter().all(|row| row.id != 103 || !row.allows_from("10.9.8.7".parse().ok())));
}

/// In the order in which they are tried. One question for everything says what the three questions say.
async fn ids(database: &Database, name: &str) -> Vec<i64> {
    let user = user(name);
    let app_passwords = database.app_passwords(&user).await.unwrap();
    let facts = database.login_facts(&user).await.unwrap();
    assert!(facts.hosting.is_as_good_as(&database.find_mailbox(&user).await.unwrap()));
    let owner = database.person_of(&user).await.unwrap();
    let owner = owner.map(|owner| (owner.keycloak_id.clone(), owner.digest()));
    assert_eq!(facts.owner, owner);
    let rows = facts.app_passwords.unwrap();
    assert_eq!(rows.len(), app_passwords.len());
    assert!(rows.iter().zip(&app_passwords).all(|(one, other)| one.is_as_good_as(other)));
    rows.iter().map(|row| row.id).collect()
}

pub async fn seed_templates(other: &impl Other) {
    set_template(other, "Default", DEFAULT).await;
    set_template(other, "Gold", GOLD).await;
    set_template(other, "Two", r#"{"active":2}"#).await;
    set_template(other, "Odd", r#"{"quarantine_category":"none"}"#).await;
    other.run("INSERT INTO templates (template, type, attributes) VALUES ('Gone', 'domain', '{}')").await;
}

pub async fn set_template(other: &impl Other, name: &str, attributes: &str) {
    let attributes = attributes.replace('\'', "''");
    other.run(&format!("DELETE FROM templates WHERE template = '{name}'")).await;
    other
        .run(&format!(
            "INSERT INTO templates (template, type, attributes)
             VALUES ('{name}', 'mailbox', '{attributes}')"
        ))
        .await;
}

pub async fn provision(database: &Database, person: &Identity) -> Result<Provisioned, NotAccepted> {
    provisioner(Duration::ZERO).provision(database, person, now()).await
}

pub fn provisioner(retry_after: Duration) -> Provisioner {
    Provisioner::new(&config(retry_after))
}

fn config(retry_after: Duration) -> Config {
    let mappings = [("gold", "gold"), ("two", "Two"), ("odd", "Odd"), ("gone", "Gone"), ("silver", "Silver")];
    let mappings: BTreeMap<_, _> =
        mappings.into_iter().map(|(value, name)| (value.to_owned(), name.to_owned())).collect();
    let text = format!("{}s", retry_after.as_secs());
    Config {
        enabled: Some(true),
        default_template: Some("Default".to_owned()),
        mappings,
        allow_reserved_names: Vec::new(),
        names: None,
        retry_after: text.try_into().unwrap(),
    }
}

pub fn person(address: &str, template: &str) -> Identity {
    Identity {
        user: user(address),
        keycloak_id: format!("id of {address}"),
        source: "main".to_owned(),
        template: Some(template.to_owned()),
        mark: None,
        first_name: "Alice".to_owned(),
        last_name: "O'Ångström".to_owned(),
    }
}

fn reason(end: Result<Provisioned, NotAccepted>) -> ProvisionRefusal {
    match end {
        Err(NotAccepted::CannotTell(failure)) => match failure.reason {
            TempFailReason::Provisioning(refusal) => refusal,
            _ => panic!("{failure}"),
        },
        other => panic!("{other:?}"),
    }
}

pub async fn one_row(other: &impl Other, table: &str, columns: &str, key: &str, name: &str) -> Vec<String> {
    let mut rows = other.ask(&format!("SELECT {columns} FROM {table} WHERE {key} = '{name}'")).await;
    assert_eq!(rows.len(), 1, "{table} of {name}");
    rows.remove(0).into_iter().map(|cell| cell.unwrap_or_else(|| "NULL".to_owned())).collect()
}

pub async fn count(other: &impl Other, table: &str, condition: &str) -> usize {
    let rows = other.ask(&format!("SELECT COUNT(*) FROM {table} WHERE {condition}")).await;
    rows[0][0].as_deref().unwrap().parse().unwrap()
}

fn value_of(json: &str, key: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    json[key].as_str().unwrap().to_owned()
}

fn is_date_and_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00 00:00:00"
}

pub fn user(name: &str) -> Username {
    Username::parse(name.as_bytes()).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a test needs some moment to count from")]
pub fn now() -> Instant {
    Instant::now()
}
