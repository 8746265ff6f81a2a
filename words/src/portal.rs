//! What the portal and the daemon say to each other on a socket `door = "portal"`: one JSON request a line, one JSON
//! answer a line. The first request of a connection is [`Request::Hello`].
//!
//! Times are seconds since 1970. A person is never named by the portal: requests carry the session, and the daemon knows
//! whose it is.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Both programs are of this version, or do not talk to each other.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Longest request in bytes, with its line end.
pub const MAX_REQUEST: usize = 16_384;
/// Longest answer in bytes, with its line end.
pub const MAX_ANSWER: usize = 1 << 20;
/// How old a proof of identity may be where a secret is shown, in seconds.
pub const RECENT: u64 = 300;

/// The SHA-256 of a session cookie's value, in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionKey(pub String);

/// What may be asked.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// The first one: which version asks? → [`Response::Hello`]
    Hello {
        /// The portal's.
        version: String,
    },
    /// Somebody has proven who they are. Makes or updates the mailbox and begins a session. → [`Response::Session`],
    /// [`Response::Refused`]
    SignIn(Box<SignIn>),
    /// Who is that? → [`Response::Session`], [`Response::NoSession`]
    Session {
        /// Whose.
        session: SessionKey,
    },
    /// End a session. → [`Response::Ended`]
    EndSession {
        /// Which.
        session: SessionKey,
    },
    /// End another one of the same person. → [`Response::Ended`]
    EndOther {
        /// Whose.
        session: SessionKey,
        /// Its number in the list.
        id: i64,
    },
    /// End all sessions of the person. → [`Response::Ended`]
    EndAll {
        /// Whose.
        session: SessionKey,
    },
    /// Keycloak says that somebody has signed out. → [`Response::Ended`]
    BackChannel {
        /// Which Keycloak.
        issuer: String,
        /// All sessions of this person.
        subject: Option<String>,
        /// Without a person: those of this session of Keycloak's.
        sid: Option<String>,
    },
    /// The person's sessions. → [`Response::Sessions`]
    Sessions {
        /// Whose.
        session: SessionKey,
    },
    /// What a mail program needs. → [`Response::Device`]
    Device {
        /// Whose.
        session: SessionKey,
    },
    /// → [`Response::AppPasswords`]
    AppPasswords {
        /// Whose.
        session: SessionKey,
    },
    /// → [`Response::Made`], [`Response::Rejected`], [`Response::Stale`]
    MakeAppPassword {
        /// Whose.
        session: SessionKey,
        /// What is wanted.
        new: WantedAppPassword,
        /// The browser's address.
        remote: Option<IpAddr>,
    },
    /// → [`Response::Revoked`]
    RevokeAppPassword {
        /// Whose.
        session: SessionKey,
        /// Which.
        id: i64,
        /// The browser's address.
        remote: Option<IpAddr>,
    },
    /// → [`Response::Revoked`]
    RevokeAllAppPasswords {
        /// Whose.
        session: SessionKey,
        /// The browser's address.
        remote: Option<IpAddr>,
    },
    /// → [`Response::SignIns`]
    SignIns {
        /// Whose.
        session: SessionKey,
    },
}

/// What an ID token says, and from where it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// Which Keycloak.
    pub issuer: String,
    /// Keycloak's id of the person.
    pub subject: String,
    /// Their address, as the token has it.
    pub email: String,
    /// Whether they have shown that it is theirs.
    pub email_verified: Option<bool>,
    /// The session that begins.
    pub session: SessionKey,
    /// The one of the same browser that ends with it.
    pub replaces: Option<SessionKey>,
    /// Keycloak's session.
    pub sid: Option<String>,
    /// When they proved who they are.
    pub auth_time: u64,
    /// How.
    pub acr: Option<String>,
    /// Whether the token has the administrators' role.
    pub administrator: bool,
    /// The browser's address.
    pub remote: Option<IpAddr>,
    /// What the browser is, such as `Firefox, Linux`; at most 60 characters.
    pub browser: String,
}

/// An app password that is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedAppPassword {
    /// What the person calls it.
    pub name: String,
    /// `imap`, `pop3`, `smtp`, `sieve`, `dav`, `eas`.
    pub services: Vec<String>,
    /// In how many days it ends; `None` is never.
    pub days: Option<u32>,
    /// From where it may be used; none is from anywhere.
    pub networks: Vec<String>,
}

/// What is answered.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Response {
    /// To [`Request::Hello`].
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
    /// The proof of identity is older than [`RECENT`].
    Stale,
    /// So many sessions have ended.
    Ended {
        /// How many.
        sessions: u64,
    },
    /// There is no such row, or it is somebody else's.
    NotFound,
    /// To [`Request::Sessions`], the newest first.
    Sessions {
        /// All of them.
        sessions: Vec<SessionRow>,
    },
    /// To [`Request::Device`].
    Device(Box<Device>),
    /// To [`Request::AppPasswords`].
    AppPasswords {
        /// The newest first; revoked ones are left out.
        passwords: Vec<OwnAppPassword>,
        /// What may be made.
        limits: Limits,
    },
    /// To [`Request::MakeAppPassword`].
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
    /// To [`Request::SignIns`].
    SignIns {
        /// The newest first.
        accepted: Vec<MailSignIn>,
        /// The newest first; empty where keydove remembers none.
        refused: Vec<RefusedSignIn>,
    },
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
