//! Several statements that belong together, written once for both drivers.
//!
//! A [`Work`] says which statements, a [`Session`] is the connection on which they run. The driver puts a
//! transaction around them and repeats the whole where another process was in the way.

use std::future::Future;

use super::Error;
use super::rows::Cells;
use crate::auth::Secret;

/// Where the two databases want different words for one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Mariadb,
}

/// A connection with a transaction on it.
pub(super) trait Session: Send {
    const DIALECT: Dialect;

    /// Whether keydove's own tables are there. Always so in SQLite.
    fn has_own_tables(&self) -> bool;

    /// Whether an earlier run of this work may have been committed.
    fn follows_lost_commit(&self) -> bool {
        false
    }

    /// Whether the table of marks is there, which is younger. Always so in SQLite.
    fn has_marks(&self) -> bool;

    /// Runs one statement and reads all its rows; one that writes has none.
    fn query(
        &mut self,
        statement: &str,
        parameters: Vec<Parameter>,
    ) -> impl Future<Output = Result<Vec<Row>, Fault>> + Send;
}

/// What a work does to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing. It needs no transaction, and may be asked again.
    Reads,
    /// It writes, in one transaction.
    Writes(LostCommit),
    /// It writes, to see what stands against it, and its transaction is rolled back at its end.
    TriesOut,
}

/// What is done when the connection ends while the server commits: the rows are there, or they are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LostCommit {
    /// The work runs again. On top of its own rows it writes the same rows again and gives an answer that its
    /// caller takes for the same.
    RunAgain,
    /// Whoever asked is told that it may have been written: a second run would count twice, or would take the
    /// first one's rows for somebody else's.
    Tell,
}

impl Kind {
    pub(super) const fn writes(self) -> bool {
        matches!(self, Self::Writes(_) | Self::TriesOut)
    }

    /// Whether the work runs again after the answer to its commit was lost.
    pub(super) const fn runs_again(self) -> bool {
        matches!(self, Self::Writes(LostCommit::RunAgain))
    }
}

/// Statements that belong together.
pub(super) trait Work: Send + Sync + 'static {
    /// For error sentences: `creating a mailbox`.
    const ATTEMPT: &'static str;
    /// What it does to the database. Without a default, so that whoever writes a work thinks of a lost commit.
    const KIND: Kind;
    /// Whether it waits for a lock on a SQLite file. There every question behind it waits too.
    const WAITS: bool = true;
    type Output: Send + 'static;

    /// May be called again after a [`Fault::Again`], on a new transaction.
    fn run<S: Session>(&self, session: &mut S) -> impl Future<Output = Result<Self::Output, Fault>> + Send;
}

/// Why a work was not finished. But for [`Fault::Lost`], nothing of it was written.
#[derive(Debug)]
pub(super) enum Fault {
    /// Another process wrote the same row, or waits for us as we for it, or the connection broke.
    Again(Error),
    /// Trying again would not help.
    Final(Error),
    /// The answer to the commit was lost.
    Lost(Error),
}

impl Fault {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Again(error) | Self::Final(error) | Self::Lost(error) => error,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// A value for a `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    Null,
    Integer(i64),
    Text(String),
}

impl From<i64> for Parameter {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<&str> for Parameter {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&Secret> for Parameter {
    /// For a stored hash, which is text.
    fn from(hash: &Secret) -> Self {
        Self::Text(String::from_utf8_lossy(hash.expose()).into_owned())
    }
}

impl From<Option<&str>> for Parameter {
    fn from(text: Option<&str>) -> Self {
        text.map_or(Self::Null, Self::from)
    }
}

/// A value of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Bytes(Vec<u8>),
    /// A kind of value that no column here has.
    Odd,
}

/// A line of an answer.
pub(super) struct Row(pub(super) Vec<Cell>);

impl Row {
    /// Reads the cells; the error names the table and the row.
    pub(super) fn read<T>(
        &mut self,
        table: &'static str,
        key: &str,
        read: impl FnOnce(&mut Self) -> Result<T, String>,
    ) -> Result<T, Error> {
        read(self).map_err(|detail| Error::BadRow { table, key: key.to_owned(), detail })
    }

    /// A number that must be there.
    pub(super) fn number(&mut self, column: usize) -> Result<i64, String> {
        self.integer(column)?.ok_or_else(|| format!("column {column} is NULL"))
    }

    /// A text that must be there.
    pub(super) fn words(&mut self, column: usize) -> Result<String, String> {
        self.text(column)?.ok_or_else(|| format!("column {column} is NULL"))
    }
}

impl Cells for Row {
    fn integer(&mut self, column: usize) -> Result<Option<i64>, String> {
        match self.0.get(column) {
            Some(Cell::Null) => Ok(None),
            Some(Cell::Integer(number)) => Ok(Some(*number)),
            _ => Err(format!("column {column} holds no number")),
        }
    }

    fn bytes(&mut self, column: usize) -> Result<Option<Vec<u8>>, String> {
        match self.0.get_mut(column) {
            Some(Cell::Null) => Ok(None),
            Some(Cell::Bytes(bytes)) => Ok(Some(std::mem::take(bytes))),
            _ => Err(format!("column {column} holds no text")),
        }
    }
}
