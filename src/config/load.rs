//! Reading the file: text → types → checks → secrets.

use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::checks::{Fault, find_faults, find_warnings};
use super::credentials::Credentials;
use super::secrets::{self, SecretError, Secrets};
use super::{
    Config, Diagnostic, Error, File, ListenerConfig, Place, features, find_group, find_user, in_use,
};
use crate::auth::Secret;
use crate::backend::{keycloak, sql};
use crate::frontend::operations::Token;
use crate::login::throttle::LEAST_SHARED_KEY;
use crate::login::userdb;

const MAX_BYTES: u64 = 1 << 20;

impl Config {
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
        let file: File =
            toml::from_str(&text).map_err(|fault| Error::Faults(vec![explain(path, &text, &fault)]))?;
        let mut reading = Reading { credentials: &Credentials::find(path), faults: find_faults(&file) };
        let password = read_database_password(&file, &mut reading);
        if reading.faults.is_empty() {
            return Ok((file.storage, password));
        }
        Err(Error::Faults(locate_all(path, &text, reading.faults)))
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
        let file: File =
            toml::from_str(text).map_err(|fault| Error::Faults(vec![explain(path, text, &fault)]))?;
        let mut reading = Reading { credentials, faults: find_faults(&file) };
        let secrets = read_secrets(&file, &mut reading);
        match secrets {
            Some(secrets) if reading.faults.is_empty() => Ok(Self {
                in_use: in_use::of(text, &file, &secrets),
                warnings: find_warnings(&file),
                database_features: features::of(&file),
                keycloaks: file
                    .own_keycloaks()
                    .filter_map(|(place, source)| complete(place, source))
                    .collect(),
                mailcow_keycloak: file.mailcow.identity_provider.then(|| file.keycloak.unwrap_or_default()),
                mailcow: file.mailcow,
                listeners: file.listeners,
                storage: file.storage,
                redis: file.redis,
                userdb: with_numbers(file.userdb),
                provisioning: file.provisioning,
                cache: file.cache,
                app_passwords: file.app_passwords,
                oauth: file.oauth,
                master_users: file.master_users,
                sogo: file.sogo,
                bookkeeping: file.bookkeeping,
                login: file.login,
                hashing: file.hashing,
                log: file.log,
                throttle: file.throttle,
                http: file.http,
                sync: file.sync,
                kick: file.kick,
                housekeeping: file.housekeeping,
                http_login: file.http_login,
                secrets,
            }),
            _ => Err(Error::Faults(locate_all(path, text, reading.faults))),
        }
    }
}

/// The file as it is written, checked; no secret is read.
pub(super) fn read_file(path: &Path) -> Result<File, Error> {
    parse_file(path, &read_text(path)?)
}

/// The same from text; `path` is for messages only.
pub(super) fn parse_file(path: &Path, text: &str) -> Result<File, Error> {
    let file: File =
        toml::from_str(text).map_err(|fault| Error::Faults(vec![explain(path, text, &fault)]))?;
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

/// What reading the secrets needs, and what is wrong so far.
struct Reading<'a> {
    credentials: &'a Credentials,
    faults: Vec<Fault>,
}

fn read_secrets(file: &File, reading: &mut Reading<'_>) -> Option<Secrets> {
    let mut client_secrets = Vec::new();
    for (place, keycloak) in file.own_keycloaks() {
        let (path, credential) = (&keycloak.client_secret_file, &keycloak.client_secret_credential);
        client_secrets.extend(read_secret(&place.keys(), "client_secret", (path, credential), reading));
    }
    let database_password = read_database_password(file, reading);
    let (path, credential) = (&file.sogo.single_sign_on_file, &file.sogo.single_sign_on_credential);
    let single_sign_on = read_secret(&["sogo".to_owned()], "single_sign_on", (path, credential), reading);
    let redis_password = file.redis.as_ref().and_then(|redis| {
        let (path, credential) = (&redis.password_file, &redis.password_credential);
        read_secret(&["redis".to_owned()], "password", (path, credential), reading)
    });
    let throttle_key = read_throttle_key(file, reading);
    let (path, credential) = (&file.http.forget_token_file, &file.http.forget_token_credential);
    let forget_token = read_token(("http", "forget_token"), (path, credential), reading);
    let (path, credential) = (&file.http.policy_token_file, &file.http.policy_token_credential);
    let policy_token = read_token(("http", "policy_token"), (path, credential), reading);
    let (path, credential) = (&file.http_login.token_file, &file.http_login.token_credential);
    let http_login_token = read_token(("http_login", "token"), (path, credential), reading);
    let complete = client_secrets.len() == file.own_keycloaks().count();
    complete.then_some(Secrets {
        client_secrets,
        database_password,
        single_sign_on,
        redis_password,
        throttle_key,
        forget_token,
        policy_token,
        http_login_token,
    })
}

