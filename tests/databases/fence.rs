//! Writes of a process that has lost its lease: each compares the lease's number within its own transaction.

use futures_util::future::join_all;
use keydove::backend::sql::{Database, Error, LeaseEnd, LeaseWish, Mark, SwitchOff};
use mysql_async::prelude::Queryable as _;

use super::ground::connect;
use super::mariadb::{DATABASE, MariadbServer, USER};
use super::provisioning::{Other, user};

/// What is written under the lease, as it is now.
const WRITTEN: [&str; 4] = [
    "SELECT mailbox, keycloak_id, missed_runs FROM keydove_person ORDER BY mailbox",
    "SELECT mailbox, source_name, switched_to FROM keydove_sync ORDER BY mailbox",
    "SELECT username, name, active FROM mailbox ORDER BY username",
    "SELECT mailbox, value FROM keydove_mark ORDER BY mailbox",
];

fn wish(holder: &str, seconds: i64) -> LeaseWish {
    LeaseWish { name: "fence", holder: holder.to_owned(), seconds, gap: 0 }
}

/// Takes the lease, which ends at once, as that of a process that was stopped for its whole time.
async fn take(database: &Database, holder: &str) -> i64 {
    match database.take_lease(&wish(holder, 0)).await.unwrap() {
        LeaseEnd::Taken { number, .. } => number,
        end => unreachable!("{end:?}"),
    }
}

async fn column(other: &impl Other, name: &str) -> i64 {
    let rows = other.ask(&format!("SELECT {name} FROM keydove_fence WHERE name = 'fence'")).await;
    rows[0][0].as_deref().unwrap().parse().unwrap()
}

pub async fn fence_battery<O: Other>(database: &Database, other: &O) {
    the_number_grows_with_each_taking_and_by_nothing_else(database, other).await;
    who_was_overtaken_writes_nothing(database, other).await;
}

async fn the_number_grows_with_each_taking_and_by_nothing_else<O: Other>(database: &Database, other: &O) {
    let first = take(database, "one").await;
    assert!(first > 0);
    assert_eq!(take(database, "one").await, first + 1, "by the same process");
    assert_eq!(take(database, "two").await, first + 2);
    assert!(database.end_lease(&wish("two", 60), true).await.unwrap());
    let names = ["a", "b", "c", "d"].map(|name| wish(name, 60));
    let ends = join_all(names.iter().map(|wish| database.take_lease(wish))).await;
    let taken: Vec<_> = ends
        .into_iter()
        .zip(&names)
        .filter_map(|(end, wish)| match end.unwrap() {
            LeaseEnd::Taken { number, .. } => Some((number, wish)),
            _ => None,
        })
        .collect();
    assert_eq!(taken.len(), 1, "several have it: {taken:?}");
    let (number, holder) = taken[0];
    assert_eq!(number, first + 3);
    assert!(database.keep_lease(holder).await.unwrap());
    assert!(!database.end_lease(&wish("nobody", 60), true).await.unwrap());
    assert!(database.end_lease(holder, true).await.unwrap());
    assert_eq!(column(other, "number").await, number);
}

