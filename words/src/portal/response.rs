//! What the daemon answers.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::admin::AdminResponse;

/// What is answered.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Response {
    /// To [`Request::Hello`](super::Request::Hello).
    Hello {
        /// The daemon's version.
        version: String,
    },
    /// Whose session it is.
    Session(Box<Session>),
    /// There is no such session, or no longer.
    NoSession {
        /// Why.
        why: NoSession,
    },
    /// They may not, and keydove is sure.
    Refused {
        /// The reason code.
        code: String,
    },
    /// keydove could not find out. Nothing was done.
    Unavailable {
        /// The reason code.
        code: String,
    },
    /// The proof of identity is older than [`RECENT`](super::RECENT).
    Stale,
    /// So many sessions have ended.
    Ended {
        /// How many.
        sessions: u64,
    },
    /// There is no such row, or it is somebody else's.
    NotFound,
    /// To [`Request::Sessions`](super::Request::Sessions), the newest first.
    Sessions {
        /// All of them.
        sessions: Vec<SessionRow>,
    },
    /// To [`Request::Device`](super::Request::Device).
    Device(Box<Device>),
    /// To [`Request::AppPasswords`](super::Request::AppPasswords).
    AppPasswords {
        /// The newest first; revoked ones are left out.
        passwords: Vec<OwnAppPassword>,
        /// What may be made.
        limits: Limits,
    },
    /// To [`Request::MakeAppPassword`](super::Request::MakeAppPassword).
    Made(Box<Made>),
    /// What was wanted cannot be.
    Rejected {
        /// `name`, `services`, `days`, `networks`.
        field: String,
        /// What is wrong with it.
        why: Rejection,
    },
    /// App passwords are revoked.
    Revoked {
        /// How many.
        passwords: u64,
        /// After how many seconds every node refuses them.
        holds_within: u64,
    },
    /// To [`Request::SignIns`](super::Request::SignIns).
    SignIns {
        /// The newest first.
        accepted: Vec<MailSignIn>,
        /// The newest first; empty where keydove remembers none.
        refused: Vec<RefusedSignIn>,
    },
    /// To [`Request::Administrate`](super::Request::Administrate).
    Administration {
        /// What is said.
        said: AdminResponse,
    },
    /// Whoever asks is no administrator. Nothing was done.
    Forbidden,
    /// The request is none that this daemon knows.
    Error {
        /// For the log.
        detail: String,
    },
}

/// A person's session in the portal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The mailbox, in normal form.
    pub user: String,
    /// Which Keycloak.
    pub issuer: String,
    /// Keycloak's id of the person.
    pub subject: String,
    /// When they proved who they are.
    pub auth_time: u64,
    /// Whether they are an administrator.
    pub administrator: bool,
    /// When it ends at the latest.
    pub ends: u64,
}

/// Why there is no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoSession {
    /// Nobody knows it, or it was ended.
    Unknown,
    /// Nothing was done for too long.
    Idle,
    /// It has lasted as long as a session may.
    Expired,
    /// The person is disabled or gone.
    Disabled,
}

/// One session of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// Its number.
    pub id: i64,
    /// Whether it is the one that asks.
    pub current: bool,
    /// Since when.
    pub created: u64,
    /// Last used.
    pub used: u64,
    /// From where it began.
    pub remote: Option<String>,
    /// What the browser is.
    pub browser: String,
}

/// What a mail program needs to know beside the servers' names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The user name.
    pub user: String,
    /// The name for outgoing mail, where it is known.
    pub display_name: Option<String>,
    /// The services that are on for the mailbox.
    pub services: Vec<String>,
    /// Whether the mailbox's own password opens it; else only app passwords do.
    pub main_password: bool,
    /// Whether access tokens are taken.
    pub oauth: bool,
}

/// An app password of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnAppPassword {
    /// Its number.
    pub id: i64,
    /// What the person calls it.
    pub name: String,
    /// What it opens.
    pub services: Vec<String>,
    /// From where; none is from anywhere.
    pub networks: Vec<String>,
    /// When it was made.
    pub created: u64,
    /// From where it was made, where that is known.
    pub created_from: Option<String>,
    /// When it ends.
    pub expires: Option<u64>,
    /// When it was used last.
    pub last: Option<LastUse>,
}

/// The last use of an app password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastUse {
    /// When.
    pub at: u64,
    /// From where.
    pub remote: String,
    /// For which service.
    pub service: String,
}

/// What the administrator allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// After how many days a new one ends, unless the person says otherwise.
    pub default_days: Option<u32>,
    /// The longest that one may last; `None` is forever.
    pub longest_days: Option<u32>,
    /// How many a person may have.
    pub most: u32,
}

/// A new app password. It is told this once.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Its number.
    pub id: i64,
    /// The password.
    pub password: SentSecret,
    /// When it ends.
    pub expires: Option<u64>,
}

/// A secret on its way to the person.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SentSecret(Zeroizing<String>);

impl SentSecret {
    /// Takes it over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// For the page that shows it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Shows nothing of it.
impl fmt::Debug for SentSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SentSecret(..)")
    }
}

/// What is wrong with a wanted app password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// There is none.
    Empty,
    /// It is too long.
    TooLong,
    /// Characters that cannot be.
    Malformed,
    /// The administrator does not allow it.
    NotAllowed,
    /// There are too many already.
    TooMany,
    /// Too many were made within the hour.
    TooFast,
}

/// A mail login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailSignIn {
    /// When.
    pub at: u64,
    /// For which service.
    pub service: String,
    /// From where.
    pub remote: String,
    /// With which app password.
    pub app_password: Option<i64>,
    /// Its name, where there still is one.
    pub app_password_name: Option<String>,
}

/// A mail login that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedSignIn {
    /// When.
    pub at: u64,
    /// For which service.
    pub service: String,
    /// From where.
    pub remote: Option<String>,
    /// The reason code.
    pub code: String,
}
