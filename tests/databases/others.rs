//! The other way to each database, and what only a server can do to a provisioning.
#![expect(clippy::panic, reason = "a test stops at the first surprise")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::future::join;
use keydove::auth::{NotAccepted, TempFailReason};
use keydove::backend::sql::{Database, Error, MailboxSettings, MailboxState, SwitchOff};
use keydove::provision::Provisioned;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use tokio::sync::Mutex;

use super::mariadb::{DATABASE, MariadbServer, USER};
use super::provisioning::{Other, count, nothing_is_left_of, one_row, person, provision, user};

const SOGO_VIEW: &str = include_str!("../../src/backend/sql/migrations/mariadb/sogo_view.sql");

/// How long it waits for whoever writes.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct OtherSqlite(Connection);

impl OtherSqlite {
    pub fn open(path: &Path) -> Self {
        let connection = Connection::open(path).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        Self(connection)
    }
}

impl Other for OtherSqlite {
    async fn run(&self, statements: &str) {
        self.0.execute_batch(statements).unwrap_or_else(|error| panic!("{statements}: {error}"));
    }

    async fn tries(&self, statement: &str) -> bool {
        self.0.busy_timeout(Duration::ZERO).unwrap();
        let is_done = self.0.execute_batch(statement).is_ok();
        self.0.busy_timeout(PATIENCE).unwrap();
        is_done
    }

    async fn ask(&self, statement: &str) -> Vec<Vec<Option<String>>> {
        let mut statement = self.0.prepare(statement).unwrap();
        let columns = statement.column_count();
        let read = |row: &rusqlite::Row<'_>| {
            let cells = (0..columns).map(|column| match row.get_ref_unwrap(column) {
                ValueRef::Null => None,
                ValueRef::Integer(number) => Some(number.to_string()),
                other => Some(other.as_str().unwrap().to_owned()),
            });
            Ok(cells.collect())
        };
        statement.query_map([], read).unwrap().map(Result::unwrap).collect()
    }

    async fn break_acl(&self, broken: bool) {
        self.run(match broken {
            true => {
                "CREATE TRIGGER broken BEFORE INSERT ON user_acl BEGIN SELECT RAISE(ABORT, 'broken'); END"
            }
            false => "DROP TRIGGER broken",
        })
        .await;
    }
}

pub struct OtherMariadb<'a> {
    server: &'a MariadbServer,
    root: Mutex<Conn>,
}

impl<'a> OtherMariadb<'a> {
    pub async fn new(server: &'a MariadbServer) -> Self {
        let mut root = server.connect_root(Some(DATABASE)).await;
        // Backslashes as in SQLite, and the same clock for both.
        root.query_drop("SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')").await.unwrap();
        Self { server, root: Mutex::new(root) }
    }

    /// Gives keydove's user a right to all tables.
    pub async fn grant(&self, rights: &str) {
        self.run(&format!("GRANT {rights} ON {DATABASE}.* TO {}@localhost", USER.0)).await;
        // A connection keeps the rights that it began with.
        self.server.kill_connections().await;
    }
}

impl Other for OtherMariadb<'_> {
    async fn run(&self, statements: &str) {
        let mut root = self.root.lock().await;
        root.query_drop(statements).await.unwrap_or_else(|error| panic!("{statements}: {error}"));
    }

    async fn tries(&self, statement: &str) -> bool {
        let statement = format!("SET STATEMENT innodb_lock_wait_timeout = 0 FOR {statement}");
        self.root.lock().await.query_drop(statement).await.is_ok()
    }

    async fn ask(&self, statement: &str) -> Vec<Vec<Option<String>>> {
        // The text protocol: every value comes as a text.
        let rows: Vec<Row> = self.root.lock().await.query(statement).await.unwrap();
        let text = |value: Value| match value {
            Value::NULL => None,
            Value::Bytes(bytes) => Some(String::from_utf8(bytes).unwrap()),
            other => panic!("{other:?}"),
        };
        rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect()
    }

    async fn break_acl(&self, broken: bool) {
        self.run(match broken {
            true => "CREATE TRIGGER broken BEFORE INSERT ON user_acl FOR EACH ROW SIGNAL SQLSTATE '45000'",
            false => "DROP TRIGGER broken",
        })
        .await;
    }
}

