//! Why a question has no answer.

use std::time::Duration;

use crate::auth::{TempFail, TempFailReason};

/// Trouble with the database. It always means that we cannot tell; nothing turns it into a refusal.
///
/// No variant holds a password or a hash.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Two settings contradict each other.
    #[error("storage settings: {0}")]
    Settings(String),
    /// The file cannot be opened, or no connection was made, or it broke twice.
    #[error("cannot reach {database}: {detail}")]
    Unreachable {
        /// `SQLite file PATH`, or `MariaDB database NAME at PLACE`.
        database: String,
        /// The system's or the driver's words.
        detail: String,
    },
    /// No connection, no lock or no answer in time.
    #[error("{attempt} in {database}: {detail} within {limit:?}")]
    Timeout {
        /// In the form of `creating a mailbox`.
        attempt: &'static str,
        /// `SQLite file PATH`, or `MariaDB database NAME at PLACE`.
        database: String,
        /// What did not come in time: `no connection`, `no lock` or `no answer`.
        detail: &'static str,
        /// How long it was waited for: `timeout`, `connect_timeout` or `busy_timeout`; zero for a lock that is not waited for.
        limit: Duration,
    },
    /// The database refused the statement.
    #[error("{attempt} in {database}: {detail}")]
    Refused {
        /// In the form of `creating a mailbox`.
        attempt: &'static str,
        /// `SQLite file PATH`, or `MariaDB database NAME at PLACE`.
        database: String,
        /// The database's words.
        detail: String,
    },
    /// The database was told to commit, and nobody knows whether it did. Every other error means that nothing was
    /// written.
    #[error("{attempt} in {database}: {detail}; it may have been written, so look before you try again")]
    Uncertain {
        /// In the form of `creating a mailbox`.
        attempt: &'static str,
        /// `SQLite file PATH`, or `MariaDB database NAME at PLACE`.
        database: String,
        /// The system's or the driver's words.
        detail: String,
        /// The reason code of a login that meets this.
        reason: TempFailReason,
    },
    /// Another process has the lease under which this was to be written. Nothing was written.
    #[error(
        "{attempt}: nothing was written, because this process has lost the lease `{lease}` (number {own}): {} has taken it \
         since (number {number})",
        if .by.is_empty() { "another process" } else { .by }
    )]
    LeaseLost {
        /// In the form of `creating a mailbox`.
        attempt: &'static str,
        /// The lease's name.
        lease: &'static str,
        /// The number with which this process took it.
        own: i64,
        /// Who has it; empty for nobody.
        by: String,
        /// The number with which it was taken last.
        number: i64,
    },
    /// A row has a value that cannot be, so that nothing can be concluded from it.
    #[error("table `{table}`, row `{key}`: {detail}")]
    BadRow {
        /// Its name.
        table: &'static str,
        /// The row's name, or the name that was asked for.
        key: String,
        /// Which value it is, and why it cannot be.
        detail: String,
    },
    /// Tables or columns are missing or not granted, or a newer keydove made them.
    #[error("the tables of {database} do not fit: {detail}")]
    Schema {
        /// `SQLite file PATH`, or `MariaDB database NAME at PLACE`.
        database: String,
        /// The table, the column or the right, in the database's words.
        detail: String,
    },
}

impl Error {
    /// What a login that needed the answer is told.
    #[must_use]
    pub fn temp_fail(&self) -> TempFail {
        TempFail::new(self.reason(), self.to_string())
    }

    /// The reason code of a login that meets this: always a temporary failure.
    #[must_use]
    pub fn reason(&self) -> TempFailReason {
        match self {
            Self::Unreachable { .. } => TempFailReason::SqlUnreachable,
            Self::Timeout { .. } => TempFailReason::SqlTimeout,
            Self::Uncertain { reason, .. } => *reason,
            Self::Settings(_)
            | Self::Refused { .. }
            | Self::LeaseLost { .. }
            | Self::BadRow { .. }
            | Self::Schema { .. } => TempFailReason::SqlError,
        }
    }
}
