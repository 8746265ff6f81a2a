//! The database's questions, asked of SQLite and of a real MariaDB: names that hurt, killed connections, a server that
//! goes and comes back, tables that are locked.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod administration;
mod app_passwords;
mod battery;
mod bookkeeping;
mod costs;
mod explain_truth;
mod fence;
mod galera;
mod ground;
mod housekeeping;
mod identity_provider;
mod keycloak_double;
mod lookalikes;
mod lost_commit;
mod maps;
mod mariadb;
mod marks;
mod notices;
mod others;
mod placement;
mod pool;
mod portal;
mod provisioning;
mod retries;
mod rights;
mod runs;
mod sogo;
mod sqlite_files;
mod stopped;
mod sync;

use std::sync::Arc;

use ground::{Folder, connect, connect_with, open_sqlite};
use keydove::backend::sql::{Config, Feature, open, open_to_read};
use keydove_stage as stage;
use mariadb::{DATABASE, MariadbServer};
use mysql_async::prelude::Queryable;
use others::{OtherMariadb, OtherSqlite};
use provisioning::Other as _;
use stopped::Ground;
use tokio::sync::Mutex;

/// Worlds in which every login is explained and then done.
const SQLITE_WORLDS: usize = 600;
const MARIADB_WORLDS: usize = 100;

#[tokio::test]
async fn sqlite_answers_every_question() {
    let folder = Folder::new("sqlite");
    let (database, path) = open_sqlite(&folder).await;
    let other = rusqlite::Connection::open(&path).unwrap();
    battery::database_battery(&database, async |sql: &str| other.execute_batch(sql).unwrap()).await;
    database.close().await;
}

#[tokio::test]
async fn mariadb_answers_every_question_and_survives_every_trouble() {
    let folder = Folder::new("mariadb");
    let server = MariadbServer::install(folder.path()).await;
    server.stop().await;
    let database = connect(&server).await;
    assert!(database.check().await.is_err(), "nobody is there yet");
    server.start().await;
    let run = async |sql: &str| server.run(sql).await;
    battery::database_battery(&database, run).await;
    battery::seed_alice_and_bob(run).await;
    let kill = async || assert!(server.kill_connections().await > 0);
    battery::killed_connections_are_replaced(&database, kill).await;
    battery::a_restart_is_survived(&database, async || server.stop().await, async || server.start().await)
        .await;
    let holder = Mutex::new(server.connect_root(Some(DATABASE)).await);
    let lock = async || holder.lock().await.query_drop("LOCK TABLES mailbox WRITE").await.unwrap();
    let unlock = async || holder.lock().await.query_drop("UNLOCK TABLES").await.unwrap();
    let hasty = connect_with(&server, "timeout = '2s'").await;
    battery::a_locked_table_is_a_timeout(&hasty, lock, unlock).await;
    hasty.close().await;
    let (waits, kill) =
        (async || server.until_a_connection_waits().await, async || server.kill_a_waiting_connection().await);
    battery::a_question_is_asked_twice_at_most(&database, lock, (waits, kill), unlock).await;
    battery::a_late_answer_reaches_nobody(&database, lock, unlock).await;
    database.close().await;
}

#[tokio::test]
async fn sqlite_makes_mailboxes_as_mailcow_does() {
    let folder = Folder::new("sqlite-provisioning");
    let (database, path) = open_sqlite(&folder).await;
    provisioning::provisioning_battery(&database, &OtherSqlite::open(&path)).await;
    database.close().await;
}

#[tokio::test]
async fn mariadb_makes_mailboxes_as_mailcow_does() {
    let folder = Folder::new("mariadb-provisioning");
    let server = MariadbServer::install(folder.path()).await;
    let other = OtherMariadb::new(&server).await;
    let database = connect(&server).await;
    others::keydove_makes_its_own_tables_where_it_may(&database, &other).await;
    provisioning::provisioning_battery(&database, &other).await;
    others::a_killed_connection_leaves_all_or_nothing(&database, &other).await;
    others::sogo_is_told_where_mailcow_has_it(&database, &other).await;
    database.close().await;
}

#[tokio::test]
async fn sqlite_what_is_explained_is_what_a_login_gets() {
    let folder = Folder::new("sqlite-explain");
    let (database, path) = open_sqlite(&folder).await;
    let database = Arc::new(database);
    let other = OtherSqlite::open(&path);
    explain_truth::explain_battery(database, &other, folder.path(), SQLITE_WORLDS).await;
}

