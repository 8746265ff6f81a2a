//! The embedded file, tried in a folder of its own.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::auth::{Service, TempFailReason, Username};
use crate::backend::sql::config::Config;
use crate::backend::sql::database::Database;
use crate::backend::sql::mailbox::AuthSource;
use crate::backend::sql::{Domain, MailboxState, open};
use crate::settings::Period;

/// A folder that goes away with its value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("keydove-sqlite-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("keydove.sqlite")
    }

    async fn open(&self) -> Result<Database, Error> {
        let busy_timeout = Period::from_millis(100);
        open(&Config::Sqlite(SqliteConfig { path: self.file(), busy_timeout }), None).await
    }

    fn run(&self, sql: &str) {
        Connection::open(self.file()).unwrap().execute_batch(sql).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn user(name: &str) -> Username {
    Username::parse(name.as_bytes()).unwrap()
}

#[tokio::test]
async fn a_new_file_is_private_and_has_the_tables() {
    let folder = Folder::new();
    let database = folder.open().await.unwrap();
    database.check().await.unwrap();
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.file()), 0o600);
    assert_eq!(mode(folder.0.join("keydove.sqlite-wal")), 0o600);
    database.close().await;
    assert!(!folder.0.join("keydove.sqlite-wal").exists(), "closing folds the journal in");
    folder.open().await.unwrap().check().await.unwrap();
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let folder = Folder::new();
    let path = folder.0.join("none").join("keydove.sqlite");
    let config = SqliteConfig { path, ..SqliteConfig::default() };
    let Err(error) = open(&Config::Sqlite(config), None).await else { panic!("it opened") };
    assert!(error.to_string().ends_with("/none"), "{error}");
    assert_eq!(error.temp_fail().reason, TempFailReason::SqlUnreachable);
}

#[tokio::test]
async fn what_is_no_database_and_what_is_newer_is_not_opened() {
    let folder = Folder::new();
    std::fs::write(folder.file(), "no database at all, but long enough to be taken for one".repeat(9))
        .unwrap();
    assert!(matches!(folder.open().await, Err(Error::Refused { .. })));
    std::fs::remove_file(folder.file()).unwrap();
    folder.open().await.unwrap().close().await;
    folder.run("INSERT INTO keydove_schema (version, name) VALUES (99, 'later')");
    let Err(error) = folder.open().await else { panic!("it opened") };
    assert!(matches!(error, Error::Schema { .. }) && error.to_string().contains("version 99"), "{error}");
}

#[tokio::test]
async fn one_question_tells_domain_and_mailbox_apart() {
    let folder = Folder::new();
    let database = folder.open().await.unwrap();
    folder.run(
        "INSERT INTO domain (domain, active) VALUES ('example.org', 1), ('off.example', 0);
         INSERT INTO mailbox (username, password, local_part, domain, name, quota, attributes, authsource)
         VALUES ('Alice@Example.org', '{X}y', 'alice', 'example.org', 'Alice', 5, '{\"pop3_access\":\"0\"}', 'keycloak');
         INSERT INTO tfa (key_id, username, active) VALUES ('k', 'alice@example.org', 1), ('k', 'bob@example.org', 0)",
    );
    let hosting = database.find_mailbox(&user("alice@example.org")).await.unwrap();
    assert_eq!(hosting.domain, Some(Domain { active: true }));
    let mailbox = hosting.mailbox.unwrap();
    assert_eq!((mailbox.active, mailbox.authsource), (MailboxState::On, Some(AuthSource::Keycloak)));
    assert_eq!(mailbox.quota_bytes, 5);
    assert!(mailbox.password.matches(b"{X}y") && mailbox.second_factor && !mailbox.kind_is_resource);
    assert!(!mailbox.access.allows(&Service::Pop3) && mailbox.access.allows(&Service::Imap));

    let unknown = database.find_mailbox(&user("bob@example.org")).await.unwrap();
    assert!(unknown.domain.is_some() && unknown.mailbox.is_none());
    let off = database.find_mailbox(&user("bob@off.example")).await.unwrap();
    assert_eq!(off.domain, Some(Domain { active: false }));
    let foreign = database.find_mailbox(&user("bob@elsewhere.example")).await.unwrap();
    assert!(foreign.domain.is_none() && foreign.mailbox.is_none());
}

#[tokio::test]
async fn a_lock_that_stays_is_a_timeout_and_no_more() {
    let folder = Folder::new();
    let database = folder.open().await.unwrap();
    let alice = user("alice@example.org");
    // WAL readers wait for nobody, except for a connection that holds the whole file.
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(database.find_mailbox(&alice).await.is_ok());
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    database.close().await;

    let other = Connection::open(folder.file()).unwrap();
    other
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE x (x); COMMIT")
        .unwrap();
    let Err(error) = folder.open().await else { panic!("it opened") };
    assert_eq!(error.temp_fail().reason, TempFailReason::SqlTimeout, "{error}");
    drop(other);
    assert!(folder.open().await.unwrap().find_mailbox(&alice).await.is_ok());
}

#[tokio::test]
async fn a_missing_column_fails_the_check() {
    let folder = Folder::new();
    let database = folder.open().await.unwrap();
    folder.run("ALTER TABLE mailbox DROP COLUMN authsource");
    let Err(error) = database.check().await else { panic!("it passed") };
    assert!(matches!(error, Error::Schema { .. }) && error.to_string().contains("authsource"), "{error}");
}

#[tokio::test]
async fn pages_hold_every_name_once_in_binary_order() {
    let folder = Folder::new();
    let database = folder.open().await.unwrap();
    folder.run(
        "INSERT INTO mailbox (username, password, local_part, domain, kind, active) VALUES
         ('b@x.org', '', '', '', '', 1), ('C@x.org', '', '', '', '', 2), ('a@x.org', '', '', '', '', 1),
         ('no name', '', '', '', '', 1), ('off@x.org', '', '', '', '', 0), ('room@x.org', '', '', '', 'location', 1),
         ('é@x.org', '', '', '', '', 1)",
    );
    let (mut names, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = database.list_mailboxes(after.as_deref(), 1).await.unwrap();
        names.extend(page.users.iter().map(ToString::to_string));
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(names, ["c@x.org", "a@x.org", "b@x.org", "é@x.org"]);
    assert_eq!(pages, 7, "six rows and the empty end");
}
