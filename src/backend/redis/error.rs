//! Why a command was not carried out.

use std::time::Duration;

/// Trouble with Redis. No login depends on Redis, so it is never more than a warning.
///
/// No variant holds the password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Two settings contradict each other.
    #[error("redis settings: {0}")]
    Settings(String),
    /// No connection was made, or it broke.
    #[error("{attempt}: cannot reach Redis at {server}: {detail}")]
    Unreachable {
        /// What was attempted.
        attempt: &'static str,
        /// Where the server is.
        server: String,
        /// What went wrong.
        detail: String,
    },
    /// No answer in time.
    #[error("{attempt}: no answer from Redis at {server} within {limit:?}")]
    Timeout {
        /// What was attempted.
        attempt: &'static str,
        /// Where the server is.
        server: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The answer is longer than any that keydove has written.
    #[error("{attempt}: the answer of Redis at {server} is longer than 8 MiB")]
    TooLong {
        /// What was attempted.
        attempt: &'static str,
        /// Where the server is.
        server: String,
    },
    /// The server answered with an error: a wrong password or a missing right, most likely.
    #[error("{attempt}: Redis at {server} says: {detail}")]
    Refused {
        /// What was attempted.
        attempt: &'static str,
        /// Where the server is.
        server: String,
        /// The server's words.
        detail: String,
    },
}
