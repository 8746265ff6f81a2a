//! Reading the file: text → types → checks → secrets.

use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use strsim::levenshtein;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::checks::{find_faults, find_warnings};
use super::credentials::Credentials;
use super::secrets::Reading;
use super::{
    Config, Diagnostic, Error, ListenerConfig, Place, Tables, features, find_group, find_user, in_use,
};
use crate::auth::Secret;
use crate::backend::sql::Feature;
use crate::backend::{keycloak, sql};
use crate::login::userdb;
use crate::settings::SettingFault;

const MAX_BYTES: u64 = 1 << 20;

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
        let text = read_text(path)?;
        Self::parse_with(path, &text, credentials)
    }

    /// Reads and checks the configuration for a command that needs nothing but the database: Keycloak's secrets are
    /// not read.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_storage(path: &Path) -> Result<(sql::Config, Option<Secret>), Error> {
        let text = read_text(path)?;
        let file = read_tables(path, &text)?;
        let credentials = Credentials::find(path);
        let mut reading = Reading::new(&credentials, find_faults(&file));
        let secrets = reading.read(&file, |table| table == "storage");
        match reading.faults {
            faults if faults.is_empty() => Ok((file.storage, secrets.database_password)),
            faults => Err(Error::Faults(locate_all(path, &text, faults))),
        }
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
        let mut tables = read_tables(path, text)?;
        let mut reading = Reading::new(credentials, find_faults(&tables));
        let secrets = reading.read(&tables, |_| true);
        if !reading.faults.is_empty() {
            return Err(Error::Faults(locate_all(path, text, reading.faults)));
        }
        tables.userdb = with_numbers(tables.userdb);
        let keycloaks = tables.own_keycloaks().filter_map(|(place, source)| complete(place, source));
        let of_mailcow = || tables.keycloak.clone().unwrap_or_default();
        Ok(Self {
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

fn read_tables(path: &Path, text: &str) -> Result<Tables, Error> {
    toml::from_str(text).map_err(|fault| Error::Faults(vec![explain(path, text, &fault)]))
}

/// The file as it is written, checked; no secret is read.
fn read_file(path: &Path) -> Result<Tables, Error> {
    parse_file(path, &read_text(path)?)
}

/// The same from text; `path` is for messages only.
fn parse_file(path: &Path, text: &str) -> Result<Tables, Error> {
    let file = read_tables(path, text)?;
    match find_faults(&file) {
        faults if faults.is_empty() => Ok(file),
        faults => Err(Error::Faults(locate_all(path, text, faults))),
    }
}

/// A source with its address, which the checks have found, and its name.
fn complete(place: Place, source: &keycloak::Config) -> Option<(keycloak::Address, keycloak::Config)> {
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

fn read_text(path: &Path) -> Result<String, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let status = std::fs::metadata(path).map_err(failed)?;
    if status.mode() & 0o002 != 0 && status.is_file() {
        return Err(Error::WritableByAll { path: path.to_owned() });
    }
    if status.len() > MAX_BYTES {
        return Err(Error::TooLarge { path: path.to_owned() });
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        Error::Faults(vec![Diagnostic::new(path, &text, valid..valid + 1, "this is not UTF-8")])
    })
}

/// A fault that the TOML reader or a type has found.
fn explain(path: &Path, text: &str, fault: &toml::de::Error) -> Diagnostic {
    let message = fault.message().lines().next().unwrap_or_default();
    let diagnostic = Diagnostic::new(path, text, fault.span().unwrap_or(0..0), message);
    diagnostic.with_advice(advise_on_key(message).unwrap_or_else(|| advise_on_form(message).to_owned()))
}

/// For an unknown key: what may have been meant.
fn advise_on_key(message: &str) -> Option<String> {
    let (unknown, expected) = message.strip_prefix("unknown field `")?.split_once('`')?;
    if unknown == "client_secret" {
        return Some(
            "secrets do not stand here: put it into a file, mode 0600, and set client_secret_file".into(),
        );
    }
    if unknown == "password" {
        return Some(
            "secrets do not stand here: put it into a file, mode 0600, and set password_file".into(),
        );
    }
    let known = expected.split('`').skip(1).step_by(2);
    let nearest = known.map(|key| (levenshtein(unknown, key), key)).min()?;
    (nearest.0 <= 2).then(|| format!("did you mean `{}`?", nearest.1))
}

/// For everything else that the TOML reader or a type does not take.
fn advise_on_form(message: &str) -> &'static str {
    match message {
        _ if message.starts_with("missing field") => {
            "add it to this table; docs/configuration.md lists every setting"
        }
        _ if message.starts_with("wanted exactly 1 element") => {
            "keep [storage.sqlite] or [storage.mariadb], not both"
        }
        _ if message.starts_with("unknown variant") => "use one of the expected words",
        _ if message.starts_with("unknown field") => "take it out; docs/configuration.md lists every setting",
        _ if message.starts_with("invalid type") => "texts stand in quotes, numbers and true or false do not",
        _ if message == "invalid socket address syntax" => {
            "write the address as a number, with its port: \"127.0.0.1:9153\""
        }
        _ => "docs/configuration.md shows how every setting is written",
    }
}

/// Faults with their places, in the order of the file.
fn locate_all(path: &Path, text: &str, faults: Vec<SettingFault>) -> Vec<Diagnostic> {
    let root = DeTable::parse(text).ok();
    let place = |fault: &SettingFault| root.as_ref().map_or(0..0, |root| locate(root, &fault.keys));
    let mut faults: Vec<_> = faults.into_iter().map(|fault| (place(&fault), fault)).collect();
    faults.sort_by_key(|(span, _)| span.start);
    let show = |(span, fault): (Range<usize>, SettingFault)| {
        Diagnostic::new(path, text, span, &fault.sentence).with_advice(fault.advice)
    };
    faults.into_iter().map(show).collect()
}

/// The place of a setting: its value, or the nearest table above it that is written down.
fn locate(root: &Spanned<DeTable<'_>>, keys: &[String]) -> Range<usize> {
    let mut span = 0..0;
    let mut table = root.get_ref();
    let mut list: Option<&DeArray<'_>> = None;
    for key in keys {
        let value = match (list.take(), key.parse::<usize>()) {
            (Some(items), Ok(index)) => items.get(index),
            _ => table.get(key.as_str()),
        };
        let Some(value) = value else { break };
        span = value.span();
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            DeValue::Array(items) => list = Some(items),
            _ => break,
        }
    }
    span
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_recognised() {
        let message = "unknown field `relm`, expected one of `server_url`, `realm`, `client_id`";
        assert_eq!(advise_on_key(message).as_deref(), Some("did you mean `realm`?"));
        assert_eq!(advise_on_key("unknown field `colour`, expected one of `realm`, `client_id`"), None);
    }
}
