//! A person: why they can or cannot log in, and what an administrator changes about it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Audited, Effect};
use crate::portal::{MailSignIn, OwnAppPassword, RefusedSignIn, SessionRow};

/// What may be asked. A person is named by their address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PeopleRequest {
    /// All that is known of them. → [`PersonCard`]
    Show {
        /// Whose address.
        user: String,
    },
    /// How a login would end now, and why. → [`ExplainedLogin`]
    Explain {
        /// The name that they log in with.
        user: String,
        /// For which service.
        service: String,
        /// From where, where that matters.
        remote: Option<IpAddr>,
    },
    /// Changes something about them. → [`Done`](super::Done)
    Change {
        /// About whom.
        user: String,
        /// What.
        change: PersonChange,
    },
}

/// What may be changed about a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PersonChange {
    /// Revokes the app password of this number.
    RevokeAppPassword(i64),
    /// Revokes all of their app passwords.
    RevokeAllAppPasswords,
    /// Says who verifies the main password. The password in the row is kept.
    SetSource(PasswordSource),
    /// Switches the mailbox on or off.
    SetState(MailState),
    /// Says which services are on: `imap`, `pop3`, `smtp`, `sieve`, `dav`, `eas`. The others are switched off.
    SetServices(Vec<String>),
    /// Forgets what the daemon remembers of them, so that their next login asks Keycloak and the database.
    Forget,
    /// Ends their sessions of the portal.
    EndSessions,
}

/// Who verifies the main password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasswordSource {
    /// Keycloak.
    Keycloak,
    /// The row of the mailbox itself.
    Mailcow,
}

/// Whether a mailbox may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailState {
    /// Logins and mail.
    On,
    /// Neither.
    Off,
    /// It receives mail, and nobody logs in.
    ReceiveOnly,
}

impl PasswordSource {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Keycloak, Self::Mailcow];

    /// As in the column `authsource`, on the command line and in forms.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Keycloak => "keycloak",
            Self::Mailcow => "mailcow",
        }
    }
}

impl MailState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::On, Self::Off, Self::ReceiveOnly];

    /// As on the command line and in forms.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::ReceiveOnly => "receive-only",
        }
    }
}

impl PeopleRequest {
    /// What it does.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            Self::Show { .. } | Self::Explain { .. } => Effect::Reads,
            Self::Change { user, change } => {
                let (action, value) = change.note();
                Effect::Changes(Audited { action, row: user.clone(), value })
            }
        }
    }

    /// One of each kind.
    #[must_use]
    pub fn examples() -> Vec<Self> {
        let user = || "alice@example.org".to_owned();
        let changes = PersonChange::examples().into_iter();
        let reads = [
            Self::Show { user: user() },
            Self::Explain { user: user(), service: "imap".to_owned(), remote: None },
        ];
        reads.into_iter().chain(changes.map(|change| Self::Change { user: user(), change })).collect()
    }
}

impl PersonChange {
    /// What is noted of it: the action, and what is set.
    #[must_use]
    pub fn note(&self) -> (&'static str, String) {
        match self {
            Self::RevokeAppPassword(id) => ("revoke_app_password", id.to_string()),
            Self::RevokeAllAppPasswords => ("revoke_all_app_passwords", String::new()),
            Self::SetSource(source) => ("set_source", source.name().to_owned()),
            Self::SetState(state) => ("set_state", state.name().to_owned()),
            Self::SetServices(on) => ("set_services", on.join(",")),
            Self::Forget => ("forget", String::new()),
            Self::EndSessions => ("end_sessions", String::new()),
        }
    }

    /// One of each kind.
    #[must_use]
    pub fn examples() -> Vec<Self> {
        vec![
            Self::RevokeAppPassword(1),
            Self::RevokeAllAppPasswords,
            Self::SetSource(PasswordSource::Mailcow),
            Self::SetState(MailState::Off),
            Self::SetServices(vec!["imap".to_owned()]),
            Self::Forget,
            Self::EndSessions,
        ]
    }
}

/// What is known of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonCard {
    /// The address, in normal form.
    pub user: String,
    /// The mailbox, if there is one.
    pub mailbox: Option<MailboxCard>,
    /// Whose it was when keydove saw it last.
    pub owner: Option<OwnerCard>,
    /// App passwords that are on, the newest first.
    pub app_passwords: Vec<OwnAppPassword>,
    /// The last logins, the newest first.
    pub accepted: Vec<MailSignIn>,
    /// The last attempts that were not accepted, the newest first, as far as this daemon remembers them.
    pub refused: Vec<RefusedSignIn>,
    /// Sessions of the portal.
    pub sessions: Vec<SessionRow>,
}

/// A mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxCard {
    /// The name beside the address; may be empty.
    pub name: String,
    /// Whether it may be used.
    pub state: MailState,
    /// Who verifies the main password: `keycloak`, `mailcow`, `ldap`, `generic-oidc`; empty for nobody.
    pub source: String,
    /// In bytes; 0 is unlimited.
    pub quota: u64,
    /// In bytes.
    pub used: u64,
    /// The services that are on.
    pub services: Vec<String>,
}

/// Somebody in Keycloak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerCard {
    /// Their id there.
    pub keycloak_id: String,
    /// Which Keycloak; empty where there is only one.
    pub source: String,
}

/// How a login would end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedLogin {
    /// The name in normal form; as given where it has none.
    pub user: String,
    /// For which service.
    pub service: String,
    /// What was looked at, in order.
    pub steps: Vec<ExplainedStep>,
    /// `accept` (with the right password), `refuse` or `cannot_tell`.
    pub verdict: String,
    /// The reason code; for `accept` which password opens the mailbox.
    pub reason: String,
    /// For `cannot_tell`: what went wrong.
    pub detail: Option<String>,
    /// What to do about it, in English; empty where there is nothing to do.
    pub cure: String,
}

/// One step of an explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedStep {
    /// What was looked at.
    pub step: String,
    /// How it ended.
    pub end: ExplainedEnd,
    /// Where the answer came from.
    pub from: Option<String>,
    /// What was seen there.
    pub saw: String,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExplainedEnd {
    /// The login goes on.
    Passed,
    /// One way is closed; another may be open.
    Closed,
    /// The login ends here.
    Stopped,
}
