//! Something that the daemon does for longer than an answer takes.

use serde::{Deserialize, Serialize};

/// How it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// For how many seconds it has run, if it runs.
    pub running: Option<u64>,
    /// How many seconds ago it last ended, if it has since the daemon started.
    pub ended: Option<u64>,
    /// Why it came to nothing then.
    pub trouble: Option<String>,
}
