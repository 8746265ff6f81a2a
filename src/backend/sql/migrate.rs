//! The embedded file's schema: numbered steps, each applied once, in one transaction.
//!
//! For MariaDB there is the same schema as a file to load by hand (`migrations/mariadb`). keydove does not run it:
//! it alters no table on a server, because there the tables are mailcow's.

use rusqlite::{Connection, TransactionBehavior, params};

use super::error::Error;

/// The steps in order; a step's number is its place, counted from 1. Steps that were released never change.
const MIGRATIONS: &[Migration] = &[
    Migration { name: "0001_mailboxes", sql: include_str!("migrations/sqlite/0001_mailboxes.sql") },
    Migration { name: "0002_provisioning", sql: include_str!("migrations/sqlite/0002_provisioning.sql") },
    Migration { name: "0003_sender_acl", sql: include_str!("migrations/sqlite/0003_sender_acl.sql") },
    Migration { name: "0004_sync", sql: include_str!("migrations/sqlite/0004_sync.sql") },
    Migration { name: "0005_marks", sql: include_str!("migrations/sqlite/0005_marks.sql") },
    Migration { name: "0006_portal", sql: include_str!("migrations/sqlite/0006_portal.sql") },
    Migration { name: "0007_notices", sql: include_str!("migrations/sqlite/0007_notices.sql") },
    Migration { name: "0008_changes", sql: include_str!("migrations/sqlite/0008_changes.sql") },
    Migration { name: "0009_fence", sql: include_str!("migrations/sqlite/0009_fence.sql") },
    Migration { name: "0010_backends", sql: include_str!("migrations/sqlite/0010_backends.sql") },
    Migration { name: "0011_runs", sql: include_str!("migrations/sqlite/0011_runs.sql") },
];

/// Which steps a file has had.
const VERSION_TABLE: &str = "\
CREATE TABLE IF NOT EXISTS keydove_schema (
    version INTEGER NOT NULL PRIMARY KEY,
    name    TEXT    NOT NULL,
    applied TEXT    NOT NULL DEFAULT CURRENT_TIMESTAMP
) STRICT";

struct Migration {
    name: &'static str,
    sql: &'static str,
}

/// Why a file is not up to date.
pub(super) enum Failure {
    Sqlite(rusqlite::Error),
    /// A newer keydove migrated the file.
    Newer {
        found: u32,
    },
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Brings a file up to date. Two processes may try at once.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), Failure> {
    loop {
        let found = version(connection)?;
        if found as usize > MIGRATIONS.len() {
            return Err(Failure::Newer { found });
        }
        let Some(step) = MIGRATIONS.get(found as usize) else { return Ok(()) };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if version(&transaction)? != found {
            // Another process was quicker; look again.
            continue;
        }
        transaction.execute_batch(VERSION_TABLE)?;
        transaction.execute_batch(step.sql)?;
        let applied = params![found + 1, step.name];
        transaction.execute("INSERT INTO keydove_schema (version, name) VALUES (?, ?)", applied)?;
        transaction.commit()?;
    }
}

/// The number of the last step, 0 for an empty file.
fn version(connection: &Connection) -> Result<u32, rusqlite::Error> {
    let exists =
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'keydove_schema')";
    if !connection.query_row(exists, [], |row| row.get::<_, bool>(0))? {
        return Ok(0);
    }
    let last = "SELECT COALESCE(MAX(version), 0) FROM keydove_schema";
    connection.query_row(last, [], |row| row.get::<_, u32>(0))
}

impl Failure {
    /// In the words of the module.
    pub(super) fn explain(self, database: &str, from_sqlite: impl FnOnce(rusqlite::Error) -> Error) -> Error {
        match self {
            Self::Sqlite(error) => from_sqlite(error),
            Self::Newer { found } => Error::Schema {
                database: database.to_owned(),
                detail: format!(
                    "it has schema version {found}, this keydove knows versions up to {}",
                    MIGRATIONS.len()
                ),
            },
        }
    }
}

/// The steps' statements.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    MIGRATIONS.iter().map(|migration| migration.sql)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migrated() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        assert!(migrate(&mut connection).is_ok());
        connection
    }

    #[test]
    fn every_step_is_applied_once() {
        let mut connection = migrated();
        assert!(migrate(&mut connection).is_ok());
        let count: u32 =
            connection.query_row("SELECT COUNT(*) FROM keydove_schema", [], |row| row.get(0)).unwrap();
        assert_eq!(count as usize, MIGRATIONS.len());
        assert_eq!(version(&connection).unwrap() as usize, MIGRATIONS.len());
    }

    #[test]
    fn a_step_that_fails_leaves_nothing_behind() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE tfa (x)").unwrap();
        assert!(matches!(migrate(&mut connection), Err(Failure::Sqlite(_))));
        let tables = "SELECT group_concat(name) FROM sqlite_schema WHERE type = 'table'";
        let tables: String = connection.query_row(tables, [], |row| row.get(0)).unwrap();
        assert_eq!(tables, "tfa");
    }

    #[test]
    fn a_file_of_a_newer_keydove_is_left_alone() {
        let mut connection = migrated();
        connection.execute("INSERT INTO keydove_schema (version, name) VALUES (99, 'later')", []).unwrap();
        assert!(matches!(migrate(&mut connection), Err(Failure::Newer { found: 99 })));
    }

    #[test]
    fn rows_have_mailcows_defaults() {
        let connection = migrated();
        connection
            .execute_batch(
                "INSERT INTO domain (domain) VALUES ('example.org');
                 INSERT INTO mailbox (username, password, local_part, domain)
                 VALUES ('a@example.org', '', 'a', 'example.org');
                 UPDATE mailbox SET name = 'A'",
            )
            .unwrap();
        let row: (i64, String, i64, bool) = connection
            .query_row(
                "SELECT m.quota, m.authsource, m.active + d.active, m.modified IS NOT NULL
                   FROM mailbox m JOIN domain d ON d.domain = m.domain",
                [],
                |row| row.try_into(),
            )
            .unwrap();
        assert_eq!(row, (102_400, "mailcow".to_owned(), 2, true));
        let foreign = "UPDATE mailbox SET authsource = 'saml'";
        assert!(connection.execute(foreign, []).is_err());
    }
}
