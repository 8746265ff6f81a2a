//! What an administrator sees of the backends, and which of them take no new mailboxes.

use std::collections::BTreeMap;

use super::check_tables;
use crate::backend::sql::database::Database;
use crate::backend::sql::error::Error;
use crate::backend::sql::own_tables::{TableSet, TableSets};
use crate::backend::sql::retry::Fault;
use crate::backend::sql::session::{Dialect, Kind, LostCommit, Session, Work};

/// What the database knows of backends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placements {
    /// How many mailboxes each has; by name, also of names that no setting has.
    pub mailboxes: BTreeMap<String, u64>,
    /// Those that take no new ones.
    pub drained: Vec<String>,
}

impl Database {
    /// How many mailboxes each backend has, and which of them take no new ones.
    ///
    /// # Errors
    /// The database cannot be asked; [`Error::Schema`] where keydove's tables for it are missing.
    pub async fn placements(&self) -> Result<Placements, Error> {
        self.run(View).await
    }

    /// Has a backend take no new mailboxes from now on, on every node; or take them again. Says whether that changed
    /// anything.
    ///
    /// # Errors
    /// As [`placements`](Self::placements).
    pub async fn set_drained(&self, backend: &str, drained: bool) -> Result<bool, Error> {
        self.run(SetDrained { backend: backend.to_owned(), drained }).await
    }
}

struct View;

impl Work for View {
    const ATTEMPT: &'static str = "counting the mailboxes of each backend";
    const KIND: Kind = Kind::Reads;
    type Output = Placements;

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Backends)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Placements, Fault> {
        check_tables(session)?;
        let count = "SELECT backend, COUNT(*) FROM keydove_placement GROUP BY backend";
        let mut mailboxes = BTreeMap::new();
        for mut row in session.query(count, Vec::new()).await? {
            let (backend, count) =
                row.read("keydove_placement", "a count", |row| Ok((row.words(0)?, row.number(1)?)))?;
            mailboxes.insert(backend, u64::try_from(count).unwrap_or_default());
        }
        Ok(Placements { mailboxes, drained: super::drained(session).await? })
    }
}

struct SetDrained {
    backend: String,
    drained: bool,
}

impl Work for SetDrained {
    const ATTEMPT: &'static str = "changing whether a backend takes new mailboxes";
    const KIND: Kind = Kind::Writes(LostCommit::RunAgain);
    /// Nobody remembers which are drained.
    const OUTDATES: bool = false;
    type Output = bool;

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Backends)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<bool, Fault> {
        check_tables(session)?;
        if super::drained(session).await?.contains(&self.backend) == self.drained {
            return Ok(false);
        }
        let update = match S::DIALECT {
            Dialect::Sqlite => "ON CONFLICT (name) DO UPDATE SET drained = excluded.drained",
            Dialect::Mariadb => "ON DUPLICATE KEY UPDATE drained = VALUES(drained)",
        };
        let statement = format!("INSERT INTO keydove_backend (name, drained) VALUES (?, ?) {update}");
        let values = vec![self.backend.as_str().into(), i64::from(self.drained).into()];
        session.query(&statement, values).await?;
        Ok(true)
    }
}
