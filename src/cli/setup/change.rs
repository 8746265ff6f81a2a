//! What setup changes, as values: a place, what is there, and what is to be there.
//!
//! Every kind of place is read, written, shown and taken back in the same way. So an undo is the change the other way
//! round, and needs to know no more than the journal says.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::diff::unified;

/// A part of the set-up. They are changed in this order, and taken back in the other one: whoever answers logins is
/// there before the mail servers ask it, and stays until they no longer do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    /// The client, its roles, the user profile, the events.
    Keycloak,
    /// The database and its user, on MariaDB.
    Database,
    /// mailcow's nginx, where keydove asks in shadow mode.
    Nginx,
    /// The configuration, the secret, the service.
    Keydove,
    /// Whom Postfix asks about logins. A Dovecot that is reloaded fails those in its hands for good, as Postfix sees it; so
    /// keydove has them before that, and until Dovecot is back.
    Submission,
    /// Dovecot's configuration.
    Dovecot,
    /// Whom else Postfix asks. Dovecot must know a mailbox before Postfix takes mail for it.
    Postfix,
    /// Whom mailcow's Dovecot asks.
    Containers,
    /// The web portal's own service.
    Portal,
}

impl Phase {
    /// What messages call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Keycloak => "Keycloak",
            Self::Database => "MariaDB",
            Self::Nginx => "mailcow's nginx",
            Self::Keydove => "keydove",
            Self::Submission => "Postfix's logins",
            Self::Dovecot => "Dovecot",
            Self::Postfix => "Postfix",
            Self::Containers => "mailcow's Dovecot",
            Self::Portal => "the web portal",
        }
    }
}

/// Something that has one state at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    /// A file of text.
    File(PathBuf),
    /// A folder; what is in it is not part of it.
    Folder(PathBuf),
    /// A file whose owner and mode a container changes: its text alone counts.
    Script(PathBuf),
    /// A copy that is made again whenever its original changes: whether it is there counts.
    Copy {
        /// The original.
        from: PathBuf,
        /// The copy.
        to: PathBuf,
        /// Who may read the copy.
        access: Access,
    },
    /// Keycloak's client of this id: the settings that make it a service account.
    Client(String),
    /// Whether the client's service account has this role of `realm-management`.
    Role {
        /// The client's id.
        client: String,
        /// The role.
        role: String,
    },
    /// Keycloak's client of this id: the settings by which people sign in at the web portal.
    SignInClient(String),
    /// Whether a client scope is among the default ones of the client.
    ClientScope {
        /// The client's id.
        client: String,
        /// The scope.
        scope: String,
    },
    /// A role of the client.
    ClientRole {
        /// The client's id.
        client: String,
        /// The role.
        role: String,
    },
    /// A role of the realm.
    RealmRole(String),
    /// Whether the client's role contains a role of the realm.
    RoleInside {
        /// The client's id.
        client: String,
        /// The client's role.
        role: String,
        /// The realm's.
        realm_role: String,
    },
    /// The mapper that puts the client's roles into ID tokens.
    RoleMapper(String),
    /// Whether a user has the role of the client.
    PersonsRole {
        /// The client's id.
        client: String,
        /// The role.
        role: String,
        /// The user's address.
        person: String,
    },
    /// The user profile that the realm stores; Keycloak's default one is not stored.
    StoredProfile,
    /// An attribute of the realm's user profile.
    Attribute(String),
    /// Who may edit an attribute that the realm had before.
    AttributeEditors(String),
    /// The realm's settings of events.
    Events,
    /// A database on MariaDB, with its tables.
    Database(String),
    /// A database user, as `GRANT` names it, and its rights.
    DatabaseUser(String),
    /// Whether a unit of systemd is enabled and running.
    Unit(String),
    /// Whether keydove runs, on a machine without systemd.
    Program {
        /// The command that starts it.
        start: String,
        /// The command that stops it.
        stop: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) | Self::Script(path) | Self::Copy { to: path, .. } => {
                write!(f, "{}", path.display())
            }
            Self::Folder(path) => write!(f, "{}/", path.display()),
            Self::Client(id) | Self::SignInClient(id) => write!(f, "Keycloak: client {id}"),
            Self::ClientScope { client: id, scope } => {
                write!(f, "Keycloak: scope {scope} of the client {id}")
            }
            Self::ClientRole { client: id, role } => write!(f, "Keycloak: role {role} of the client {id}"),
            Self::RealmRole(role) => write!(f, "Keycloak: role {role} of the realm"),
            Self::RoleInside { client: id, role, realm_role } => {
                write!(
                    f,
                    "Keycloak: role {realm_role} of the realm inside of the role {role} of the client {id}"
                )
            }
            Self::RoleMapper(id) => write!(f, "Keycloak: mapper for roles of the client {id}"),
            Self::PersonsRole { role, person, .. } => write!(f, "Keycloak: role {role} of {person}"),
            Self::Role { client: id, role } => write!(f, "Keycloak: role {role} of {id}'s service account"),
            Self::StoredProfile => f.write_str("Keycloak: the realm's own user profile"),
            Self::Attribute(name) => write!(f, "Keycloak: attribute {name} of the user profile"),
            Self::AttributeEditors(name) => write!(f, "Keycloak: who may edit the attribute {name}"),
            Self::Events => f.write_str("Keycloak: events of the realm"),
            Self::Database(name) => write!(f, "MariaDB: database {name}"),
            Self::DatabaseUser(account) => write!(f, "MariaDB: user {account} and its rights"),
            Self::Unit(name) => write!(f, "systemd: {name}"),
            Self::Program { start, .. } => write!(f, "keydove, by `{start}`"),
        }
    }
}

