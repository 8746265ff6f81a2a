//! Plans, column by column.

use super::super::template::tests::DEFAULT;
use super::*;
use crate::backend::sql::{StoredTemplate, UserAcl};

fn person(address: &str, first: &str, last: &str) -> Identity {
    Identity {
        user: Username::parse(address.as_bytes()).unwrap(),
        keycloak_id: "4711".to_owned(),
        source: "main".to_owned(),
        template: None,
        mark: None,
        first_name: first.to_owned(),
        last_name: last.to_owned(),
    }
}

fn template(attributes: &str) -> Template {
    let stored = StoredTemplate { name: "Gold".to_owned(), attributes: attributes.to_owned() };
    Template::find(&[stored], "gold").unwrap()
}

fn plan(address: &str, attributes: &str) -> Result<NewMailbox, ProvisionRefusal> {
    let person = person(address, "Alice", "Ångström");
    NewMailbox::plan(&person, &template(attributes))
}

/// 3.2 and 3.3 for mailcow's own template.
#[test]
fn every_value_is_mailcows() {
    let NewMailbox { rows, redis } = plan("Alice@Example.ORG", DEFAULT).unwrap();
    assert_eq!((rows.user.as_str(), rows.name.as_str()), ("alice@example.org", "Alice Ångström"));
    assert_eq!((rows.quota_mib, rows.active), (0, 1));
    assert!(rows.tags.is_empty());
    let denied = ["syncjobs", "sogo_profile_reset", "pw_reset"];
    assert_eq!(rows.acl, UserAcl::from_fn(|right| !denied.contains(&right)));
    let hash = template(DEFAULT).attribute_hash();
    let expected = format!(
        "{{\"force_pw_update\": \"0\", \"force_tfa\": \"0\", \"tls_enforce_in\": \"0\", \"tls_enforce_out\": \"0\", \
         \"sogo_access\": \"1\", \"imap_access\": \"1\", \"pop3_access\": \"1\", \"smtp_access\": \"1\", \
         \"sieve_access\": \"1\", \"eas_access\": \"1\", \"dav_access\": \"1\", \"relayhost\": \"0\", \
         \"passwd_update\": \"\", \"mailbox_format\": \"maildir:\", \"quarantine_notification\": \"hourly\", \
         \"quarantine_category\": \"reject\", \"attribute_hash\": \"{hash}\"}}"
    );
    assert_eq!(rows.attributes, expected);
    let owner = MailboxOwner {
        keycloak_id: "4711".to_owned(),
        source: "main".to_owned(),
        template_name: "Gold".to_owned(),
        template_fingerprint: hash,
        template_attributes: DEFAULT.to_owned(),
    };
    assert_eq!(rows.owner, Some(owner));
    assert_eq!(redis, RedisSettings { rate_limit: RateLimit::Clear, tagged_mail: None });
}

#[test]
fn the_template_decides() {
    let text = r#"{"quota":3222274047,"active":2,"tags":["a","b"],"force_pw_update":1,"force_tfa":1,"smtp_access":"0",
        "quarantine_notification":"ne\"ver","quarantine_category":"all","acl_syncjobs":"1","relayhost":9,
        "rl_value":"10","rl_frame":"h","tagged_mail_handler":"subfolder"}"#;
    let NewMailbox { rows, redis } = plan("alice@example.org", text).unwrap();
    assert_eq!((rows.quota_mib, rows.active, rows.tags.len()), (3072, 2, 2));
    assert_eq!(rows.acl, UserAcl::from_fn(|right| right == "syncjobs"));
    let attributes: serde_json::Value = serde_json::from_str(&rows.attributes).unwrap();
    let read = |key: &str| attributes[key].as_str().unwrap().to_owned();
    assert_eq!((read("force_pw_update"), read("force_tfa")), ("0".to_owned(), "1".to_owned()));
    assert_eq!((read("smtp_access"), read("imap_access")), ("0".to_owned(), "1".to_owned()));
    assert_eq!((read("relayhost"), read("quarantine_category")), ("0".to_owned(), "all".to_owned()));
    assert_eq!(read("quarantine_notification"), "ne\"ver");
    assert_eq!(redis.rate_limit, RateLimit::Set("10 / 1h".to_owned()));
    assert_eq!(redis.tagged_mail, Some(TaggedMail::Subfolder));
}

#[test]
fn a_quarantine_category_that_mailcow_does_not_know_is_refused() {
    for category in ["", "none", "Reject"] {
        let refused = plan("a@example.org", &format!("{{\"quarantine_category\":\"{category}\"}}"));
        assert_eq!(refused, Err(ProvisionRefusal::QuarantineCategoryInvalid), "{category}");
    }
}

/// Edge case 5; the answers are those of PHP 8.2.
#[test]
fn names_that_mailcow_takes_for_no_address_are_refused() {
    for name in
        ["a@localhost", "a@1.2", "a@example.0m", "ü@example.org", "a(b@example.org", "a,b@example.org"]
    {
        assert_eq!(plan(name, "{}"), Err(ProvisionRefusal::MailboxInvalid), "{name}");
    }
    assert_eq!(plan("0@example.org", "{}"), Err(ProvisionRefusal::MailboxInvalid), "mailcow's own test");
    for name in [
        "a'b@example.org",
        "a=b@example.org",
        "a#!$%&+?^_`{|}~-b@example.org",
        "a@münchen.example",
        "a@1.org",
    ] {
        assert!(plan(name, "{}").is_ok(), "{name}");
    }
}

#[test]
fn the_name_is_first_and_last() {
    for (first, last, name) in [
        ("Alice", "Adams", "Alice Adams"),
        (" Alice ", "", "Alice"),
        ("", "Adams", "Adams"),
        ("", "", ""),
        ("<Alice", "Adams>>", "Alice Adams"),
        ("A<b", "c>d", "A<b c>d"),
        ("a\tb", "c\n", "ab c"),
    ] {
        assert_eq!(display_name(&person("a@example.org", first, last)), name);
    }
    assert_eq!(display_name(&person("a@example.org", &"ü".repeat(300), "x")).chars().count(), 255);
}
