//! Why keydove cannot be put together.

use crate::backend::keycloak::SetupError;
use crate::backend::{redis, sql};

/// Why a part cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// The Keycloak client.
    #[error(transparent)]
    Keycloak(#[from] SetupError),
    /// The database.
    #[error(transparent)]
    Database(#[from] sql::Error),
    /// Redis.
    #[error(transparent)]
    Redis(#[from] redis::Error),
    /// The hashing threads.
    #[error("cannot start the hashing threads: {0}")]
    Hashing(std::io::Error),
    /// Random bytes.
    #[error("cannot read random bytes: {0}")]
    Random(getrandom::Error),
    /// The reactor of a command.
    #[error("cannot start the reactor: {0}")]
    Reactor(std::io::Error),
}
