//! SOGo's table has a row of each mailbox that is on, and of no other, whichever way a mailbox went on or off.

use std::time::Duration;

use keydove::backend::sql::{
    Database, DomainName, DomainSettings, Feature, MailboxSettings, MailboxState, Mark, SwitchOff,
};
use keydove::provision::Update;

use super::mariadb::MariadbServer;
use super::others::OtherMariadb;
use super::provisioning::{Other, count, now, one_row, person, provision, provisioner, set_template, user};
use super::rights::give_only;

const TEMPLATE: &str = r#"{"quota":1048576,"active":1,"imap_access":1}"#;

/// Makes the table; the templates of [`provisioning`](super::provisioning) are there. Beside these features everybody who
/// tells SOGo of mailboxes has the rights for it, and no others.
pub async fn rows_are_of_mailboxes_that_are_on(
    server: &MariadbServer,
    other: &OtherMariadb<'_>,
    features: &[Feature],
) {
    other.run(include_str!("../../src/backend/sql/migrations/mariadb/sogo_view.sql")).await;
    let more = [features, &[Feature::Sync, Feature::Deactivation, Feature::Commands]].concat();
    give_only(&more, server, other).await;
    let database = &super::ground::connect(server).await;
    logins_and_commands(database, other).await;
    leavers_and_those_who_are_back(database, other).await;
    templates_and_domains(database, other).await;
}

async fn logins_and_commands(database: &Database, other: &OtherMariadb<'_>) {
    other
        .run(
            "INSERT INTO domain (domain, mailboxes) VALUES ('ways.example', 50);
             INSERT INTO mailbox (username, password, name, local_part, domain, attributes, kind, active, authsource)
             VALUES ('room@ways.example', '', 'Room', 'room', 'ways.example', '{}', 'location', 1, NULL);
             INSERT INTO _sogo_static_view (c_uid, domain, c_name, c_cn, mail, aliases, kind, multiple_bookings)
             VALUES ('room@ways.example', 'ways.example', 'room@ways.example', 'Room', 'room@ways.example', '', 'location', 3);
             INSERT INTO sender_acl (logged_in_as, send_as, external) VALUES
             ('a@ways.example', 'me@elsewhere.invalid', 1), ('a@ways.example', '@elsewhere.invalid', 1),
             ('a@ways.example', 'other@ways.example', 0);",
        )
        .await;
    // A first login, with a template that is on, one that only receives, and one that is off.
    set_template(other, "Silver", TEMPLATE).await;
    set_template(other, "Odd", r#"{"active":0}"#).await;
    for (name, template) in [("a", "silver"), ("b", "two"), ("c", "odd"), ("d", "silver")] {
        provision(database, &person(&format!("{name}@ways.example"), template)).await.unwrap();
        are_right(other, "a first login").await;
    }
    let row = one_row(other, "_sogo_static_view", "ext_acl", "c_uid", "a@ways.example").await;
    assert_eq!(row, ["me@elsewhere.invalid"]);
    // The commands.
    let set = async |name: &str, active| {
        let settings = MailboxSettings { active: Some(active), ..MailboxSettings::default() };
        database.set_mailbox(&user(name), settings).await.unwrap();
        are_right(other, "a command").await;
    };
    for state in [MailboxState::Off, MailboxState::On, MailboxState::ReceiveOnly, MailboxState::On] {
        for name in ["a@ways.example", "b@ways.example", "c@ways.example"] {
            set(name, state).await;
        }
    }
    let row = one_row(other, "_sogo_static_view", "ext_acl", "c_uid", "a@ways.example").await;
    assert_eq!(row, ["me@elsewhere.invalid"], "on again");
    set("b@ways.example", MailboxState::Off).await;
    // A name that Keycloak changed, of a mailbox that is on and of one that is off.
    for name in ["a@ways.example", "b@ways.example"] {
        database.follow_name(name, "New Name", true).await.unwrap();
        are_right(other, "a name").await;
    }
}

async fn leavers_and_those_who_are_back(database: &Database, other: &OtherMariadb<'_>) {
    // Leavers, also when mailcow has switched one on again, and those who are back.
    for to in [SwitchOff::ReceiveOnly, SwitchOff::Disabled] {
        assert!(database.switch_off("a@ways.example", to).await.unwrap());
        are_right(other, "a leaver").await;
        other
            .run(
                "UPDATE mailbox SET active = 1 WHERE username = 'a@ways.example';
                 INSERT INTO _sogo_static_view (c_uid, domain, c_name, mail, aliases)
                 VALUES ('a@ways.example', 'ways.example', 'a@ways.example', 'a@ways.example', '')",
            )
            .await;
        assert!(database.switch_off("a@ways.example", to).await.unwrap());
        are_right(other, "a leaver, again").await;
        assert!(database.switch_on_again("a@ways.example").await.unwrap());
        are_right(other, "somebody who is back").await;
    }
    // Readmitted with a new id: neither on nor off by it.
    let (name, mark) = (user("a@ways.example"), Mark::new("LDAP_ID", "a").unwrap());
    database.note_mark(&name, "id of a@ways.example", &mark).await.unwrap();
    let owner = database.marked_owner(&name).await.unwrap().unwrap();
    assert!(database.readmit(&name, &owner, "another id", "main").await.unwrap());
    are_right(other, "somebody readmitted").await;
}

async fn templates_and_domains(database: &Database, other: &OtherMariadb<'_>) {
    // A template switches nobody, whatever it says.
    set_template(other, "Silver", &TEMPLATE.replace("\"active\":1", "\"active\":0")).await;
    let update =
        provisioner(Duration::ZERO).update_if_due(database, &person("d@ways.example", "silver"), now()).await;
    assert!(matches!(update, Ok(Update::Applied(_))), "{update:?}");
    are_right(other, "a template").await;
    // mailcow keeps the rows of a domain that is off: the mailboxes of it are on.
    for active in [false, true] {
        let settings = DomainSettings { active: Some(active), ..DomainSettings::default() };
        database.set_domain(&DomainName::parse("ways.example").unwrap(), &settings).await.unwrap();
        are_right(other, "a domain").await;
    }
    let row =
        one_row(other, "_sogo_static_view", "c_cn, kind, multiple_bookings", "c_uid", "room@ways.example");
    assert_eq!(row.await, ["Room", "location", "3"], "a resource's row is mailcow's");
}

async fn are_right(other: &OtherMariadb<'_>, after: &str) {
    let on = "SELECT username FROM mailbox WHERE domain = 'ways.example' AND active = 1 ORDER BY username";
    let rows = "SELECT c_uid FROM _sogo_static_view WHERE domain = 'ways.example' ORDER BY c_uid";
    assert_eq!(other.ask(rows).await, other.ask(on).await, "after {after}");
    let unlike = "active <> (SELECT active FROM mailbox WHERE username = address) AND address = goto \
                  AND domain = 'ways.example' AND address NOT LIKE 'a@%'";
    assert_eq!(count(other, "alias", unlike).await, 0, "an alias goes with its mailbox after {after}");
}