/// What is at a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Nothing.
    Absent,
    /// A file.
    File {
        /// All of it.
        text: String,
        /// Who may read it.
        access: Access,
    },
    /// A folder.
    Folder(Access),
    /// An object, or a part of one.
    Json(Value),
    /// A unit that is enabled and runs, or a program that runs.
    Running(bool),
}

/// Permission bits and owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Access {
    /// Permission bits.
    pub(super) mode: u32,
    /// The owner's number.
    pub(super) uid: u32,
    /// The group's number.
    pub(super) gid: u32,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mode {:04o}, owner {}:{}", self.mode, self.uid, self.gid)
    }
}

impl State {
    /// A digest that two states share only if they are the same. The journal keeps it of what setup wrote.
    pub(super) fn mark(&self) -> String {
        // Keys of JSON objects are sorted, so equal objects have equal texts.
        let text = serde_json::to_vec(self).unwrap_or_default();
        Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn lines(&self) -> String {
        match self {
            Self::Absent => String::new(),
            Self::File { text, .. } => text.clone(),
            Self::Folder(access) => format!("a folder, {access}\n"),
            Self::Json(value) => format!("{value:#}\n"),
            Self::Running(true) => "started, and enabled for each boot\n".to_owned(),
            Self::Running(false) => "not started\n".to_owned(),
        }
    }

    fn access(&self) -> Option<Access> {
        match self {
            Self::File { access, .. } => Some(*access),
            _ => None,
        }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// The part of the set-up that it belongs to.
    pub(super) phase: Phase,
    /// The file, unit, database or object of Keycloak that it changes.
    pub(super) place: Place,
    /// What is there.
    pub(super) before: State,
    /// What is to be there.
    pub(super) after: Target,
}

/// What is to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A state that is known before the change is made.
    State(State),
    /// A file with the client's secret, which Keycloak tells once the client is there.
    ClientSecret(Access),
    /// A file with a secret that is known now and never shown.
    Secret(State),
}

impl Change {
    /// `None` where nothing would change.
    pub(super) fn new(phase: Phase, place: Place, before: State, after: State) -> Option<Self> {
        let after = Target::State(after);
        (Target::State(before.clone()) != after).then_some(Self { phase, place, before, after })
    }

    /// What is shown before it is made.
    pub(super) fn show(&self) -> String {
        show(&self.place, &self.before, &self.after)
    }
}

/// A change as a person reads it.
pub(super) fn show(place: &Place, before: &State, after: &Target) -> String {
    let title = |state: &State, sign: &str| match state {
        State::Absent => format!("{sign} /dev/null"),
        _ => format!("{sign} {place}"),
    };
    let (after, hidden) = match after {
        Target::State(state) => (state.clone(), false),
        Target::Secret(state) => (state.clone(), true),
        Target::ClientSecret(access) => (State::File { text: String::new(), access: *access }, true),
    };
    let mut text = format!("{}\n{}\n", title(before, "---"), title(&after, "+++"));
    if *place == Place::StoredProfile {
        text.push_str("+(Keycloak's default one, with the changes below)\n");
    } else if hidden {
        text.push_str("+(a secret, which is not shown)\n");
    } else {
        text.push_str(&unified(&before.lines(), &after.lines()));
    }
    match (before.access(), after.access()) {
        (Some(old), Some(new)) if old != new => text.push_str(&format!("({old} becomes {new})\n")),
        (None, Some(new)) => text.push_str(&format!("({new})\n")),
        _ => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCESS: Access = Access { mode: 0o600, uid: 0, gid: 0 };

    #[test]
    fn what_is_as_it_should_be_is_no_change() {
        let state = || State::File { text: "a\n".to_owned(), access: ACCESS };
        let place = || Place::File("/etc/x".into());
        assert_eq!(Change::new(Phase::Keydove, place(), state(), state()), None);
        let other = State::File { text: "a\n".to_owned(), access: Access { mode: 0o644, ..ACCESS } };
        assert!(Change::new(Phase::Keydove, place(), state(), other).is_some(), "a mode is a part of a file");
    }

    #[test]
    fn a_mark_tells_states_apart() {
        let file =
            |text: &str, mode| State::File { text: text.to_owned(), access: Access { mode, ..ACCESS } };
        let states = [
            State::Absent,
            State::Running(true),
            State::Running(false),
            State::Json(serde_json::json!({ "a": 1 })),
            State::Json(Value::Null),
            file("", 0o600),
            file("a", 0o600),
            file("a", 0o644),
            State::Folder(ACCESS),
        ];
        let marks: std::collections::BTreeSet<String> = states.iter().map(State::mark).collect();
        assert_eq!(marks.len(), states.len());
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = State::File { text: "hunter2".to_owned(), access: ACCESS };
        let place = Place::File("/etc/keydove/secret".into());
        let text = show(&place, &State::Absent, &Target::Secret(secret.clone()));
        assert!(!text.contains("hunter2") && text.contains("0600"), "{text}");
        let text = show(&place, &secret, &Target::ClientSecret(ACCESS));
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_new_file_and_a_changed_one_are_shown_as_differences() {
        let file = |text: &str| State::File { text: text.to_owned(), access: ACCESS };
        let place = Place::File("/etc/x".into());
        let new = show(&place, &State::Absent, &Target::State(file("a\n")));
        assert_eq!(new, "--- /dev/null\n+++ /etc/x\n@@ -0,0 +1,1 @@\n+a\n(mode 0600, owner 0:0)\n");
        let changed = show(&place, &file("a\n"), &Target::State(file("b\n")));
        assert_eq!(changed, "--- /etc/x\n+++ /etc/x\n@@ -1,1 +1,1 @@\n-a\n+b\n");
    }
}
