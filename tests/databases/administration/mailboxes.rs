//! Mailboxes: made, changed, given away, listed.

use keydove::auth::{ProvisionRefusal, Secret, Service};
use keydove::backend::sql::{AuthSource, Database, MailboxSettings, MailboxState, Obstacle};

use super::super::provisioning::{Other, count, one_row, person, provision, user};
use super::{columns_of, domain, mask_times, obstacle, rows};

pub(super) async fn mailbox_battery(database: &Database, other: &impl Other) {
    a_mailbox_has_the_rows_of_a_first_login(database, other).await;
    what_stands_against_a_mailbox_is_named(database, other).await;
    a_mailbox_is_changed_where_it_is_told_to(database, other).await;
    a_mailbox_is_given_to_another_person(database, other).await;
    mailboxes_are_listed(database, other).await;
}

/// The same person twice: once made by a first login, once by the administrator.
async fn a_mailbox_has_the_rows_of_a_first_login(database: &Database, other: &impl Other) {
    let by_login = person("login@admin.example", "none");
    provision(database, &by_login).await.unwrap();
    database.add_mailbox(&rows("hand@admin.example", "Alice O'Ångström", 0), None).await.unwrap();
    for (table, key) in [
        ("mailbox", "username"),
        ("quota2", "username"),
        ("quota2replica", "username"),
        ("user_acl", "username"),
    ] {
        let columns = columns_of(other, table).await;
        let made = one_row(other, table, &columns, key, "login@admin.example").await;
        let hand = one_row(other, table, &columns, key, "hand@admin.example").await;
        let expected: Vec<String> = made
            .iter()
            .map(|cell| cell.replace("login@", "hand@"))
            .map(|cell| if cell == "login" { "hand".to_owned() } else { cell })
            .collect();
        let without_time = |cells: &[String]| cells.iter().map(|cell| mask_times(cell)).collect::<Vec<_>>();
        assert_eq!(without_time(&hand), without_time(&expected), "{table}");
    }
    let columns = "goto, domain, sogo_visible, internal, sender_allowed, active, private_comment";
    let alias = one_row(other, "alias", columns, "address", "hand@admin.example").await;
    assert_eq!(alias, ["hand@admin.example", "admin.example", "1", "0", "1", "1", "NULL"]);
    assert_eq!(
        count(other, "keydove_person", "mailbox = 'hand@admin.example'").await,
        0,
        "nobody knows whose it is"
    );

    // The first login tells.
    let hand = user("hand@admin.example");
    database.remember_person(&hand, "an id", "main").await.unwrap();
    assert_eq!(database.person_of(&hand).await.unwrap().unwrap().keycloak_id, "an id");

    let hash = "{SSHA512}AsOGuONifVMjTcmT6emZekFhIfAd3lJco2UTf2VG7BimZu9z4BCuJOPqrfBh+ryYomMTAtmsSPXR1DqFGjAFYgkf4kk=";
    database.add_mailbox(&rows("own@admin.example", "", 7), Some(Secret::from(hash))).await.unwrap();
    let own = database.find_mailbox(&user("own@admin.example")).await.unwrap().mailbox.unwrap();
    assert_eq!((own.authsource, own.quota_bytes), (Some(AuthSource::Mailcow), 7 << 20));
    assert!(own.password.matches(hash.as_bytes()));
    assert_eq!(one_row(other, "mailbox", "modified", "username", "own@admin.example").await, ["NULL"]);
}

async fn what_stands_against_a_mailbox_is_named(database: &Database, other: &impl Other) {
    let before = count(other, "mailbox", "1 = 1").await;
    let add = async |name: &str, mib| obstacle(database.add_mailbox(&rows(name, "", mib), None).await);
    for name in ["hand@admin.example", "HAND@admin.example"] {
        assert_eq!(add(name, 1).await, Obstacle::MailboxExists(user("hand@admin.example")), "{name}");
    }
    other.run("INSERT INTO alias (address, goto, domain) VALUES ('info@admin.example', 'x@y.example', 'admin.example')").await;
    use ProvisionRefusal::{
        DomainInactive, DomainUnknown, IsAlias, MailboxQuotaExceeded, MaxMailboxExceeded,
    };
    other.run("INSERT INTO domain (domain, mailboxes, active) VALUES ('off.example', 5, 0)").await;
    for (name, mib, refusal) in [
        ("a@none.example", 1, DomainUnknown),
        ("a@off.example", 1, DomainInactive),
        ("info@admin.example", 1, IsAlias),
        ("more@admin.example", 1, MaxMailboxExceeded),
        ("c@xn--bcher-kva.example", 102_401, MailboxQuotaExceeded),
    ] {
        assert_eq!(add(name, mib).await, Obstacle::MailboxRefused { user: user(name), refusal });
    }
    assert_eq!(count(other, "mailbox", "1 = 1").await, before);
}

