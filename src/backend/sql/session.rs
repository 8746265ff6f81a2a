//! Statements that belong together, written once for both drivers.
//!
//! A [`Work`] says which statements, a [`Session`] is the connection on which they run. The driver puts a
//! transaction around them and repeats the whole where [`Trouble`](super::retry::Trouble) says so.

use std::future::Future;

use super::invalidation::Invalidation;
use super::own_tables::{TableSet, TableSets};
use super::retry::Fault;
use super::row::{Parameter, Row};

/// Where the two databases want different words for one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Mariadb,
}

impl Dialect {
    /// Behind a `SELECT`: locks the rows that are read, where other processes can write meanwhile. A SQLite
    /// transaction has the whole file.
    pub(super) const fn for_update(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Mariadb => " FOR UPDATE",
        }
    }

    /// Asks for the number that the database gave the row just inserted.
    pub(super) const fn last_id(self) -> &'static str {
        match self {
            Self::Sqlite => "SELECT last_insert_rowid()",
            Self::Mariadb => "SELECT LAST_INSERT_ID()",
        }
    }

    /// The database's time, in seconds since 1970.
    pub(super) const fn now(self) -> &'static str {
        match self {
            Self::Sqlite => "CAST(strftime('%s', 'now') AS INTEGER)",
            Self::Mariadb => "CAST(UNIX_TIMESTAMP() AS SIGNED)",
        }
    }

    /// A column of date and time, in seconds since 1970.
    pub(super) fn seconds_of(self, column: &str) -> String {
        match self {
            Self::Sqlite => format!("CAST(strftime('%s', {column}) AS INTEGER)"),
            Self::Mariadb => format!("CAST(UNIX_TIMESTAMP({column}) AS SIGNED)"),
        }
    }
}

/// Who asks. Connections are kept free for logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// A login or a question of the mail server, for which somebody waits.
    Login,
    /// The sync, housekeeping, and what is written down after logins.
    Job,
}

/// A connection on which a work runs.
pub(super) trait Session: Send {
    const DIALECT: Dialect;

    /// Whether the tables that suffice for logins are there. Always so in SQLite.
    fn has_own_tables(&self) -> bool;

    /// Whether an earlier run of this work may have been committed.
    fn follows_lost_commit(&self) -> bool {
        false
    }

    /// Whether all tables of this set are there. They are looked for by works that [need them](Work::needs). Always so in
    /// SQLite.
    fn has(&self, set: TableSet) -> bool;

    /// Whether the table of marks is there, which is younger than the other tables of logins.
    fn has_marks(&self) -> bool {
        self.has(TableSet::Logins)
    }

    /// Runs a command that a server does not prepare, such as `SAVEPOINT`.
    fn command(&mut self, command: &'static str) -> impl Future<Output = Result<(), Fault>> + Send;

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
    /// It writes by a single statement, which is a transaction of its own: one round trip instead of three.
    WritesOnce(LostCommit),
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
        !matches!(self, Self::Reads)
    }

    /// Whether the work runs again after the answer to its commit was lost.
    pub(super) const fn runs_again(self) -> bool {
        matches!(self, Self::Writes(LostCommit::RunAgain) | Self::WritesOnce(LostCommit::RunAgain))
    }
}

/// Statements that belong together.
pub(super) trait Work: Send + Sync + 'static {
    /// For error sentences, in the form of `creating a mailbox`.
    const ATTEMPT: &'static str;
    /// What it does to the database. Without a default, so that whoever writes a work thinks of a lost commit.
    const KIND: Kind;
    /// Whether it waits for a lock on a SQLite file. There every question behind it waits too.
    const WAITS: bool = true;
    /// Whether it changes what processes remember. A work that [`Writes`](Kind::Writes) says yes or no, and who says yes
    /// says also what it [outdates](Self::outdates).
    const OUTDATES: bool = false;
    type Output: Send + 'static;

    /// What every process remembers wrongly once this is written; noted in the same transaction. Only works that
    /// [`OUTDATES`](Self::OUTDATES) something are asked.
    fn outdates(&self, _output: &Self::Output) -> Option<Invalidation> {
        None
    }

    /// The sets of keydove's own tables that it needs besides that of logins, and besides that of changes for what it
    /// [`OUTDATES`](Self::OUTDATES). Nobody else looks for them.
    fn needs(&self) -> TableSets {
        TableSets::NONE
    }

    /// May be called again after a [`Fault`], on a new transaction.
    fn run<S: Session>(&self, session: &mut S) -> impl Future<Output = Result<Self::Output, Fault>> + Send;
}
