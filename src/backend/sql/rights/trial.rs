//! Rights tried out: the server's own word, whatever way they came (roles, patterns, single columns).
//!
//! Each is tried by a statement that no row fits, so that nothing is changed, in a transaction that is rolled back.

use super::right::{Right, Verb};
use crate::backend::sql::database::Database;
use crate::backend::sql::error::Error;
use crate::backend::sql::own_tables::{TableSet, TableSets};
use crate::backend::sql::retry::{Fault, Trouble};
use crate::backend::sql::session::{Dialect, Kind, Session, Work};

/// What a right lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The database user does not have it.
    Denied,
    /// There is no such table or column, in the server's words.
    Absent(String),
    /// Nobody may write now, in the server's words: it is read-only, for instance.
    Refused(String),
}

/// A right that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The right that keydove needs.
    pub right: Right,
    /// Why it is not there.
    pub lack: Lack,
    /// Whether keydove sees the table, and so takes for granted that it may use it.
    pub sees_table: bool,
}

/// Who the database takes keydove for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The account with its host, in quotes as `GRANT` wants it.
    pub account: String,
    /// The name of the database.
    pub database: String,
}

impl Database {
    /// Which of these rights are not there. An embedded file has none to give.
    ///
    /// keydove's own tables are made before, where it may.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn missing_rights(&self, rights: &[Right]) -> Result<Vec<Missing>, Error> {
        let mut missing = Vec::new();
        if self.is_embedded() {
            return Ok(missing);
        }
        for &right in rights {
            missing.extend(self.run(Try(right)).await?);
        }
        Ok(missing)
    }

    /// Who the database takes keydove for; `None` for an embedded file.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn account(&self) -> Result<Option<Account>, Error> {
        match self.is_embedded() {
            true => Ok(None),
            false => self.run(WhoAmI).await.map(Some),
        }
    }
}

/// A trial that looks also for the set of tables that the right's is in, and makes them where it may.
struct Try(Right);

impl Work for Try {
    const ATTEMPT: &'static str = "trying rights out";
    const KIND: Kind = Kind::TriesOut;
    type Output = Option<Missing>;

    fn needs(&self) -> TableSets {
        TableSet::with(self.0.table).map_or(TableSets::NONE, TableSets::of)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let right = self.0;
        let sees_table = sees(session, right.table).await?;
        if right.is_of_optional_table() && !sees_table || right.verb == Verb::Create && sees_table {
            return Ok(None);
        }
        // One of keydove's own would have been made before, had it been allowed to.
        if right.is_of_own_table() && !sees_table {
            return Ok(Some(Missing { right, lack: Lack::Denied, sees_table }));
        }
        // Who may not even read is told so for that.
        let reads = Right { verb: Verb::Select, ..right };
        if right.verb == Verb::Lock && session.query(&attempt(&reads), Vec::new()).await.is_err() {
            return Ok(None);
        }
        let lack = match session.query(&attempt(&right), Vec::new()).await {
            Ok(_) => return Ok(None),
            // A table that one may not even see is one that is not there, or one without any right.
            Err(Fault { trouble: Trouble::DoesNotFit, error: Error::Schema { detail, .. } }) => {
                match detail.contains(" denied ") {
                    true => Lack::Denied,
                    false => Lack::Absent(detail),
                }
            }
            Err(Fault { trouble: Trouble::Refused, error: Error::Refused { detail, .. } }) => {
                Lack::Refused(detail)
            }
            Err(other) => return Err(other),
        };
        Ok(Some(Missing { right, lack, sees_table }))
    }
}

async fn sees<S: Session>(session: &mut S, table: &str) -> Result<bool, Fault> {
    let statement =
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?";
    let mut rows = session.query(statement, vec![table.into()]).await?;
    Ok(rows.first_mut().is_some_and(|row| row.number(0) == Ok(1)))
}

/// Nothing is read, added, changed or removed by it: no row fits.
fn attempt(right: &Right) -> String {
    let Right { verb, table, columns, .. } = right;
    let names = columns.join(", ");
    match verb {
        Verb::Create | Verb::Select => format!("SELECT {names} FROM {table} WHERE 1 = 0"),
        Verb::Lock => format!("SELECT {names} FROM {table} WHERE 1 = 0 FOR UPDATE"),
        // IGNORE, or columns that must have a value would stand in the way.
        Verb::Insert => {
            let nothing = vec!["NULL"; columns.len()].join(", ");
            format!("INSERT IGNORE INTO {table} ({names}) SELECT {nothing} FROM DUAL WHERE 1 = 0")
        }
        Verb::Update => {
            let sets: Vec<String> = columns.iter().map(|column| format!("{column} = NULL")).collect();
            format!("UPDATE IGNORE {table} SET {} WHERE 1 = 0", sets.join(", "))
        }
        Verb::Delete => format!("DELETE FROM {table} WHERE 1 = 0"),
    }
}

struct WhoAmI;

impl Work for WhoAmI {
    const ATTEMPT: &'static str = "asking who we are";
    const KIND: Kind = Kind::Reads;
    type Output = Account;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Account, Fault> {
        debug_assert!(S::DIALECT == Dialect::Mariadb, "only a server has accounts");
        let mut rows = session.query("SELECT CURRENT_USER(), DATABASE()", Vec::new()).await?;
        let row = rows.first_mut();
        let read = |row: &mut crate::backend::sql::row::Row| {
            Ok(Account { account: quote(&row.words(0)?), database: row.text(1)?.unwrap_or_default() })
        };
        let Some(row) = row else {
            return Err(Error::BadRow {
                table: "CURRENT_USER()",
                key: String::new(),
                detail: "no row".to_owned(),
            }
            .into());
        };
        Ok(row.read("CURRENT_USER()", "", read)?)
    }
}

/// `keydove@%` as `'keydove'@'%'`.
fn quote(account: &str) -> String {
    let word = |word: &str| format!("'{}'", word.replace('\'', "''"));
    match account.rsplit_once('@') {
        Some((user, host)) => format!("{}@{}", word(user), word(host)),
        None => word(account),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::sql::rights::{Feature, needed};

    #[test]
    fn every_own_table_is_looked_for_by_the_trial_of_its_rights() {
        for right in needed(&Feature::ALL).into_iter().filter(Right::is_of_own_table) {
            assert!(TableSet::with(right.table).is_some(), "{}", right.table);
        }
    }

    #[test]
    fn an_account_is_quoted() {
        assert_eq!(quote("keydove@%"), "'keydove'@'%'");
        assert_eq!(quote("o'neil@x@localhost"), "'o''neil@x'@'localhost'");
    }
}
