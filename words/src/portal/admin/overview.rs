//! *Overview*: how things stand.

use serde::{Deserialize, Serialize};

use super::Effect;

/// What may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverviewRequest {
    /// The numbers. Nobody is asked. → [`Overview`]
    Show,
    /// Asks Keycloak and the database whether they answer. → [`AdminResponse::Checked`](super::AdminResponse::Checked)
    Check,
}

impl OverviewRequest {
    /// What it does.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            Self::Show | Self::Check => Effect::Reads,
        }
    }

    /// One of each kind.
    #[must_use]
    pub fn examples() -> Vec<Self> {
        vec![Self::Show, Self::Check]
    }
}

/// How things stand since the daemon started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// How long it has run, in seconds.
    pub uptime: u64,
    /// Logins by verdict and reason code; those that never happened are left out.
    pub logins: Vec<ReasonCount>,
    /// The database and each Keycloak.
    pub backends: Vec<BackendState>,
    /// The sync, where this daemon does it.
    pub sync: Option<SyncState>,
    /// What lies on disk beside what the daemon runs with.
    pub on_disk: OnDisk,
}

/// The configuration on disk beside the one that the daemon read when it started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnDisk {
    /// The parts that differ, by the names that `keydove check` gives them: tables, secrets, files.
    pub changed: Vec<String>,
    /// A daemon could not start with it. What is wrong is for `keydove check` to say, because it may show what the file holds.
    pub unusable: bool,
}

/// Logins of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonCount {
    /// `accept`, `refuse`, `cannot_tell`.
    pub verdict: String,
    /// The reason code.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// One backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendState {
    /// `sql`, or the name of a Keycloak.
    pub name: String,
    /// `asked`, `tried again` or `left alone`.
    pub state: String,
    /// Calls so far.
    pub calls: u64,
    /// Those of them that failed.
    pub failed: u64,
}

/// The sync. Times are in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncState {
    /// How the last run ended: `complete`, `incomplete`, `failed`, `held`.
    pub last: Option<String>,
    /// How long ago that was.
    pub last_ago: Option<u64>,
    /// How long ago the last complete run ended.
    pub complete_ago: Option<u64>,
    /// When the next run begins; nothing while one runs.
    pub next: Option<u64>,
    /// People of the last run, by what became of them.
    pub people: Vec<(String, u64)>,
}