async fn who_was_overtaken_writes_nothing<O: Other>(database: &Database, other: &O) {
    other
        .run(
            "INSERT INTO domain (domain) VALUES ('fence.example');
             INSERT INTO mailbox (username, password, name, local_part, domain, attributes, authsource, active)
             VALUES ('ann@fence.example', '', 'Ann', 'ann', 'fence.example', '{}', 'keycloak', 1)",
        )
        .await;
    let (ann, name) = (user("ann@fence.example"), "ann@fence.example");
    let mark = Mark::new("LDAP_ID", "7").unwrap();
    let own = take(database, "old").await;
    let old = database.fenced("fence", "old", own).await.unwrap();
    old.remember_person(&ann, "id-1", "").await.unwrap();
    assert_eq!(take(database, "new").await, own + 1);
    let before = written(other).await;
    let ends = [
        old.remember_person(&user("ben@fence.example"), "id-2", "").await.map(drop),
        old.adopt_person(&ann, "id-2", "").await.map(drop),
        old.note_mark(&ann, "id-1", &mark).await.map(drop),
        old.follow_name(name, "Ann Ode", true).await,
        old.note_missing(vec![name.to_owned()], Vec::new()).await,
        old.switch_off(name, SwitchOff::Disabled).await.map(drop),
        old.switch_on_again(name).await.map(drop),
    ];
    for (at, end) in ends.into_iter().enumerate() {
        let told = end.unwrap_err();
        let is_lost = matches!(told, Error::LeaseLost { ref by, own: mine, number, .. }
            if (by.as_str(), mine, number) == ("new", own, own + 1));
        assert!(is_lost, "{at}: {told}");
    }
    assert!(old.has_lost_lease());
    assert!(!old.keep_lease(&wish("old", 60)).await.unwrap());
    assert!(!old.end_lease(&wish("old", 60), true).await.unwrap());
    assert_eq!(written(other).await, before);
    // The other one goes on.
    let new = database.fenced("fence", "new", own + 1).await.unwrap();
    new.follow_name(name, "Ann Ode", true).await.unwrap();
    assert_ne!(written(other).await, before);
    assert!(new.end_lease(&wish("new", 60), true).await.unwrap());
    other.run("DELETE FROM mailbox WHERE username = 'ann@fence.example'; DELETE FROM keydove_person").await;
}

async fn written(other: &impl Other) -> Vec<Vec<Vec<Option<String>>>> {
    let mut all = Vec::new();
    for statement in WRITTEN {
        all.push(other.ask(statement).await);
    }
    all
}

/// What several processes and several servers need of a server.
pub async fn a_server_catches_a_takeover_at_any_moment<O: Other>(
    server: &MariadbServer,
    database: &Database,
    other: &O,
) {
    let own = take(database, "old").await;
    let old = database.fenced("fence", "old", own).await.unwrap();
    let writes = column(other, "writes").await;
    let carl = user("carl@fence.example");
    old.remember_person(&carl, "id-1", "").await.unwrap();
    // A cluster compares rows that were written, so each write must write the row of a takeover.
    assert_eq!(column(other, "writes").await, writes + 1);
    let mut takeover = server.connect_root(Some(DATABASE)).await;
    takeover.query_drop("START TRANSACTION").await.unwrap();
    takeover.query_drop("UPDATE keydove_fence SET number = number + 1 WHERE name = 'fence'").await.unwrap();
    let commit = async {
        server.until_a_connection_waits().await;
        takeover.query_drop("COMMIT").await.unwrap();
    };
    let (end, ()) = tokio::join!(old.adopt_person(&carl, "id-2", ""), commit);
    assert!(matches!(end, Err(Error::LeaseLost { .. })), "{end:?}");
    let id = other.ask("SELECT keycloak_id FROM keydove_person WHERE mailbox = 'carl@fence.example'").await;
    assert_eq!(id[0][0].as_deref(), Some("id-1"));
    without_a_table_for_numbers_the_holder_is_compared(server, other).await;
}

async fn without_a_table_for_numbers_the_holder_is_compared<O: Other>(server: &MariadbServer, other: &O) {
    other.run("DROP TABLE keydove_fence").await;
    other.run(&format!("REVOKE CREATE ON {DATABASE}.keydove_fence FROM '{}'@'localhost'", USER.0)).await;
    server.kill_connections().await;
    let database = connect(server).await;
    assert_eq!(take(&database, "old").await, 0);
    let old = database.fenced("fence", "old", 0).await.unwrap();
    let dora = user("dora@fence.example");
    old.remember_person(&dora, "id-1", "").await.unwrap();
    assert_eq!(take(&database, "new").await, 0);
    let end = old.adopt_person(&dora, "id-2", "").await;
    assert!(matches!(end, Err(Error::LeaseLost { .. })), "{end:?}");
    // An administrator loads it, and whoever holds the lease goes on.
    let new = database.fenced("fence", "new", 0).await.unwrap();
    other.run(include_str!("../../src/backend/sql/migrations/mariadb/keydove_fence.sql")).await;
    new.adopt_person(&dora, "id-2", "").await.unwrap();
    assert_eq!(take(&database, "old").await, 1);
    let end = new.adopt_person(&dora, "id-3", "").await;
    assert!(matches!(end, Err(Error::LeaseLost { .. })), "{end:?}");
    old.close().await;
    database.close().await;
}
