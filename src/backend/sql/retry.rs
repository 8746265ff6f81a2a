//! What an error of the database is, and whether the question is asked again: one table for every work, reading or
//! writing, on both drivers.
//!
//! | trouble | MariaDB and MySQL | SQLite | tries in all | before the next one |
//! |---|---|---|---|---|
//! | [`Overtaken`](Trouble::Overtaken) | 1213 deadlock, 1020 row changed, 1062 duplicate key | | 4 | 5 ms, doubled each time |
//! | [`ConnectionLost`](Trouble::ConnectionLost) | a broken connection; 1927 killed, 1053 shutting down, 1317 interrupted, 4031 idle, 1047 node outside its cluster | | 2 | nothing; a new connection |
//! | [`CommitLost`](Trouble::CommitLost) | no answer to COMMIT | | 4 where the work may run again, else 1 | 5 ms, doubled |
//! | [`NoLock`](Trouble::NoLock) | 1205 lock wait, 1969 and 3024 statement time | `SQLITE_BUSY`, `SQLITE_LOCKED` | 1 | |
//! | [`NoConnection`](Trouble::NoConnection) | refused, or none free in `connect_timeout` | file cannot be opened or read | 1 | |
//! | [`DoesNotFit`](Trouble::DoesNotFit) | 1054, 1146 no such column or table, 1044, 1142, 1143 no right | `SQLITE_ERROR` | 1 | |
//! | [`Refused`](Trouble::Refused) | any other | any other | 1 | |
//!
//! All tries together have the time that one question has: `timeout` with MariaDB, `busy_timeout` and a second with
//! SQLite. A lock that was not had is not waited for again, because the database has waited for it in full: MariaDB as
//! long as `timeout`, SQLite as long as `busy_timeout`. A server that is not there is left alone, because whoever asks
//! often stops asking for a while (`crate::backend::breaker`).
//!
//! Whatever is not answered in the end is an [`Error`], which no login takes for a refusal.

use std::time::Duration;

use rusqlite::ErrorCode;

use super::error::Error;

/// Before the second try; then it is doubled.
const PAUSE: Duration = Duration::from_millis(5);

/// Why a try did not end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Another transaction was quicker. Nothing was written, and the next try sees its rows.
    Overtaken,
    /// The connection or its node went away. Nothing was written.
    ConnectionLost,
    /// The connection went away while the server committed. It was written, or not.
    CommitLost,
    /// A lock, or the end of a statement, was waited for in vain.
    NoLock,
    /// There was none to ask on.
    NoConnection,
    /// A table, a column or a right is missing.
    DoesNotFit,
    /// Anything else, which the same statement would meet again.
    Refused,
}

/// The server's error numbers; any other is [`Trouble::Refused`].
const OF_SERVER: [(Trouble, &[u16]); 4] = [
    (Trouble::Overtaken, &[1213, 1020, 1062]),
    (Trouble::ConnectionLost, &[1927, 1053, 1317, 4031, 1047]),
    (Trouble::NoLock, &[1205, 1969, 3024]),
    (Trouble::DoesNotFit, &[1054, 1146, 1142, 1143, 1044]),
];

impl Trouble {
    pub(super) fn of_server(code: u16) -> Self {
        let found = OF_SERVER.iter().find(|(_, codes)| codes.contains(&code));
        found.map_or(Self::Refused, |(trouble, _)| *trouble)
    }

    pub(super) fn of_sqlite(code: Option<ErrorCode>) -> Self {
        match code {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::NoLock,
            Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure | ErrorCode::PermissionDenied) => {
                Self::NoConnection
            }
            // SQLite's code for a statement that does not fit the tables.
            Some(ErrorCode::Unknown) => Self::DoesNotFit,
            _ => Self::Refused,
        }
    }

    /// How often a question that meets this is asked in all.
    const fn tries(self, runs_again: bool) -> u32 {
        match self {
            Self::Overtaken => 4,
            Self::ConnectionLost => 2,
            Self::CommitLost => {
                if runs_again {
                    4
                } else {
                    1
                }
            }
            Self::NoLock | Self::NoConnection | Self::DoesNotFit | Self::Refused => 1,
        }
    }

    /// How long to wait before the next try, if there is one. `tried`: how often it was tried, this time included;
    /// `runs_again`: whether the work may run on top of its own rows.
    pub(super) fn pause_before_next(self, tried: u32, runs_again: bool) -> Option<Duration> {
        (tried < self.tries(runs_again)).then(|| match self {
            Self::ConnectionLost => Duration::ZERO,
            _ => PAUSE * 2_u32.saturating_pow(tried.saturating_sub(1)),
        })
    }
}

/// A try that did not end well. But for [`Trouble::CommitLost`], nothing of it was written.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) trouble: Trouble,
    pub(super) error: Error,
}

impl From<Error> for Fault {
    /// What a work finds wrong itself.
    fn from(error: Error) -> Self {
        Self { trouble: Trouble::Refused, error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pauses between the tries of a question that meets the same trouble each time.
    fn pauses(trouble: Trouble, runs_again: bool) -> Vec<u64> {
        (1..)
            .map_while(|tried| trouble.pause_before_next(tried, runs_again))
            .map(|pause| pause.as_millis() as u64)
            .collect()
    }

    #[test]
    fn what_may_have_gone_by_is_tried_again_and_nothing_else() {
        for (trouble, again, told) in [
            (Trouble::Overtaken, &[5, 10, 20][..], &[5, 10, 20][..]),
            (Trouble::ConnectionLost, &[0], &[0]),
            (Trouble::CommitLost, &[5, 10, 20], &[]),
            (Trouble::NoLock, &[], &[]),
            (Trouble::NoConnection, &[], &[]),
            (Trouble::DoesNotFit, &[], &[]),
            (Trouble::Refused, &[], &[]),
        ] {
            assert_eq!(
                (pauses(trouble, true), pauses(trouble, false)),
                (again.to_vec(), told.to_vec()),
                "{trouble:?}"
            );
        }
    }

    #[test]
    fn each_error_of_a_server_has_its_place() {
        for (code, trouble) in [
            (1213, Trouble::Overtaken),
            (1205, Trouble::NoLock),
            (1047, Trouble::ConnectionLost),
            (1927, Trouble::ConnectionLost),
            (1142, Trouble::DoesNotFit),
            (1064, Trouble::Refused),
        ] {
            assert_eq!(Trouble::of_server(code), trouble, "{code}");
        }
        let mut codes: Vec<u16> = OF_SERVER.iter().flat_map(|(_, codes)| *codes).copied().collect();
        codes.sort_unstable();
        let all = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), all, "a number stands twice");
    }

    #[test]
    fn a_busy_file_is_not_waited_for_twice() {
        for code in [ErrorCode::DatabaseBusy, ErrorCode::DatabaseLocked] {
            assert_eq!(Trouble::of_sqlite(Some(code)), Trouble::NoLock);
        }
        assert_eq!(Trouble::of_sqlite(Some(ErrorCode::CannotOpen)), Trouble::NoConnection);
        assert_eq!(Trouble::of_sqlite(None), Trouble::Refused);
    }
}
