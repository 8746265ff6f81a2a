//! Which rows housekeeping deletes, and which it never does.

use std::sync::Arc;

use keydove::backend::sql::{Database, Error, LeaseWish, Mark};
use keydove::jobs::housekeeping::{Config, End, Housekeeping};
use keydove::settings::Section as _;

use super::provisioning::{Other, count, user};

/// More than two batches.
const MANY: usize = 1_203;

/// All of it, in the order in which the tables fill and empty.
pub async fn housekeeping_battery<O: Other>(database: &Arc<Database>, other: &O) {
    seed(database, other).await;
    a_dry_run_deletes_nothing(database, other).await;
    what_belongs_to_nothing_is_deleted(database, other).await;
    whose_a_mailbox_was_is_remembered_for_a_while(database, other).await;
    old_logins_are_deleted_where_that_is_wanted(database, other).await;
    one_process_does_it(database, other).await;
}

/// A keydove that may only read has nothing of its own; its log stays quiet, and the command says what is missing.
pub async fn few_rights_are_no_trouble(database: &Arc<Database>) {
    let error = housekeeping(database, "").run(false).await.unwrap_err();
    assert!(matches!(error, Error::Schema { .. }), "{error}");
}

fn housekeeping(database: &Arc<Database>, settings: &str) -> Housekeeping {
    let config: Config = toml::from_str(settings).unwrap();
    assert_eq!(config.faults(), []);
    Housekeeping::new(&config, Arc::clone(database), "tests".to_owned())
}

/// What one run deletes, table by table.
async fn swept(database: &Arc<Database>, settings: &str, dry: bool) -> Vec<(&'static str, u64)> {
    let end = housekeeping(database, settings).run(dry).await.unwrap();
    let End::Ran(report) = end else { unreachable!("{end:?}") };
    assert_eq!(report.dry_run, dry);
    report.removed.iter().map(|removed| (removed.table, removed.rows)).collect()
}

/// Two mailboxes, one of them spelt in Unicode and with capitals, and rows of more than are there.
async fn seed<O: Other>(database: &Arc<Database>, other: &O) {
    other
        .run(
            "INSERT INTO domain (domain) VALUES ('h.example'), ('bücher.example');
             INSERT INTO mailbox (username, password, name, local_part, domain, attributes, authsource, active)
             VALUES ('Ann@h.example', '', '', 'ann', 'h.example', '{}', 'keycloak', 1),
                    ('ben@bücher.example', '', '', 'ben', 'bücher.example', '{}', 'keycloak', 0);
             INSERT INTO app_passwd (id, name, mailbox, domain, password)
             VALUES (7, 'phone', 'Ann@h.example', 'h.example', '{PLAIN}x');
             INSERT INTO keydove_app_password (app_passwd, expires) VALUES (7, 1)",
        )
        .await;
    let orphans: Vec<_> = (1_000..1_000 + MANY).map(|number| format!("({number}, 1)")).collect();
    other
        .run(&format!("INSERT INTO keydove_app_password (app_passwd, expires) VALUES {}", orphans.join(", ")))
        .await;
    let gone: Vec<_> = (0..MANY).map(|number| format!("('gone{number:05}@h.example', 0)")).collect();
    let there = "('ann@h.example', 0), ('ben@xn--bcher-kva.example', 0)";
    let statement =
        format!("INSERT INTO keydove_sync (mailbox, switched_to) VALUES {there}, {}", gone.join(", "));
    other.run(&statement).await;
    for name in ["ann@h.example", "ben@xn--bcher-kva.example", "gone@h.example", "lost@nowhere.example"] {
        database.remember_person(&user(name), &format!("id-{name}"), "").await.unwrap();
    }
    for name in ["ben@xn--bcher-kva.example", "lost@nowhere.example"] {
        let mark = Mark::new("LDAP_ID", name).unwrap();
        database.note_mark(&user(name), &format!("id-{name}"), &mark).await.unwrap();
    }
    let alone: Vec<_> =
        (0..MANY).map(|number| format!("('gone{number:05}@h.example', 'LDAP_ID', '7')")).collect();
    let statement =
        format!("INSERT INTO keydove_mark (mailbox, attribute, value) VALUES {}", alone.join(", "));
    other.run(&statement).await;
    other
        .run(
            "INSERT INTO sasl_log (service, username, real_rip, datetime) VALUES
             ('imap', 'ann@h.example', '192.0.2.1', '2001-01-01 00:00:00'),
             ('smtp', 'ann@h.example', '192.0.2.1', '2002-02-02 00:00:00');
             INSERT INTO sasl_log (service, username, real_rip) VALUES ('pop3', 'ann@h.example', '192.0.2.1')",
        )
        .await;
}

