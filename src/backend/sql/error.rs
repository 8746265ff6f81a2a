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
        /// Which database.
        database: String,
        /// What went wrong.
        detail: String,
    },
    /// No connection, no lock or no answer in time.
    #[error("{attempt} in {database}: {detail} within {limit:?}")]
    Timeout {
        /// What was attempted.
        attempt: &'static str,
        /// Which database.
        database: String,
        /// What did not come in time.
        detail: &'static str,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The database refused the statement.
    #[error("{attempt} in {database}: {detail}")]
    Refused {
        /// What was attempted.
        attempt: &'static str,
        /// Which database.
        database: String,
        /// The database's words.
        detail: String,
    },
    /// The database was told to commit, and nobody knows whether it did. Every other error means that nothing was
    /// written.
    #[error("{attempt} in {database}: {detail}; it may have been written, so look before you try again")]
    Uncertain {
        /// What was attempted.
        attempt: &'static str,
        /// Which database.
        database: String,
        /// What went wrong.
        detail: String,
        /// The kind of trouble.
        reason: TempFailReason,
    },
    /// A row has a value that cannot be, so that nothing can be concluded from it.
    #[error("table `{table}`, row `{key}`: {detail}")]
    BadRow {
        /// Which table.
        table: &'static str,
        /// The row's name, or the name that was asked for.
        key: String,
        /// What cannot be.
        detail: String,
    },
    /// Tables or columns are missing or not granted, or a newer keydove made them.
    #[error("the tables of {database} do not fit: {detail}")]
    Schema {
        /// Which database.
        database: String,
        /// What does not fit.
        detail: String,
    },
}

impl Error {
    /// What a login that needed the answer is told.
    #[must_use]
    pub fn temp_fail(&self) -> TempFail {
        TempFail::new(self.reason(), self.to_string())
    }

    /// The kind of trouble.
    #[must_use]
    pub fn reason(&self) -> TempFailReason {
        match self {
            Self::Unreachable { .. } => TempFailReason::SqlUnreachable,
            Self::Timeout { .. } => TempFailReason::SqlTimeout,
            Self::Uncertain { reason, .. } => *reason,
            Self::Settings(_) | Self::Refused { .. } | Self::BadRow { .. } | Self::Schema { .. } => {
                TempFailReason::SqlError
            }
        }
    }
}
