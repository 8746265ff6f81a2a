//! The tables of the file: a row each, from which follow the struct that is read, the sections that are checked, and the
//! chapters of `docs/configuration.md`.

use serde::Deserialize;

use super::{KeycloakTable, ListenerConfig};
use crate::backend::{keycloak, kick, mail_hosts, records, redis, sql};
use crate::credential::hashing;
use crate::frontend::operations;
use crate::jobs::{bookkeeping, housekeeping, mailcow, notices, sync};
use crate::login::{decision, passdb, service, throttle, userdb};
use crate::observe::LogConfig;
use crate::settings::Section;
use crate::{frontend, provision, token};

/// Makes the struct and the list of its sections.
macro_rules! tables {
    ($($(#[doc = $meaning:literal])+ $table:literal => $name:ident: $settings:ty,)+) => {
        /// The file as it is written.
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Tables {
            $($(#[doc = $meaning])+ #[serde(default, rename = $table)] pub $name: $settings,)+
        }

        impl Tables {
            /// Every section with the name of its table.
            pub(super) fn sections(&self) -> Vec<(&'static str, &dyn Section)> {
                vec![$(($table, &self.$name)),+]
            }
        }
    };
}

tables! {
    /// The sockets.
    "listener" => listeners: Vec<ListenerConfig>,
    /// The first source of users; without an address where mailcow has it.
    "keycloak" => keycloak: Option<keycloak::Config>,
    /// Further sources of users.
    "keycloak_source" => keycloak_sources: Vec<keycloak::Config>,
    /// Keycloak's settings from mailcow's table.
    "mailcow" => mailcow: mailcow::Config,
    /// The database: `[storage.sqlite]` or `[storage.mariadb]`.
    "storage" => storage: sql::Config,
    /// What several machines with mailboxes have in common.
    "backends" => backends: mail_hosts::Config,
    /// The machines that mailboxes live on.
    "backend" => mail_hosts: Vec<mail_hosts::MailHostConfig>,
    /// Where mail is stored.
    "userdb" => userdb: userdb::Config,
    /// Names, and how long logins and refusals take.
    "login" => login: service::Config,
    /// Mailboxes that keydove creates.
    "provisioning" => provisioning: provision::Config,
    /// App passwords.
    "app_passwords" => app_passwords: passdb::AppPasswordConfig,
    /// Access tokens.
    "oauth" => oauth: Option<token::Config>,
    /// Master users.
    "master_users" => master_users: Option<passdb::MasterUsersConfig>,
    /// mailcow's webmail.
    "sogo" => sogo: decision::SogoConfig,
    /// What keydove remembers.
    "cache" => cache: records::Config,
    /// Protection against guessing.
    "throttle" => throttle: throttle::Config,
    /// Redis or Valkey.
    "redis" => redis: Option<redis::Config>,
    /// The command that ends open sessions.
    "kick" => kick: Option<kick::Config>,
    /// All users of Keycloak, gone through now and then.
    "sync" => sync: sync::Config,
    /// Rows that are no longer needed.
    "housekeeping" => housekeeping: housekeeping::Config,
    /// What keydove writes down after a login.
    "bookkeeping" => bookkeeping: bookkeeping::Config,
    /// The web portal.
    "portal" => portal: frontend::portal::Config,
    /// Mail to users.
    "notices" => notices: notices::Config,
    /// The threads that verify passwords.
    "hashing" => hashing: hashing::Config,
    /// The log.
    "log" => log: LogConfig,
    /// Metrics and probes.
    "http" => http: operations::Config,
    /// mailcow's login over HTTP.
    "http_login" => http_login: frontend::http_login::Config,
}

impl Tables {
    /// Every Keycloak source with the way to its table.
    pub(super) fn keycloaks(&self) -> impl Iterator<Item = (KeycloakTable, &keycloak::Config)> {
        let first = self.keycloak.iter().map(|source| (KeycloakTable::Keycloak, source));
        let more = self.keycloak_sources.iter().enumerate();
        first.chain(more.map(|(index, source)| (KeycloakTable::Further(index), source)))
    }

    /// The same without the one whose address and secret come from mailcow.
    pub(super) fn own_keycloaks(&self) -> impl Iterator<Item = (KeycloakTable, &keycloak::Config)> {
        let takes_mailcows = self.mailcow.identity_provider;
        self.keycloaks().filter(move |(place, _)| !takes_mailcows || *place != KeycloakTable::Keycloak)
    }
}