/// Ends with the tables there and the right to write given.
pub async fn keydove_makes_its_own_tables_where_it_may(database: &Database, other: &OtherMariadb<'_>) {
    let alice = user("alice@own.example");
    assert!(database.person_of(&alice).await.unwrap().is_none());
    assert!(database.app_passwords(&alice).await.unwrap().is_empty());
    let error = database.remember_person(&alice, "id", "").await.unwrap_err();
    assert!(matches!(error, Error::Schema { .. }), "{error}");

    other.grant("SELECT, INSERT, UPDATE, DELETE").await;
    other.run("INSERT INTO domain (domain, mailboxes) VALUES ('own.example', 5)").await;
    other.run("INSERT INTO templates (template, type, attributes) VALUES ('Default', 'mailbox', '{}')").await;
    let made = provision(database, &person("alice@own.example", "none")).await;
    assert!(matches!(made, Ok(Provisioned::Created(_))), "without tables of its own: {made:?}");
    assert!(database.person_of(&alice).await.unwrap().is_none());

    other.run(include_str!("../../src/backend/sql/migrations/mariadb/keydove_tables.sql")).await;
    database.remember_person(&alice, "id", "").await.unwrap();
    assert_eq!(database.person_of(&alice).await.unwrap().unwrap().keycloak_id, "id");

    // Another keydove, with the right to create.
    other.run("DROP TABLE keydove_person; DROP TABLE keydove_app_password").await;
    other.grant("CREATE").await;
    let database = super::ground::connect(other.server).await;
    assert!(database.person_of(&alice).await.unwrap().is_none());
    database.remember_person(&alice, "id", "").await.unwrap();
    database.close().await;
    other
        .run("DELETE FROM keydove_person; DELETE FROM mailbox; DELETE FROM alias; DELETE FROM templates")
        .await;
}

/// P7: the connection dies between the rows of a mailbox, because one of them waits for a lock.
pub async fn a_killed_connection_leaves_all_or_nothing(database: &Database, other: &OtherMariadb<'_>) {
    other.run("INSERT INTO domain (domain, mailboxes) VALUES ('killed.example', 5)").await;
    let name = "grace@killed.example";
    let grace = person(name, "gold");
    // mailcow makes an alias of this name and has not committed yet: ours, four tables later, waits for it.
    let alias =
        format!("BEGIN; INSERT INTO alias (address, goto, domain) VALUES ('{name}', 'x', 'killed.example')");
    other.run(&alias).await;
    let for_ever = async {
        loop {
            other.server.kill_a_waiting_connection().await;
        }
    };
    let end = tokio::select! { end = provision(database, &grace) => end, never = for_ever => never };
    let Err(NotAccepted::CannotTell(failure)) = end else { panic!("{end:?}") };
    assert_eq!(failure.reason, TempFailReason::SqlUnreachable, "{failure}");
    other.run("ROLLBACK").await;
    nothing_is_left_of(other, name).await;

    // Killed once, it is tried again, and then the alias is gone.
    other.run(&alias).await;
    let kill_once = async {
        other.server.kill_a_waiting_connection().await;
        other.server.until_a_connection_waits().await;
        other.run("ROLLBACK").await;
    };
    let (end, ()) = join(provision(database, &grace), kill_once).await;
    assert!(matches!(end, Ok(Provisioned::Created(_))), "{end:?}");
    assert_eq!(count(other, "alias", &format!("address = '{name}'")).await, 1);

    // Committed instead, the duplicate key is found by the next try's own check.
    let heidi = person("heidi@killed.example", "gold");
    other.run(&alias.replace(name, "heidi@killed.example")).await;
    let commit = async {
        other.server.until_a_connection_waits().await;
        other.run("COMMIT").await;
    };
    let (end, ()) = join(provision(database, &heidi), commit).await;
    let Err(NotAccepted::CannotTell(failure)) = end else { panic!("{end:?}") };
    assert_eq!(failure.reason.code(), "provision_is_alias");
}