#[tokio::test]
async fn mariadb_what_is_explained_is_what_a_login_gets() {
    let folder = Folder::new("mariadb-explain");
    let server = MariadbServer::install(folder.path()).await;
    let other = OtherMariadb::new(&server).await;
    other.grant("SELECT, INSERT, UPDATE, DELETE, CREATE").await;
    let database = Arc::new(connect(&server).await);
    explain_truth::explain_battery(database, &other, folder.path(), MARIADB_WORLDS).await;
}

#[tokio::test]
async fn sqlite_holds_mailcows_settings() {
    let folder = Folder::new("sqlite-settings");
    let path = folder.path().join("keydove.sqlite");
    let config: Config = toml::from_str(&format!("[sqlite]\npath = '{}'", path.display())).unwrap();
    assert!(open_to_read(&config, None).await.is_err(), "looking makes no file");
    assert!(!path.exists());
    let database = Arc::new(open(&config, None).await.unwrap());
    identity_provider::identity_provider_battery(&database, &OtherSqlite::open(&path)).await;
    let reader = open_to_read(&config, None).await.unwrap();
    assert!(reader.identity_provider().await.unwrap().client_secret().is_some());
    reader.close().await;
}

#[tokio::test]
async fn mariadb_holds_mailcows_settings() {
    let folder = Folder::new("mariadb-settings");
    let server = MariadbServer::install(folder.path()).await;
    let other = OtherMariadb::new(&server).await;
    let database = Arc::new(connect(&server).await);
    identity_provider::identity_provider_battery(&database, &other).await;
    identity_provider::few_rights_are_enough(&server, &other).await;
}

#[tokio::test]
async fn a_login_costs_mariadb_few_statements() {
    let folder = Folder::new("mariadb-costs");
    let server = MariadbServer::install(folder.path()).await;
    let other = OtherMariadb::new(&server).await;
    other.grant("SELECT, INSERT, UPDATE, DELETE, CREATE").await;
    let database = Arc::new(connect(&server).await);
    database.templates().await.unwrap();
    Box::pin(costs::a_login_costs_few_statements(database, &other)).await;
    let backends = placement::candidates(&[("b1", 1)]);
    let database = Arc::new(connect(&server).await.with_candidates(Some(backends)));
    Box::pin(costs::a_backend_costs_no_statement(database, &other)).await;
    costs::an_import_looks_at_the_mailboxes_of_its_domain_once(&connect(&server).await, &other).await;
}

#[tokio::test]
async fn sqlite_and_redis_are_told_of_logins() {
    let folder = Folder::new("sqlite-books");
    let (database, path) = open_sqlite(&folder).await;
    let database = Arc::new(database);
    let mut redis = stage::redis::Redis::start(&stage::Stage::new().unwrap()).unwrap();
    let words = bookkeeping::Words {
        count_writes: "CREATE TRIGGER seen AFTER INSERT ON sasl_log \
                       BEGIN INSERT INTO seen_writes VALUES (new.service); END",
        lock: "BEGIN IMMEDIATE",
        unlock: "ROLLBACK",
    };
    bookkeeping::bookkeeping_battery(&database, &OtherSqlite::open(&path), &mut redis, &words).await;
}

#[tokio::test]
async fn mariadb_and_redis_are_told_of_logins() {
    let folder = Folder::new("mariadb-books");
    let server = MariadbServer::install(folder.path()).await;
    let other = OtherMariadb::new(&server).await;
    let database = Arc::new(connect(&server).await);
    let mut redis = stage::redis::Redis::start(&stage::Stage::new().unwrap()).unwrap();
    bookkeeping::a_table_that_may_not_be_written_stops_nothing_else(&database, &other, &redis).await;
    other.grant("SELECT, INSERT, UPDATE, DELETE, CREATE").await;
    // Another keydove, which finds out anew what it may.
    let database = Arc::new(connect(&server).await);
    let words = bookkeeping::Words {
        count_writes: "CREATE TRIGGER seen AFTER INSERT ON sasl_log \
                       FOR EACH ROW INSERT INTO seen_writes VALUES (new.service)",
        lock: "LOCK TABLES sasl_log WRITE, seen_writes WRITE",
        unlock: "UNLOCK TABLES",
    };
    bookkeeping::bookkeeping_battery(&database, &other, &mut redis, &words).await;
}