fn read_database_password(file: &File, reading: &mut Reading<'_>) -> Option<Secret> {
    match &file.storage {
        sql::Config::Mariadb(database) => {
            let place = ["storage".to_owned(), "mariadb".to_owned()];
            let (path, credential) = (&database.password_file, &database.password_credential);
            read_secret(&place, "password", (path, credential), reading)
        }
        sql::Config::Sqlite(_) => None,
    }
}

fn read_throttle_key(file: &File, reading: &mut Reading<'_>) -> Option<Secret> {
    let (path, credential) = (&file.throttle.shared_key_file, &file.throttle.shared_key_credential);
    let key = read_secret(&["throttle".to_owned()], "shared_key", (path, credential), reading)?;
    if key.expose().len() < LEAST_SHARED_KEY {
        let name = if path.is_some() { "shared_key_file" } else { "shared_key_credential" };
        let advice = "`openssl rand -hex 32` makes a good one; all nodes need the same";
        let fault = format!("the key is shorter than {LEAST_SHARED_KEY} bytes");
        reading.faults.push(Fault::new(&["throttle", name], fault, advice));
    }
    Some(key)
}

fn read_token(
    (table, name): (&str, &str),
    pointers: (&Option<PathBuf>, &Option<String>),
    reading: &mut Reading<'_>,
) -> Option<Secret> {
    let token = read_secret(&[table.to_owned()], name, pointers, reading)?;
    if let Err(error) = Token::new(token.duplicate()) {
        let end = if pointers.0.is_some() { "file" } else { "credential" };
        let key = format!("{name}_{end}");
        let advice = "`openssl rand -hex 32` makes a good one";
        reading.faults.push(Fault::new(&[table, &key], error.to_string(), advice));
    }
    Some(token)
}

/// Reads the secret that `NAME_file` or `NAME_credential` points at. Both or none is a fault that the checks find.
fn read_secret(
    place: &[String],
    name: &str,
    pointers: (&Option<PathBuf>, &Option<String>),
    reading: &mut Reading<'_>,
) -> Option<Secret> {
    let (read, end) = match pointers {
        (Some(path), None) => (secrets::read_file(path), "file"),
        (None, Some(credential)) => (reading.credentials.read(credential), "credential"),
        _ => return None,
    };
    let complain = |error: SecretError| {
        let mut fault = Fault::new(&[], error.to_string(), error.advice());
        fault.keys = place.iter().cloned().chain([format!("{name}_{end}")]).collect();
        reading.faults.push(fault);
    };
    read.map_err(complain).ok()
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
    let nearest = known.map(|key| (edit_distance(unknown, key), key)).min()?;
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

/// How many letters must be changed, put in or taken out (Levenshtein).
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

fn locate_all(path: &Path, text: &str, faults: Vec<Fault>) -> Vec<Diagnostic> {
    let root = DeTable::parse(text).ok();
    let show = |fault: Fault| {
        let span = root.as_ref().map_or(0..0, |root| locate(root, &fault.keys));
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
        assert_eq!(edit_distance("server_ulr", "server_url"), 2);
        assert_eq!(edit_distance("", "abc"), 3);
        let message = "unknown field `relm`, expected one of `server_url`, `realm`, `client_id`";
        assert_eq!(advise_on_key(message).as_deref(), Some("did you mean `realm`?"));
        assert_eq!(advise_on_key("unknown field `colour`, expected one of `realm`, `client_id`"), None);
    }
}
