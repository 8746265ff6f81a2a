//! The rules and limits that stand against a first login.

use std::time::Duration;

use futures_util::future::join_all;
use keydove::auth::ProvisionRefusal;
use keydove::backend::sql::Database;
use keydove::provision::{Config, Provisioner};

use super::{Other, config, count, now, one_row, person, provision, provisioner, reason};

pub(super) async fn limits_battery(database: &Database, other: &impl Other) {
    each_rule_refuses_in_mailcows_order(database, other).await;
    limits_hold_for_logins_at_one_moment(database, other).await;
    a_quota_is_counted_as_mailcow_counts_it(database, other).await;
}

/// Every rule is broken at once; then one after the other is kept.
async fn each_rule_refuses_in_mailcows_order(database: &Database, other: &impl Other) {
    use ProvisionRefusal::{
        DomainInactive, DomainUnknown, IsAlias, IsSpamAlias, MailboxQuotaExceeded, MailboxQuotaLeftExceeded,
        MaxMailboxExceeded, NoMapping, ObjectExists, QuarantineCategoryInvalid, TemplateMissing,
    };
    let name = "bob@rules.example";
    let before = count(other, "mailbox", "1 = 1").await;
    for (value, refusal) in
        [("unmapped", NoMapping), ("gone", TemplateMissing), ("odd", QuarantineCategoryInvalid)]
    {
        let mapped = Config { default_template: None, ..config(Duration::ZERO) };
        let end = Provisioner::new(&mapped).provision(database, &person(name, value), now()).await;
        assert_eq!(reason(end), refusal);
    }
    other
        .run(
            "INSERT INTO domain (domain, mailboxes, maxquota, quota, active) VALUES ('rules.example', 1, 1, 1, 0);
             INSERT INTO mailbox (username, password, local_part, domain, kind)
             VALUES ('bob@rules.example', '', 'bob', 'rules.example', 'location'),
                    ('stray@rules.example', '', 'bob', 'rules.example', ''),
                    ('other@rules.example', '', 'other', 'rules.example', '');
             INSERT INTO alias (address, goto, domain) VALUES ('bob@rules.example', 'x', 'rules.example');
             INSERT INTO spamalias (address, goto, description, validity) VALUES ('bob@rules.example', 'x', '', 1)",
        )
        .await;
    for (refusal, repair) in [
        (DomainInactive, "UPDATE domain SET active = 1 WHERE domain = 'rules.example'"),
        (ObjectExists, "DELETE FROM mailbox WHERE username = 'bob@rules.example'"),
        // As mailcow does, which compares local part and domain.
        (ObjectExists, "DELETE FROM mailbox WHERE username = 'stray@rules.example'"),
        (IsAlias, "DELETE FROM alias WHERE address = 'bob@rules.example'"),
        (IsSpamAlias, "DELETE FROM spamalias WHERE address = 'bob@rules.example'"),
        (MaxMailboxExceeded, "UPDATE domain SET mailboxes = 2 WHERE domain = 'rules.example'"),
        (MailboxQuotaExceeded, "UPDATE domain SET maxquota = 3072 WHERE domain = 'rules.example'"),
        (MailboxQuotaLeftExceeded, "UPDATE domain SET quota = 3072 WHERE domain = 'rules.example'"),
    ] {
        assert_eq!(reason(provision(database, &person(name, "gold")).await), refusal);
        other.run(repair).await;
    }
    // 102400 bytes of the other mailbox are none of the whole mebibytes that count.
    assert!(provision(database, &person(name, "gold")).await.is_ok());
    for unknown in ["bob@nowhere.example", "bob@alias.example"] {
        other.run("DELETE FROM alias_domain; INSERT INTO alias_domain (alias_domain, target_domain) VALUES ('alias.example', 'rules.example')").await;
        assert_eq!(reason(provision(database, &person(unknown, "gold")).await), DomainUnknown);
    }
    assert_eq!(count(other, "mailbox", "1 = 1").await, before + 2);
}

/// A limit of ten, and thirty people at once.
async fn limits_hold_for_logins_at_one_moment(database: &Database, other: &impl Other) {
    other.run("INSERT INTO domain (domain, mailboxes) VALUES ('ten.example', 10)").await;
    let provisioner = provisioner(Duration::from_secs(30));
    let people: Vec<_> = (0..30).map(|number| person(&format!("u{number}@ten.example"), "none")).collect();
    let now = now();
    let ends = join_all(people.iter().map(|person| provisioner.provision(database, person, now))).await;
    assert_eq!(ends.iter().filter(|end| end.is_ok()).count(), 10);
    for refused in ends.into_iter().filter(Result::is_err) {
        assert_eq!(reason(refused), ProvisionRefusal::MaxMailboxExceeded);
    }
    for (table, column) in [("mailbox", "username"), ("alias", "address"), ("user_acl", "username")] {
        assert_eq!(count(other, table, &format!("{column} LIKE '%@ten.example'")).await, 10, "{table}");
    }
}

/// Quotas count in whole mebibytes.
async fn a_quota_is_counted_as_mailcow_counts_it(database: &Database, other: &impl Other) {
    other
        .run("INSERT INTO domain (domain, mailboxes, maxquota, quota) VALUES ('sum.example', 9, 1, 3073)")
        .await;
    assert!(provision(database, &person("unlimited@sum.example", "none")).await.is_ok());
    assert_eq!(one_row(other, "mailbox", "quota", "username", "unlimited@sum.example").await, ["0"]);
    other.run("UPDATE domain SET maxquota = 9999 WHERE domain = 'sum.example'").await;
    let set = async |bytes: u64| {
        other
            .run(&format!("UPDATE mailbox SET quota = {bytes} WHERE username = 'unlimited@sum.example'"))
            .await;
    };
    set(1_048_576 + 524_288).await;
    let gold = person("gold@sum.example", "gold");
    assert_eq!(reason(provision(database, &gold).await), ProvisionRefusal::MailboxQuotaLeftExceeded);
    set(1_048_576 + 524_287).await;
    assert!(provision(database, &gold).await.is_ok());
}
