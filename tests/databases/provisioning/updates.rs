//! Templates that changed since a mailbox was made of them.

use std::time::Duration;

use keydove::auth::ProvisionRefusal;
use keydove::backend::sql::Database;
use keydove::provision::{Identity, RateLimit, Update};

use super::{GOLD_HASH, Other, count, now, one_row, person, provisioner, set_template, user, value_of};

pub(super) async fn updates_battery(database: &Database, other: &impl Other) {
    a_new_template_changes_only_what_it_changed(database, other).await;
    a_quota_that_does_not_fit_waits(database, other).await;
    what_mailcow_applied_is_not_applied_again(database, other).await;
}

async fn a_new_template_changes_only_what_it_changed(database: &Database, other: &impl Other) {
    other.run("INSERT INTO domain (domain, mailboxes, quota) VALUES ('change.example', 10, 5000)").await;
    let (provisioner, frank, now) =
        (provisioner(Duration::ZERO), person("frank@change.example", "silver"), now());
    set_template(
        other,
        "Silver",
        r#"{"quota":1048576,"imap_access":1,"pop3_access":1,"tags":["one"],"active":1}"#,
    )
    .await;
    provisioner.provision(database, &frank, now).await.unwrap();
    let update = async || provisioner.update_if_due(database, &frank, now).await.unwrap();
    for _ in 0..10 {
        assert_eq!(update().await, Update::NotDue);
    }
    other.run("UPDATE mailbox SET quota = 7340032, active = 0, name = 'By hand' WHERE username = 'frank@change.example'").await;
    let text = r#"{"quota":1048576,"imap_access":1,"pop3_access":0,"tags":["one","two"],"active":1,"acl_syncjobs":1,"rl_value":5,"rl_frame":"m"}"#;
    set_template(other, "Silver", text).await;
    let Update::Applied(redis) = update().await else { panic!("it was due") };
    assert_eq!((redis.rate_limit, redis.tagged_mail), (RateLimit::Set("5 / 1m".to_owned()), None));
    let name = "frank@change.example";
    let expected = ["7340032", "0", "By hand"];
    assert_eq!(one_row(other, "mailbox", "quota, active, name", "username", name).await, expected);
    let attributes = &one_row(other, "mailbox", "attributes", "username", name).await[0];
    assert_eq!(
        (value_of(attributes, "pop3_access"), value_of(attributes, "imap_access")),
        ("0".into(), "1".into())
    );
    assert_eq!(one_row(other, "alias", "active", "address", name).await, ["1"], "left alone");
    assert_eq!(one_row(other, "user_acl", "syncjobs", "username", name).await, ["1"]);
    assert_eq!(count(other, "tags_mailbox", "username = 'frank@change.example'").await, 2);
    assert_eq!(update().await, Update::NotDue);
    set_template(other, "Silver", &text.replace("1048576", "2097152")).await;
    let Update::Applied(redis) = update().await else { panic!("it was due") };
    assert_eq!(redis.rate_limit, RateLimit::Leave);
    assert_eq!(one_row(other, "mailbox", "quota", "username", name).await, ["2097152"]);
    // Edge cases 43 and 45, and another person.
    for value in ["unmapped", "gone"] {
        let unmapped = Identity { template: Some(value.to_owned()), ..frank.clone() };
        assert_eq!(provisioner.update_if_due(database, &unmapped, now).await.unwrap(), Update::NotDue);
    }
    let another =
        Identity { keycloak_id: "another".to_owned(), template: Some("gold".to_owned()), ..frank.clone() };
    assert_eq!(provisioner.update_if_due(database, &another, now).await.unwrap(), Update::NotDue);
}

async fn a_quota_that_does_not_fit_waits(database: &Database, other: &impl Other) {
    let (provisioner, frank, start) =
        (provisioner(Duration::ZERO), person("frank@change.example", "silver"), now());
    let name = "frank@change.example";
    set_template(other, "Silver", r#"{"quota":6291456000,"imap_access":0}"#).await;
    let Update::QuotaRefused(refusal, _) = provisioner.update_if_due(database, &frank, start).await.unwrap()
    else {
        panic!("it fits")
    };
    assert_eq!(refusal, ProvisionRefusal::MailboxQuotaLeftExceeded);
    let row = one_row(other, "mailbox", "quota, attributes", "username", name).await;
    assert_eq!((row[0].as_str(), value_of(&row[1], "imap_access").as_str()), ("2097152", "0"));
    assert_eq!(provisioner.update_if_due(database, &frank, start).await.unwrap(), Update::NotDue);
    let later = start + Duration::from_secs(600);
    let Update::QuotaRefused(..) = provisioner.update_if_due(database, &frank, later).await.unwrap() else {
        panic!("it fits")
    };
    other.run("UPDATE domain SET quota = 6000 WHERE domain = 'change.example'").await;
    let later = later + Duration::from_secs(600);
    assert!(matches!(provisioner.update_if_due(database, &frank, later).await.unwrap(), Update::Applied(_)));
    assert_eq!(one_row(other, "mailbox", "quota", "username", name).await, ["6291456000"]);
    assert_eq!(provisioner.update_if_due(database, &frank, later).await.unwrap(), Update::NotDue);
}

/// A mailbox that mailcow made: nothing is remembered about it.
async fn what_mailcow_applied_is_not_applied_again(database: &Database, other: &impl Other) {
    let (provisioner, now) = (provisioner(Duration::ZERO), now());
    let name = "gold@change.example";
    for (hash, quota) in [(GOLD_HASH, "7"), ("another", "3221225472")] {
        other
            .run(&format!(
                "DELETE FROM keydove_person WHERE mailbox = '{name}';
                 DELETE FROM mailbox WHERE username = '{name}';
                 UPDATE domain SET quota = 99999 WHERE domain = 'change.example';
                 INSERT INTO mailbox (username, password, local_part, domain, quota, attributes, authsource)
                 VALUES ('{name}', '', 'gold', 'change.example', 7, '{{\"attribute_hash\":\"{hash}\"}}', 'keycloak')"
            ))
            .await;
        let gold = person(name, "gold");
        let end = provisioner.update_if_due(database, &gold, now).await.unwrap();
        assert_eq!(matches!(end, Update::Applied(_)), hash != GOLD_HASH);
        assert_eq!(one_row(other, "mailbox", "quota", "username", name).await, [quota]);
        let known = database.person_of(&user(name)).await.unwrap().unwrap();
        assert_eq!(known.template_fingerprint.as_deref(), Some(GOLD_HASH));
        assert_eq!(provisioner.update_if_due(database, &gold, now).await.unwrap(), Update::NotDue);
    }
    // So it is where another template is remembered: mailcow was quicker, and somebody has changed the quota since.
    other
        .run(&format!(
            "UPDATE keydove_person SET template_fingerprint = 'old', template_attributes = '{{\"quota\":1}}'
              WHERE mailbox = '{name}';
             UPDATE mailbox SET quota = 7 WHERE username = '{name}'"
        ))
        .await;
    let gold = person(name, "gold");
    assert_eq!(provisioner.update_if_due(database, &gold, now).await.unwrap(), Update::NotDue);
    assert_eq!(one_row(other, "mailbox", "quota", "username", name).await, ["7"]);
    let known = database.person_of(&user(name)).await.unwrap().unwrap();
    assert_eq!(known.template_fingerprint.as_deref(), Some(GOLD_HASH));
}
