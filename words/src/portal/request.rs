//! What the portal asks.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::SessionKey;
use super::admin::AdminRequest;

/// What may be asked.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// The first one: which version asks? → [`Response::Hello`](super::Response::Hello)
    Hello {
        /// The portal's.
        version: String,
    },
    /// Somebody has proven who they are. Makes or updates the mailbox and begins a session. → [`Response::Session`](super::Response::Session),
    /// [`Response::Refused`](super::Response::Refused)
    SignIn(Box<SignIn>),
    /// Who is that? → [`Response::Session`](super::Response::Session), [`Response::NoSession`](super::Response::NoSession)
    Session {
        /// Whose.
        session: SessionKey,
    },
    /// End a session. → [`Response::Ended`](super::Response::Ended)
    EndSession {
        /// Which.
        session: SessionKey,
    },
    /// End another one of the same person. → [`Response::Ended`](super::Response::Ended)
    EndOther {
        /// Whose.
        session: SessionKey,
        /// Its number in the list.
        id: i64,
    },
    /// End all sessions of the person. → [`Response::Ended`](super::Response::Ended)
    EndAll {
        /// Whose.
        session: SessionKey,
    },
    /// Keycloak says that somebody has signed out. → [`Response::Ended`](super::Response::Ended)
    BackChannel {
        /// Which Keycloak.
        issuer: String,
        /// All sessions of this person.
        subject: Option<String>,
        /// Without a person: those of this session of Keycloak's.
        sid: Option<String>,
    },
    /// The person's sessions. → [`Response::Sessions`](super::Response::Sessions)
    Sessions {
        /// Whose.
        session: SessionKey,
    },
    /// What a mail program needs. → [`Response::Device`](super::Response::Device)
    Device {
        /// Whose.
        session: SessionKey,
    },
    /// → [`Response::AppPasswords`](super::Response::AppPasswords)
    AppPasswords {
        /// Whose.
        session: SessionKey,
    },
    /// → [`Response::Made`](super::Response::Made), [`Response::Rejected`](super::Response::Rejected), [`Response::Stale`](super::Response::Stale)
    MakeAppPassword {
        /// Whose.
        session: SessionKey,
        /// What is wanted.
        new: WantedAppPassword,
        /// The browser's address.
        remote: Option<IpAddr>,
    },
    /// → [`Response::Revoked`](super::Response::Revoked)
    RevokeAppPassword {
        /// Whose.
        session: SessionKey,
        /// Which.
        id: i64,
        /// The browser's address.
        remote: Option<IpAddr>,
    },
    /// → [`Response::Revoked`](super::Response::Revoked)
    RevokeAllAppPasswords {
        /// Whose.
        session: SessionKey,
        /// The browser's address.
        remote: Option<IpAddr>,
    },
    /// → [`Response::SignIns`](super::Response::SignIns)
    SignIns {
        /// Whose.
        session: SessionKey,
    },
    /// What only administrators may ask. → [`Response::Administration`](super::Response::Administration),
    /// [`Response::Forbidden`](super::Response::Forbidden), for changes [`Response::Stale`](super::Response::Stale)
    Administrate {
        /// The administrator's.
        session: SessionKey,
        /// What is asked.
        what: AdminRequest,
        /// The browser's address.
        remote: Option<IpAddr>,
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