#[tokio::test]
async fn sqlite_is_administrated() {
    let folder = Folder::new("sqlite-administration");
    let (database, path) = open_sqlite(&folder).await;
    administration::administration_battery(&database, &OtherSqlite::open(&path)).await;
    database.close().await;
}

#[tokio::test]
async fn mariadb_is_administrated() {
    let folder = Folder::new("mariadb-administration");
    let server = MariadbServer::install(folder.path()).await;
    let other = OtherMariadb::new(&server).await;
    let database = connect(&server).await;
    administration::a_missing_right_is_named(&database, &server, &other).await;
    database.close().await;
    let database = connect(&server).await;
    administration::administration_battery(&database, &other).await;
    database.close().await;
}

#[tokio::test]
async fn sqlite_serves_the_portal() {
    let folder = Folder::new("sqlite-portal");
    let (database, path) = open_sqlite(&folder).await;
    let other = OtherSqlite::open(&path);
    portal::portal_battery(&database, &other).await;
    portal::an_administrator_finds_mailboxes(&database, &other).await;
    let ago = |seconds| format!("datetime('now', '-{seconds} seconds')");
    notices::notices_battery(&database, &other, ago).await;
    database.close().await;
    stopped::notices_that_were_stopped_tell_nobody_twice(&other, &Ground::of_file(&folder, &path)).await;
}

#[tokio::test]
async fn mariadb_serves_the_portal() {
    let folder = Folder::new("mariadb-portal");
    let server = MariadbServer::install(folder.path()).await;
    let other = OtherMariadb::new(&server).await;
    let features = [Feature::Logins, Feature::AppPasswords, Feature::Owners, Feature::Portal];
    rights::give_only(&features, &server, &other).await;
    let database = connect(&server).await;
    portal::portal_battery(&database, &other).await;
    // `[portal] administrators` asks for the rights of the commands.
    rights::give_only(&[&features[..], &[Feature::Commands]].concat(), &server, &other).await;
    portal::an_administrator_finds_mailboxes(&database, &other).await;
    database.close().await;
    other.run("DROP TABLE keydove_notice, keydove_origin, keydove_session").await;
    rights::give_only(&[Feature::Notices, Feature::Owners], &server, &other).await;
    let database = connect(&server).await;
    notices::notices_battery(&database, &other, |seconds| format!("NOW() - INTERVAL {seconds} SECOND")).await;
    database.close().await;
    stopped::notices_that_were_stopped_tell_nobody_twice(&other, &Ground::of_server(&folder, &server)).await;
}

#[tokio::test]
async fn sqlite_tells_postfix_of_addresses() {
    let folder = Folder::new("sqlite-maps");
    let (database, path) = open_sqlite(&folder).await;
    maps::maps_battery(&database, &OtherSqlite::open(&path)).await;
    database.close().await;
}

#[tokio::test]
async fn mariadb_tells_postfix_of_addresses() {
    let folder = Folder::new("mariadb-maps");
    let server = MariadbServer::install(folder.path()).await;
    let other = OtherMariadb::new(&server).await;
    let database = connect(&server).await;
    maps::maps_battery(&database, &other).await;
    database.close().await;
    maps::few_rights_are_enough_for_maps(&server, &other).await;
}

#[tokio::test]
async fn sqlite_remembers_where_mailboxes_live() {
    let folder = Folder::new("sqlite-placement");
    let path = folder.path().join("keydove.sqlite");
    let config: Config = toml::from_str(&format!("[sqlite]\npath = '{}'", path.display())).unwrap();
    let [first, second] = [("b1", "b2"), ("b2", "b1")].map(|(one, other)| [(one, 1), (other, 0)]);
    let open = async |backends: &[(&str, u32)]| {
        Arc::new(open(&config, None).await.unwrap().with_candidates(Some(placement::candidates(backends))))
    };
    let (first, second) = (open(&first).await, open(&second).await);
    placement::placement_battery([&first, &second], &OtherSqlite::open(&path)).await;
}