async fn a_mailbox_is_changed_where_it_is_told_to(database: &Database, other: &impl Other) {
    let name = "hand@admin.example";
    let hand = user(name);
    let columns = columns_of(other, "mailbox").await;
    let before = one_row(other, "mailbox", &columns, "username", name).await;
    let none = MailboxSettings::default;
    let settings = MailboxSettings {
        access: vec![("pop3_access", false), ("imap_access", true)],
        quota_mib: Some(2),
        name: Some("Hand Ünd Fuß".to_owned()),
        active: Some(MailboxState::ReceiveOnly),
        ..none()
    };
    database.set_mailbox(&user("HAND@admin.example"), settings).await.unwrap();
    let after = one_row(other, "mailbox", &columns, "username", name).await;
    let index = |column: &str| columns.split(", ").position(|known| known == column).unwrap();
    let mut expected = before.clone();
    for (column, value) in [("quota", "2097152"), ("name", "Hand Ünd Fuß"), ("active", "2")] {
        expected[index(column)] = value.to_owned();
    }
    let attributes = index("attributes");
    let plain = |text: &str| text.replace(": ", ":").replace(", ", ",");
    expected[attributes] =
        plain(&before[attributes]).replace("\"pop3_access\":\"1\"", "\"pop3_access\":\"0\"");
    assert_eq!(plain(&after[attributes]), plain(&expected[attributes]), "other attributes are untouched");
    (expected[attributes], expected[index("modified")]) =
        (after[attributes].clone(), after[index("modified")].clone());
    assert_eq!(after, expected);
    assert_ne!(after[index("modified")], "NULL");
    assert_eq!(one_row(other, "alias", "active", "address", name).await, ["2"]);

    // The password stays when the source changes, and there must be one.
    let own = MailboxSettings { source: Some(AuthSource::Mailcow), ..none() };
    assert!(matches!(obstacle(database.set_mailbox(&hand, own).await), Obstacle::MailboxWithoutPassword(_)));
    let own = MailboxSettings {
        source: Some(AuthSource::Mailcow),
        password: Some(Secret::from("{PLAIN}x")),
        ..none()
    };
    database.set_mailbox(&hand, own).await.unwrap();
    for (source, word) in [(AuthSource::Keycloak, "keycloak"), (AuthSource::Mailcow, "mailcow")] {
        database.set_mailbox(&hand, MailboxSettings { source: Some(source), ..none() }).await.unwrap();
        let row = one_row(other, "mailbox", "password, authsource", "username", name).await;
        assert_eq!(row, ["{PLAIN}x", word]);
    }
    what_stands_against_a_change_is_named(database, other).await;
}

async fn what_stands_against_a_change_is_named(database: &Database, other: &impl Other) {
    let none = MailboxSettings::default;
    let deny = || MailboxSettings { access: vec![("imap_access", false)], ..none() };
    let unknown = database.set_mailbox(&user("nobody@admin.example"), deny()).await;
    assert!(matches!(obstacle(unknown), Obstacle::MailboxUnknown(_)));
    let room = database.set_mailbox(&user("room@limits.example"), deny()).await;
    assert!(matches!(obstacle(room), Obstacle::MailboxIsResource(_)));
    let quota = |mib| MailboxSettings { quota_mib: Some(mib), ..none() };
    for (mib, refusal) in
        [(5, ProvisionRefusal::MailboxQuotaExceeded), (4, ProvisionRefusal::MailboxQuotaLeftExceeded)]
    {
        let b = user("b@limits.example");
        let refused = database.set_mailbox(&b, quota(mib)).await;
        assert_eq!(obstacle(refused), Obstacle::MailboxRefused { user: b, refusal });
    }
    // A column without attributes gets them; one with something else is left alone.
    database.set_mailbox(&user("b@limits.example"), deny()).await.unwrap();
    let row = one_row(other, "mailbox", "attributes", "username", "b@limits.example").await;
    assert_eq!(row[0].replace(' ', ""), "{\"imap_access\":\"0\"}");
    other.run("UPDATE mailbox SET attributes = '[1]' WHERE username = 'b@limits.example'").await;
    let odd = database.set_mailbox(&user("b@limits.example"), deny()).await;
    assert!(matches!(obstacle(odd), Obstacle::MailboxAttributes(_)));
    other.run("UPDATE mailbox SET attributes = NULL WHERE username = 'b@limits.example'").await;
}

async fn a_mailbox_is_given_to_another_person(database: &Database, other: &impl Other) {
    let hand = user("hand@admin.example");
    database.adopt_person(&hand, "a new id", "second").await.unwrap();
    let row = one_row(other, "keydove_person", "keycloak_id, source", "mailbox", "hand@admin.example").await;
    assert_eq!(row, ["a new id", "second"]);
}

async fn mailboxes_are_listed(database: &Database, other: &impl Other) {
    other.run("UPDATE quota2 SET bytes = 12345 WHERE username = 'own@admin.example'").await;
    let listed = database.mailboxes(Some(&domain("admin.example"))).await.unwrap();
    let names: Vec<&str> = listed.iter().map(|row| row.address.as_str()).collect();
    assert_eq!(names, ["hand@admin.example", "login@admin.example", "own@admin.example"]);
    assert_eq!((listed[2].used, listed[2].quota, listed[2].source.as_str()), (12_345, 7 << 20, "mailcow"));
    assert_eq!((listed[0].active, listed[0].name.as_str()), (MailboxState::ReceiveOnly, "Hand Ünd Fuß"));
    assert!(!listed[0].access.allows(&Service::Pop3) && listed[0].access.allows(&Service::Imap));
    let all = database.mailboxes(None).await.unwrap();
    assert!(all.len() > listed.len() && all.iter().all(|row| !row.address.starts_with("room@")));
    assert!(database.mailboxes(Some(&domain("none.example"))).await.unwrap().is_empty());
}