/// One row for the new mailbox, with the aliases that were there before it; other rows are left alone.
pub async fn sogo_is_told_where_mailcow_has_it(database: &Database, other: &OtherMariadb<'_>) {
    other.run(SOGO_VIEW).await;
    other
        .run(
            "INSERT INTO domain (domain, mailboxes) VALUES ('sogo.example', 5);
             INSERT INTO alias_domain (alias_domain, target_domain) VALUES ('alias.sogo.example', 'sogo.example');
             INSERT INTO _sogo_static_view (c_uid, domain, c_name, mail, aliases) VALUES ('stale', '', '', '', '');
             INSERT INTO alias (address, goto, domain, sogo_visible) VALUES
             ('info@sogo.example', 'x@sogo.example,ivan@sogo.example', 'sogo.example', 1),
             ('hidden@sogo.example', 'ivan@sogo.example', 'sogo.example', 0)",
        )
        .await;
    for (name, value) in [("ivan@sogo.example", "none"), ("two@sogo.example", "two")] {
        provision(database, &person(name, value)).await.unwrap();
    }
    let columns = "domain, c_name, c_cn, mail, aliases, ad_aliases, ext_acl, kind, multiple_bookings";
    let row = one_row(other, "_sogo_static_view", columns, "c_uid", "ivan@sogo.example").await;
    let expected = [
        "sogo.example",
        "ivan@sogo.example",
        "Alice O'Ångström",
        "ivan@sogo.example",
        "info@sogo.example",
        "ivan@alias.sogo.example",
        "",
        "",
        "-1",
    ];
    assert_eq!(row, expected);
    assert_eq!(count(other, "_sogo_static_view", "1 = 1").await, 2, "receiving only is no user of SOGo");
}

/// Row by row as mailcow: a mailbox that is off, or only receives, is no user of SOGo; on again it is.
pub async fn sogo_follows_the_switch(database: &Database, other: &OtherMariadb<'_>) {
    other.run(SOGO_VIEW).await;
    other
        .run(
            "INSERT INTO domain (domain, mailboxes) VALUES ('follow.example', 5);
             INSERT INTO alias (address, goto, domain) VALUES ('info@follow.example', 's@follow.example', 'follow.example')",
        )
        .await;
    let name = user("s@follow.example");
    provision(database, &person("s@follow.example", "none")).await.unwrap();
    let there = async || count(other, "_sogo_static_view", "c_uid = 's@follow.example'").await;
    assert_eq!(there().await, 1);
    let set = |active| MailboxSettings { active: Some(active), ..MailboxSettings::default() };
    for (active, rows) in [(MailboxState::Off, 0), (MailboxState::On, 1), (MailboxState::ReceiveOnly, 0)] {
        database.set_mailbox(&name, set(active)).await.unwrap();
        assert_eq!(there().await, rows, "{active:?}");
    }
    let renamed = MailboxSettings { name: Some("Other Name".to_owned()), ..set(MailboxState::On) };
    database.set_mailbox(&name, renamed).await.unwrap();
    let row = one_row(other, "_sogo_static_view", "c_cn, aliases, mail", "c_uid", "s@follow.example").await;
    assert_eq!(row, ["Other Name", "info@follow.example", "s@follow.example"]);
    // What mailcow keeps in the row besides stays when only the name changes.
    other.run("UPDATE _sogo_static_view SET c_ou = 'kept'").await;
    let renamed = MailboxSettings { name: Some("Third".to_owned()), ..MailboxSettings::default() };
    database.set_mailbox(&name, renamed).await.unwrap();
    let row = one_row(other, "_sogo_static_view", "c_cn, c_ou", "c_uid", "s@follow.example").await;
    assert_eq!(row, ["Third", "kept"]);
    // The sync switches as an administrator does.
    assert!(database.switch_off("s@follow.example", SwitchOff::ReceiveOnly).await.unwrap());
    assert_eq!(there().await, 0);
    assert!(database.switch_on_again("s@follow.example").await.unwrap());
    assert_eq!(there().await, 1);
}

/// docs/backup.md: a dump beside a running keydove, and back.
pub async fn a_dump_brings_everything_back(database: &Database, other: &OtherMariadb<'_>) {
    let mailboxes = database.mailboxes(None).await.unwrap();
    assert!(!mailboxes.is_empty());
    let socket = format!("--socket={}", other.server.socket().display());
    let mut dump = Command::new("mariadb-dump");
    dump.args(["--no-defaults", &socket, "--user=root", "--single-transaction", "--databases", DATABASE]);
    let dump = dump.output().unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    other.run("DELETE FROM mailbox; DELETE FROM keydove_person").await;
    let mut restore = Command::new("mariadb");
    let mut restore =
        restore.args(["--no-defaults", &socket, "--user=root"]).stdin(Stdio::piped()).spawn().unwrap();
    restore.stdin.take().unwrap().write_all(&dump.stdout).unwrap();
    assert!(restore.wait().unwrap().success());
    assert_eq!(database.mailboxes(None).await.unwrap(), mailboxes);
}
