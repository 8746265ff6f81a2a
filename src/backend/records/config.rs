//! How long what is known stays known.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::Lifetimes;
use crate::settings::{Period, Section, SettingFault};

const MIB: usize = 1 << 20;
/// The database is near and its rows are few: this only keeps a flood of guesses from asking without a break.
const MAILBOX_REFETCH_PAUSE: Duration = Duration::from_millis(20);

/// How long keydove goes by what Keycloak and the database said: docs/outages.md.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How old Keycloak's answer about a user may be: so long may a disabled user still log in. `"0"` asks at every
    /// login. Default `"60s"`.
    pub max_staleness: Period,
    /// The same for rows of the database. Default `"30s"`.
    pub mailbox_staleness: Period,
    /// The same for names that neither Keycloak nor the database knows. Default `"10s"`.
    pub unknown: Period,
    /// How old an answer may be while Keycloak or the database is down; `"0"`: nobody logs in then. Default
    /// `"12h"`.
    pub stale_limit: Period,
    /// How long a login waits for a slow backend if keydove has an older answer. Default `"1s"`.
    pub patience: Period,
    /// How long keydove does not ask Keycloak again about one user because of a refused login; a login that comes
    /// meanwhile waits for that. Keep it shorter than `failure_delay` by the time that Keycloak and a hash take, or
    /// a refusal of a known user comes later than that of an unknown name. Default `"1s"`.
    pub refetch_pause: Period,
    /// An encrypted file, such as `"/var/lib/keydove/records"`, in which what keydove knows survives a restart.
    pub record_file: Option<PathBuf>,
    /// Memory for users and for mailboxes, each, in MiB; 64 MiB hold about 100,000 of them. A sixteenth is for
    /// unknown names, which push out no record. Default `64`.
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

impl Section for Config {
    fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        let mut complain = |sentence, advice| faults.push(SettingFault::new("record_file", sentence, advice));
        let Some(path) = &self.record_file else { return faults };
        if !path.is_absolute() || path.file_name().is_none() {
            complain(
                "the path of the record file must begin with / and end with a name",
                "/var/lib/keydove/records is a good one",
            );
        }
        if self.stale_limit.get().is_zero() {
            complain(
                "a record file is of no use where nothing old may serve",
                "take this line out, or set stale_limit to more than 0",
            );
        }
        faults
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