/// With the rights that `keydove grants` prints for it.
#[tokio::test]
async fn mariadb_remembers_where_mailboxes_live() {
    let folder = Folder::new("mariadb-placement");
    let server = MariadbServer::install(folder.path()).await;
    let other = OtherMariadb::new(&server).await;
    let without = connect(&server).await.with_candidates(Some(placement::candidates(&[("b1", 1)])));
    assert!(without.placements().await.is_err(), "there are no tables, and keydove may not make them");
    let features = [
        Feature::Logins,
        Feature::AppPasswords,
        Feature::Owners,
        Feature::FirstLogins,
        Feature::Housekeeping,
        Feature::OldLogins,
        Feature::Backends,
    ];
    rights::give_only(&features, &server, &other).await;
    let [first, second] = [("b1", "b2"), ("b2", "b1")].map(|(one, other)| [(one, 1), (other, 0)]);
    let open = async |backends: &[(&str, u32)]| {
        Arc::new(connect(&server).await.with_candidates(Some(placement::candidates(backends))))
    };
    let (first, second) = (open(&first).await, open(&second).await);
    placement::placement_battery([&first, &second], &other).await;
}

#[tokio::test]
async fn sqlite_serves_the_sync() {
    let folder = Folder::new("sqlite-sync");
    let (database, path) = open_sqlite(&folder).await;
    sync::sync_battery(&database, &OtherSqlite::open(&path)).await;
    marks::marks_battery(&database, &OtherSqlite::open(&path)).await;
    fence::fence_battery(&database, &OtherSqlite::open(&path)).await;
    runs::runs_battery(&database, &OtherSqlite::open(&path)).await;
}

#[tokio::test]
async fn mariadb_serves_the_sync() {
    let folder = Folder::new("mariadb-sync");
    let server = MariadbServer::install(folder.path()).await;
    let other = OtherMariadb::new(&server).await;
    let features = [
        Feature::Logins,
        Feature::AppPasswords,
        Feature::Owners,
        Feature::Sync,
        Feature::Deactivation,
        Feature::Housekeeping,
    ];
    rights::give_only(&features, &server, &other).await;
    let database = connect(&server).await;
    sync::sync_battery(&database, &other).await;
    marks::marks_battery(&database, &other).await;
    fence::fence_battery(&database, &other).await;
    runs::runs_battery(&database, &other).await;
    fence::a_server_catches_a_takeover_at_any_moment(&server, &database, &other).await;
    database.close().await;
}

#[tokio::test]
async fn sqlite_is_kept_small() {
    let folder = Folder::new("sqlite-housekeeping");
    let (database, path) = open_sqlite(&folder).await;
    let database = Arc::new(database);
    let other = OtherSqlite::open(&path);
    // As a program does that does not know of references between tables.
    provisioning::Other::run(&other, "PRAGMA foreign_keys = OFF").await;
    housekeeping::housekeeping_battery(&database, &other).await;
    let ground = Ground::of_file(&folder, &path);
    stopped::housekeeping_that_was_stopped_and_overtaken_deletes_nothing_more(&database, &other, &ground)
        .await;
}

#[tokio::test]
async fn mariadb_is_kept_small() {
    let folder = Folder::new("mariadb-housekeeping");
    let server = MariadbServer::install(folder.path()).await;
    let other = OtherMariadb::new(&server).await;
    housekeeping::few_rights_are_no_trouble(&Arc::new(connect(&server).await)).await;
    let features = [
        Feature::Logins,
        Feature::AppPasswords,
        Feature::Owners,
        Feature::FirstLogins,
        Feature::Housekeeping,
        Feature::OldPeople,
        Feature::OldLogins,
    ];
    rights::give_only(&features, &server, &other).await;
    let database = Arc::new(connect(&server).await);
    // The first question makes keydove's own tables.
    database.templates().await.unwrap();
    housekeeping::housekeeping_battery(&database, &other).await;
    let ground = Ground::of_server(&folder, &server);
    stopped::housekeeping_that_was_stopped_and_overtaken_deletes_nothing_more(&database, &other, &ground)
        .await;
}

#[tokio::test]
async fn sqlite_takes_no_name_for_another() {
    let folder = Folder::new("sqlite-lookalikes");
    let (database, path) = open_sqlite(&folder).await;
    lookalikes::lookalikes_battery(&database, &OtherSqlite::open(&path)).await;
}

#[tokio::test]
async fn mariadb_takes_no_name_for_another() {
    let folder = Folder::new("mariadb-lookalikes");
    let server = MariadbServer::install(folder.path()).await;
    let other = OtherMariadb::new(&server).await;
    other.grant("SELECT, INSERT, UPDATE, DELETE, CREATE").await;
    let database = connect(&server).await;
    lookalikes::lookalikes_battery(&database, &other).await;
    others::sogo_follows_the_switch(&database, &other).await;
    others::a_dump_brings_everything_back(&database, &other).await;
    database.close().await;
}
