//! What was done, when, where, and what came of it: one line of JSON each, so that a run can be judged again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Milliseconds since the run began. All clients share one clock, so what ended before another thing began was before it.
pub type Time = u64;

/// One operation, or one fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When it was asked for.
    pub begin: Time,
    /// When its answer was there.
    pub end: Time,
    /// The machine that was asked, or that the fault was on.
    pub node: String,
    /// What was asked.
    #[serde(flatten)]
    pub act: Act,
    /// What was answered.
    pub result: Outcome,
}

/// What is asked, and of whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    /// Somebody logs in. The key is `main`, the name of an app password, or any other word, which fits nothing.
    Login {
        /// The mailbox.
        user: String,
        /// What is tried.
        key: String,
    },
    /// An app password is made.
    Make {
        /// The mailbox.
        user: String,
        /// Its name, like no other's.
        key: String,
        /// When it ends by itself.
        expires: Option<Time>,
    },
    /// An app password is revoked.
    Revoke {
        /// The mailbox.
        user: String,
        /// Its name.
        key: String,
    },
    /// A person is disabled in Keycloak.
    Disable {
        /// The mailbox.
        user: String,
    },
    /// Somebody signs in at the portal.
    SignIn {
        /// The mailbox.
        user: String,
        /// The session's name, like no other's.
        session: String,
    },
    /// Somebody signs out.
    SignOut {
        /// The session's name.
        session: String,
    },
    /// A session is used.
    Session {
        /// The session's name.
        session: String,
    },
    /// A password that was never tried before, and is wrong.
    Guess {
        /// The mailbox.
        user: String,
        /// The client's address.
        from: String,
    },
    /// Something that one node does for all has been begun with this lease.
    Lease {
        /// What is done.
        work: String,
        /// Who does it.
        holder: String,
        /// The fencing number, which grows with each holder.
        fence: u64,
    },
    /// The node did what one node does for all, from begin to end, by its own log.
    Turn {
        /// What was done.
        work: String,
    },
    /// Something is written under this lease.
    Write {
        /// What is done.
        work: String,
        /// The fencing number with which it is written.
        fence: u64,
    },
    /// What the node's database holds of a mailbox: how many rows, by table.
    Rows {
        /// The mailbox.
        user: String,
        /// Rows by table.
        rows: BTreeMap<String, u64>,
    },
    /// Whether an app password counts by the node's database.
    Standing {
        /// The mailbox.
        user: String,
        /// Its name.
        key: String,
    },
    /// Something was broken from begin to end.
    Fault {
        /// What, for whoever reads it.
        what: String,
    },
    /// Everything was mended for good.
    Healed,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Accepted, done, there.
    Yes,
    /// Refused, not there.
    No,
    /// A temporary failure: it may have been done, or not.
    CannotTell,
    /// Put off because of guessing.
    PutOff,
    /// There was no answer: it may have been done, or not.
    NoAnswer,
}

/// Writes a history as lines.
///
/// # Errors
/// None that this data has.
pub fn to_lines(history: &[Event]) -> serde_json::Result<String> {
    history.iter().map(|event| Ok(serde_json::to_string(event)? + "\n")).collect()
}

/// Reads the lines of a history.
///
/// # Errors
/// A line is no event.
pub fn from_lines(text: &str) -> serde_json::Result<Vec<Event>> {
    text.lines().map(serde_json::from_str).collect()
}
