//! The configuration file: every module's own settings, composed, and the checks between them.
//!
//! Reading has three steps, the same for `serve` and `check`: text → types → cross checks. The first two stop at
//! their first fault, the third reports all. A fault shows file, line, column, the line, a caret and advice.

mod accounts;
mod checks;
mod credentials;
mod diagnostic;
mod features;
mod in_use;
mod listener;
mod load;
mod secrets;
mod unit;

use std::path::PathBuf;

use serde::Deserialize;

use crate::auth::normalise_domain;
use crate::backend::{keycloak, kick, records, redis, sql};
use crate::credential::{hashing, token};
use crate::frontend::operations;
use crate::jobs::{bookkeeping, housekeeping, mailcow, sync};
use crate::login::{decision, passdb, service, throttle, userdb};
use crate::observe::LogConfig;
use crate::{frontend, provision};

pub use accounts::{find_group, find_user};
pub use credentials::Credentials;
pub use diagnostic::Diagnostic;
pub use listener::{Door, ListenerConfig, Role};
pub use secrets::{SecretError, Secrets};
pub use unit::Unit;

/// Everything that the file says, with the secrets it points at.
#[derive(Debug)]
pub struct Config {
    /// `[[listener]]`: the sockets.
    pub listeners: Vec<ListenerConfig>,
    /// `[keycloak]`, then each `[[keycloak_source]]`, with their addresses. Without the former where its address comes
    /// from mailcow.
    pub keycloaks: Vec<(keycloak::Address, keycloak::Config)>,
    /// `[keycloak]` where its address comes from mailcow: what mailcow has no setting for.
    pub mailcow_keycloak: Option<keycloak::Config>,
    /// `[mailcow]`
    pub mailcow: mailcow::Config,
    /// `[storage.sqlite]` or `[storage.mariadb]`
    pub storage: sql::Config,
    /// `[redis]`
    pub redis: Option<redis::Config>,
    /// `[userdb]`
    pub userdb: userdb::Config,
    /// `[provisioning]`
    pub provisioning: provision::Config,
    /// `[cache]`
    pub cache: records::Config,
    /// `[app_passwords]`
    pub app_passwords: passdb::AppPasswordConfig,
    /// `[oauth]`
    pub oauth: Option<token::Config>,
    /// `[master_users]`
    pub master_users: Option<passdb::MasterUsersConfig>,
    /// `[sogo]`
    pub sogo: decision::SogoConfig,
    /// `[bookkeeping]`
    pub bookkeeping: bookkeeping::Config,
    /// `[login]`
    pub login: service::Config,
    /// `[hashing]`
    pub hashing: hashing::Config,
    /// `[log]`
    pub log: LogConfig,
    /// `[throttle]`
    pub throttle: throttle::Config,
    /// `[http]`
    pub http: operations::Config,
    /// `[sync]`
    pub sync: sync::Config,
    /// `[kick]`
    pub kick: Option<kick::Config>,
    /// `[housekeeping]`
    pub housekeeping: housekeeping::Config,
    /// `[http_login]`
    pub http_login: frontend::http_login::Config,
    /// All of it and what it points at, to be compared with what the running daemon has.
    pub in_use: frontend::control::InUse,
    /// What the database is asked for; see [`sql::needed`].
    pub database_features: Vec<sql::Feature>,
    /// What the file points at.
    pub secrets: Secrets,
    /// Settings that work but that an administrator should know of.
    pub warnings: Vec<Warning>,
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

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "listener")]
    listeners: Vec<ListenerConfig>,
    keycloak: Option<keycloak::Config>,
    #[serde(default)]
    mailcow: mailcow::Config,
    #[serde(default, rename = "keycloak_source")]
    more_keycloaks: Vec<keycloak::Config>,
    #[serde(default)]
    storage: sql::Config,
    redis: Option<redis::Config>,
    #[serde(default)]
    userdb: userdb::Config,
    #[serde(default)]
    provisioning: provision::Config,
    #[serde(default)]
    cache: records::Config,
    #[serde(default)]
    app_passwords: passdb::AppPasswordConfig,
    oauth: Option<token::Config>,
    master_users: Option<passdb::MasterUsersConfig>,
    #[serde(default)]
    sogo: decision::SogoConfig,
    #[serde(default)]
    bookkeeping: bookkeeping::Config,
    #[serde(default)]
    login: service::Config,
    #[serde(default)]
    hashing: hashing::Config,
    #[serde(default)]
    log: LogConfig,
    #[serde(default)]
    throttle: throttle::Config,
    #[serde(default)]
    http: operations::Config,
    #[serde(default)]
    sync: sync::Config,
    kick: Option<kick::Config>,
    #[serde(default)]
    housekeeping: housekeeping::Config,
    #[serde(default)]
    http_login: frontend::http_login::Config,
}

impl File {
    /// Every Keycloak source with the way to its table.
    fn keycloaks(&self) -> impl Iterator<Item = (Place, &keycloak::Config)> {
        let first = self.keycloak.iter().map(|source| (Place::Keycloak, source));
        let more = self.more_keycloaks.iter().enumerate();
        first.chain(more.map(|(index, source)| (Place::Further(index), source)))
    }

    /// The same without those whose address and secret come from mailcow.
    fn own_keycloaks(&self) -> impl Iterator<Item = (Place, &keycloak::Config)> {
        let takes_mailcows = self.mailcow.identity_provider;
        self.keycloaks().filter(move |(place, _)| !takes_mailcows || *place != Place::Keycloak)
    }
}

/// A table of a Keycloak source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// `[keycloak]`
    Keycloak,
    /// A `[[keycloak_source]]`, from 0.
    Further(usize),
}

impl Place {
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

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// Anybody may write the file, and with it choose whom keydove trusts.
    #[error("the configuration {path} may be written by everybody; run: chmod o-w {path}")]
    WritableByAll {
        /// The file.
        path: PathBuf,
    },
    /// The file is larger than any configuration.
    #[error("the configuration {path} is larger than 1 MiB")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is wrong, in these places.
    #[error("{}", show_all(.0))]
    Faults(Vec<Diagnostic>),
}

fn show_all(faults: &[Diagnostic]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