async fn a_dry_run_deletes_nothing<O: Other>(database: &Arc<Database>, other: &O) {
    let many = MANY as u64;
    let found = swept(database, "people = '1d'\nlogin_log = '1d'", true).await;
    let tables = [
        ("keydove_app_password", many),
        ("keydove_sync", many),
        ("keydove_person", 0),
        ("keydove_mark", many),
        ("sasl_log", 2),
    ];
    assert_eq!(found, tables);
    assert_eq!(count(other, "keydove_app_password", "1 = 1").await, MANY + 1);
    assert_eq!(count(other, "keydove_sync", "1 = 1").await, MANY + 2);
    assert_eq!(count(other, "keydove_person", "missed_runs = 0 AND missing_since IS NULL").await, 4);
    assert_eq!(count(other, "keydove_mark", "1 = 1").await, MANY + 2);
    assert_eq!(count(other, "sasl_log", "1 = 1").await, 3);
}

async fn what_belongs_to_nothing_is_deleted<O: Other>(database: &Arc<Database>, other: &O) {
    let many = MANY as u64;
    let found = swept(database, "login_log = '0'", false).await;
    assert_eq!(found, [("keydove_app_password", many), ("keydove_sync", many), ("keydove_mark", many)]);
    assert_eq!(count(other, "keydove_mark", "1 = 1").await, 2, "their owners are remembered");
    assert_eq!(count(other, "keydove_app_password", "app_passwd = 7").await, 1);
    assert_eq!(count(other, "keydove_app_password", "1 = 1").await, 1);
    assert_eq!(count(other, "keydove_sync", "1 = 1").await, 2);
    assert_eq!(count(other, "keydove_person", "missed_runs = 0").await, 4, "for ever, unless it is set");
}

async fn whose_a_mailbox_was_is_remembered_for_a_while<O: Other>(database: &Arc<Database>, other: &O) {
    let run = async || swept(database, "people = '30d'\nlogin_log = '0'", false).await[2];
    // Seen for the first time, it is only noted; the time counts from here.
    assert_eq!(run().await, ("keydove_person", 0));
    assert_eq!(count(other, "keydove_person", "missed_runs = -1 AND missing_since IS NOT NULL").await, 2);
    assert_eq!(run().await, ("keydove_person", 0));
    // One of the two has a mailbox again.
    other
        .run(
            "INSERT INTO mailbox (username, password, name, local_part, domain, attributes, authsource, active)
             VALUES ('GONE@h.example', '', '', 'gone', 'h.example', '{}', 'keycloak', 1);
             UPDATE keydove_person SET missing_since = '2001-01-01 00:00:00' WHERE missed_runs = -1",
        )
        .await;
    assert_eq!(run().await, ("keydove_person", 1));
    assert_eq!(count(other, "keydove_person", "mailbox = 'lost@nowhere.example'").await, 0);
    let marks = count(other, "keydove_mark", "mailbox = 'lost@nowhere.example'").await;
    assert_eq!((marks, count(other, "keydove_mark", "1 = 1").await), (0, 1), "a mark goes with its owner");
    assert_eq!(count(other, "keydove_person", "missed_runs = 0 AND missing_since IS NULL").await, 3);
    // Whoever is missing in Keycloak is another matter.
    database.note_missing(vec!["ann@h.example".to_owned()], Vec::new()).await.unwrap();
    other.run("UPDATE keydove_person SET missing_since = '2001-01-01 00:00:00' WHERE missed_runs = 1").await;
    assert_eq!(run().await, ("keydove_person", 0));
    assert_eq!(count(other, "keydove_person", "missed_runs = 1").await, 1);
}

async fn old_logins_are_deleted_where_that_is_wanted<O: Other>(database: &Arc<Database>, other: &O) {
    // mailcow deletes its own; nobody else would do so in a file.
    let logins = swept(database, "", true).await.into_iter().find(|(table, _)| *table == "sasl_log");
    assert_eq!(logins, database.is_embedded().then_some(("sasl_log", 2)));
    assert_eq!(swept(database, "login_log = '365d'", false).await[3], ("sasl_log", 2));
    assert_eq!(count(other, "sasl_log", "service = 'pop3'").await, 1);
    let many: Vec<_> =
        (0..MANY).map(|number| format!("('imap', 'u{number}', '', '2001-01-01 00:00:00')")).collect();
    let rows = many.join(", ");
    other.run(&format!("INSERT INTO sasl_log (service, username, real_rip, datetime) VALUES {rows}")).await;
    assert_eq!(swept(database, "login_log = '365d'", false).await[3], ("sasl_log", MANY as u64));
    assert_eq!(count(other, "sasl_log", "1 = 1").await, 1);
}

async fn one_process_does_it<O: Other>(database: &Arc<Database>, other: &O) {
    let wish = LeaseWish { name: "housekeeping", holder: "another".to_owned(), seconds: 60, gap: 0 };
    database.take_lease(&wish).await.unwrap();
    other.run("INSERT INTO keydove_sync (mailbox) VALUES ('late@h.example')").await;
    assert_eq!(housekeeping(database, "").run(false).await.unwrap(), End::Held { by: "another".to_owned() });
    assert_eq!(count(other, "keydove_sync", "mailbox = 'late@h.example'").await, 1);
    database.end_lease(&wish, true).await.unwrap();
    assert_eq!(swept(database, "", false).await[1], ("keydove_sync", 1));
}
