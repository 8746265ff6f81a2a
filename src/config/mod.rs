//! The configuration file: every module's own settings, composed, and the checks between them.
//!
//! Reading has three steps, the same for `serve` and `check`: text → types → cross checks. The first two stop at
//! their first fault, the third reports all. A fault shows file, line, column, the line, a caret and advice.

mod accounts;
mod checks;
mod credentials;
mod features;
mod in_use;
mod listener;
mod load;
mod secrets;
mod tables;
mod unit;

use std::ops::Deref;
use std::path::PathBuf;

use crate::auth::normalise_domain;
use crate::backend::{keycloak, sql};
use crate::frontend::control::InUse;

pub use crate::diagnostics::{Diagnostic, Error};
pub use accounts::{find_group, find_user};
pub use credentials::Credentials;
pub use listener::{ListenerConfig, ListenerProtocol, ListenerRole};
pub use secrets::{SecretError, Secrets};
pub use tables::Tables;
pub use unit::Unit;

/// Everything that the file says, and what it points at.
#[derive(Debug)]
pub struct Config {
    /// Where the file lies.
    pub path: PathBuf,
    /// The file itself; owners of mail are numbers here. Also by the names of its tables: `config.login`.
    pub tables: Tables,
    /// `[keycloak]`, then each `[[keycloak_source]]`, with their addresses. Without the former where its address comes
    /// from mailcow.
    pub keycloaks: Vec<(keycloak::Address, keycloak::Config)>,
    /// `[keycloak]` where its address comes from mailcow: what mailcow has no setting for.
    pub mailcow_keycloak: Option<keycloak::Config>,
    /// All of it and what it points at, to be compared with what the running daemon has.
    pub in_use: InUse,
    /// What the database is asked for; see [`sql::needed`].
    pub database_features: Vec<sql::Feature>,
    /// What the file points at.
    pub secrets: Secrets,
    /// Settings that work but that an administrator should know of.
    pub warnings: Vec<Warning>,
}

/// A configuration is its file, and more.
impl Deref for Config {
    type Target = Tables;

    fn deref(&self) -> &Tables {
        &self.tables
    }
}

/// A setting that works but should not stay as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The setting, for metrics.
    pub setting: String,
    /// Which danger there is.
    pub sentence: String,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// A table of a Keycloak source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeycloakTable {
    /// `[keycloak]`
    Keycloak,
    /// A `[[keycloak_source]]`, from 0.
    Further(usize),
}

impl KeycloakTable {
    /// The way to it.
    fn keys(self) -> Vec<String> {
        match self {
            Self::Keycloak => vec!["keycloak".to_owned()],
            Self::Further(index) => vec!["keycloak_source".to_owned(), index.to_string()],
        }
    }

    /// What mailboxes remember the source by.
    fn name(self, source: &keycloak::Config) -> String {
        let default = || match self {
            Self::Keycloak => String::new(),
            Self::Further(_) => {
                source.domains.first().and_then(|domain| normalise_domain(domain).ok()).unwrap_or_default()
            }
        };
        source.name.clone().unwrap_or_else(default)
    }
}
