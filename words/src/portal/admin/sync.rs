//! *Sync*: a run now, how it goes on, the last runs, and what became of each user in them.

use serde::{Deserialize, Serialize};

use super::{Audited, Effect};

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SyncRequest {
    /// What runs now, and the last runs. → [`SyncBoard`]
    Show,
    /// One of the last runs. → [`SyncRun`] with its users
    Run {
        /// Its number.
        number: u64,
    },
    /// Begins a run that writes nothing.
    Rehearse,
    /// Begins a run.
    Start,
}

impl SyncRequest {
    /// What it does.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            Self::Show | Self::Run { .. } | Self::Rehearse => Effect::Reads,
            Self::Start => {
                Effect::Changes(Audited { action: "sync", row: "all".to_owned(), value: String::new() })
            }
        }
    }

    /// One of each kind.
    #[must_use]
    pub fn examples() -> Vec<Self> {
        vec![Self::Show, Self::Run { number: 3 }, Self::Rehearse, Self::Start]
    }
}

/// The sync at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncBoard {
    /// The run that an administrator has begun.
    pub progress: Option<SyncProgress>,
    /// Why the run that was begun here last did not happen, in the daemon's words.
    pub trouble: Option<String>,
    /// Whether runs are logged; keydove may lack the right to.
    pub is_logged: bool,
    /// The last runs of all nodes, the newest first, without their users.
    pub runs: Vec<SyncRun>,
    /// Whether this daemon does it by itself now and then.
    pub is_scheduled: bool,
    /// In how many seconds it does so next; nothing while it does.
    pub next: Option<u64>,
}

/// How far a run is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncProgress {
    /// It writes nothing.
    pub dry_run: bool,
    /// For how many seconds it has run.
    pub seconds: u64,
    /// Users gone through.
    pub seen: u64,
    /// Users in Keycloak; 0 as long as that is not known.
    pub people: u64,
    /// Mailboxes made so far.
    pub created: u64,
    /// Mailboxes changed so far.
    pub changed: u64,
}

/// A run in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncRun {
    /// By which it is asked for.
    pub number: u64,
    /// The machine and process that did it.
    pub node: String,
    /// How many seconds ago it ended, or began if it has not ended.
    pub ago: u64,
    /// What began it: `schedule`, `portal` or `command`.
    pub started_by: String,
    /// It wrote nothing.
    pub dry_run: bool,
    /// `complete`, `incomplete`, `failed` (it could not begin), `stopped` (keydove was), `running`, or `cut_off` (its process
    /// ended in the middle).
    pub end: String,
    /// Why it was not complete, in the daemon's words.
    pub troubles: Vec<String>,
    /// Users, by what became of them.
    pub counts: Vec<(String, u64)>,
    /// Users of whom nothing was done, by reason.
    pub skipped: Vec<(String, u64)>,
    /// Everybody of whom there is something to say; at most 1000.
    pub people: Vec<SyncPerson>,
}

/// What became of one user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncPerson {
    /// Whose.
    pub address: String,
    /// `created`, `changed`, `restored`, `deactivated`, or the reason why nothing was done.
    pub outcome: String,
}
