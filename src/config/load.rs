//! Reading the file: text → types → checks → secrets.

use std::path::Path;

use super::checks::{find_faults, find_warnings};
use super::credentials::Credentials;
use super::secrets::Reading;
use super::{Config, Error, KeycloakTable, ListenerConfig, Tables, features, find_group, find_user, in_use};
use crate::auth::Secret;
use crate::backend::sql::Feature;
use crate::backend::{keycloak, redis, sql};
use crate::diagnostics;
use crate::login::userdb;

/// Where every setting is listed.
const PAGE: &str = "docs/configuration.md";

impl Config {
    /// Reads and checks the configuration for a command that says what the database user needs: no secret is read.
    /// Where mailcow's settings say whether first logins make mailboxes, they are taken to do so.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_features(path: &Path) -> Result<(sql::Config, Vec<Feature>), Error> {
        let file = read_file(path)?;
        let features = features::of(&file);
        Ok((file.storage, features))
    }

    /// The features of a configuration that is not written yet; `path` is for messages only.
    ///
    /// # Errors
    /// [`Error::Faults`]
    pub fn parse_features(path: &Path, text: &str) -> Result<Vec<Feature>, Error> {
        parse_file(path, text).map(|file| features::of(&file))
    }

    /// Reads and checks the configuration, and the secrets it points at.
    ///
    /// # Errors
    /// See [`Error`]; its text is ready to be shown.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Self::load_with(path, &Credentials::find(path))
    }

    /// The same with credentials that were read before.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(path: &Path, credentials: &Credentials) -> Result<Self, Error> {
        let text = diagnostics::read(path)?;
        Self::parse_with(path, &text, credentials)
    }

    /// Reads and checks the configuration for a command that needs nothing but the database: Keycloak's secrets are
    /// not read.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_storage(path: &Path) -> Result<(sql::Config, Option<Secret>), Error> {
        let text = diagnostics::read(path)?;
        let file = diagnostics::parse(path, &text, PAGE)?;
        let credentials = Credentials::find(path);
        let mut reading = Reading::new(&credentials, find_faults(&file));
        let secrets = reading.read(&file, |table| table == "storage");
        match reading.faults {
            faults if faults.is_empty() => Ok((file.storage, secrets.database_password)),
            faults => Err(diagnostics::locate(path, &text, faults)),
        }
    }

    /// Reads and checks the configuration for a command that needs nothing that it points at: no secret is read.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_tables(path: &Path) -> Result<Tables, Error> {
        read_file(path)
    }

    /// Redis and its passwords, for a command that can do without: `None` where there is none or something is wrong.
    #[must_use]
    pub fn load_redis(path: &Path) -> Option<(redis::Config, redis::Passwords)> {
        let file = read_file(path).ok()?;
        let credentials = Credentials::find(path);
        let mut reading = Reading::new(&credentials, Vec::new());
        let secrets = reading.read(&file, |table| table == "redis");
        reading.faults.is_empty().then_some(())?;
        file.redis.map(|redis| (redis, secrets.redis))
    }

    /// Reads and checks the configuration for a command that needs nothing but the sockets: no secret is read.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_listeners(path: &Path) -> Result<Vec<ListenerConfig>, Error> {
        read_file(path).map(|file| file.listeners)
    }

    /// The same from text; `path` is for messages only.
    ///
    /// # Errors
    /// [`Error::Faults`]
    pub fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        Self::parse_with(path, text, &Credentials::own())
    }

    fn parse_with(path: &Path, text: &str, credentials: &Credentials) -> Result<Self, Error> {
        let mut tables = diagnostics::parse(path, text, PAGE)?;
        let mut reading = Reading::new(credentials, find_faults(&tables));
        let secrets = reading.read(&tables, |_| true);
        if !reading.faults.is_empty() {
            return Err(diagnostics::locate(path, text, reading.faults));
        }
        tables.userdb = with_numbers(tables.userdb);
        let keycloaks = tables.own_keycloaks().filter_map(|(place, source)| complete(place, source));
        let of_mailcow = || tables.keycloak.clone().unwrap_or_default();
        Ok(Self {
            path: path.to_owned(),
            keycloaks: keycloaks.collect(),
            mailcow_keycloak: tables.mailcow.identity_provider.then(of_mailcow),
            in_use: in_use::of(text, &tables, &reading.named),
            database_features: features::of(&tables),
            warnings: find_warnings(&tables),
            secrets,
            tables,
        })
    }
}

/// The file as it is written, checked; no secret is read.
fn read_file(path: &Path) -> Result<Tables, Error> {
    parse_file(path, &diagnostics::read(path)?)
}

/// The same from text; `path` is for messages only.
fn parse_file(path: &Path, text: &str) -> Result<Tables, Error> {
    let file = diagnostics::parse(path, text, PAGE)?;
    match find_faults(&file) {
        faults if faults.is_empty() => Ok(file),
        faults => Err(diagnostics::locate(path, text, faults)),
    }
}

/// A source with its address, which the checks have found, and its name.
fn complete(
    place: KeycloakTable,
    source: &keycloak::Config,
) -> Option<(keycloak::Address, keycloak::Config)> {
    let name = Some(place.name(source));
    Some((source.address()?, keycloak::Config { name, ..source.clone() }))
}

/// Dovecot's mail processes take numbers from an auth server, no names.
fn with_numbers(userdb: userdb::Config) -> userdb::Config {
    let number = |name: Option<String>, find: fn(&str) -> Option<u32>| {
        name.map(|name| find(&name).map_or(name, |number| number.to_string()))
    };
    let (uid, gid) = (number(userdb.uid, find_user), number(userdb.gid, find_group));
    userdb::Config { uid, gid, ..userdb }
}
