//! How long what is known stays known.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::Lifetimes;
use crate::settings::Period;

const MIB: usize = 1 << 20;
/// The database is near and its rows are few: this only keeps a flood of guesses from asking without a break.
const MAILBOX_REFETCH_PAUSE: Duration = Duration::from_millis(20);

/// `[cache]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What Keycloak said about a person is taken as it is for this long at most: whoever is disabled there, or whose
    /// password changed without being used, is in for no longer. Default 60 s; 0 asks at every login.
    pub max_staleness: Period,
    /// The same for rows of the database. Default 30 s.
    pub mailbox_staleness: Period,
    /// The same for whoever is unknown in either. Default 10 s.
    pub unknown: Period,
    /// While Keycloak or the database cannot tell, what they said last still serves for this long. Default 12 h; 0
    /// is never.
    pub stale_limit: Period,
    /// How long a login waits for a slow backend when there is something older. Default 1 s.
    pub patience: Period,
    /// How long Keycloak is not asked again about one person because somebody was refused. Default 1 s: whoever
    /// comes in between waits for the next time. That wait, the question and a hash must end within the failure delay, or a
    /// refusal of somebody known would come later than that of a name which nobody has.
    pub refetch_pause: Period,
    /// A file in which people and mailboxes outlive the process, encrypted with a key that is made of the configuration's
    /// secrets. Default none.
    pub record_file: Option<PathBuf>,
    /// Memory for people and for mailboxes, each. Default 64 MiB, which is about 100,000 of them.
    pub memory_mib: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_staleness: Period::from_secs(60),
            mailbox_staleness: Period::from_secs(30),
            unknown: Period::from_secs(10),
            stale_limit: Period::from_secs(12 * 3600),
            patience: Period::from_secs(1),
            refetch_pause: Period::from_secs(1),
            record_file: None,
            memory_mib: 64,
        }
    }
}

impl Config {
    /// Of what Keycloak says.
    #[must_use]
    pub fn people(&self) -> Lifetimes {
        Lifetimes {
            fresh: self.max_staleness.get(),
            absent: self.unknown.get().min(self.max_staleness.get()),
            stale_limit: self.stale_limit.get(),
            patience: self.patience.get(),
            refetch_pause: self.refetch_pause.get(),
            max_bytes: self.memory_mib.saturating_mul(MIB),
        }
    }

    /// How large the record file may be, in bytes: as large as what it holds.
    #[must_use]
    pub fn max_file_bytes(&self) -> usize {
        self.memory_mib.saturating_mul(2 * MIB)
    }

    /// Of what the database says.
    #[must_use]
    pub fn mailboxes(&self) -> Lifetimes {
        let fresh = self.mailbox_staleness.get();
        Lifetimes {
            fresh,
            absent: self.unknown.get().min(fresh),
            refetch_pause: MAILBOX_REFETCH_PAUSE.min(fresh),
            ..self.people()
        }
    }
}
