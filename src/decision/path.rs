//! What a login took.

use crate::auth::TempFail;

/// Whom a login asked, for metrics and the log; in this order of effort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// Nobody: all was known.
    Hit,
    /// Keycloak, the database, or a hashing thread.
    Cold,
    /// A backend could not tell, and something older served.
    Stale,
}

impl Path {
    /// The name that metrics and logs use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Cold => "cold",
            Self::Stale => "stale",
        }
    }

    /// Takes down that something older than it should be has served.
    pub(super) fn note_stale(&mut self, stale: Option<&TempFail>) {
        if stale.is_some() {
            *self = Self::Stale;
        }
    }
}
