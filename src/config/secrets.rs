//! Secrets stand in files of their own, or in systemd's credentials; never in the configuration.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{Credentials, KeycloakTable, Tables};
use crate::auth::Secret;
use crate::backend::{keycloak, redis, sql};
use crate::frontend::operations::BearerToken;
use crate::login::throttle::LEAST_SHARED_KEY;
use crate::settings::SettingFault;

/// Largest file that is taken for a secret.
const MAX_BYTES: u64 = 4096;

/// The secrets that the configuration points at.
#[derive(Debug, Default)]
pub struct Secrets {
    /// Of the Keycloak clients, in the order of their sources.
    pub client_secrets: Vec<Secret>,
    /// Of the database user, if it has one.
    pub database_password: Option<Secret>,
    /// By which the webmail logs in for people who are logged in at mailcow.
    pub single_sign_on: Option<Secret>,
    /// Of Redis and of its Sentinels.
    pub redis: redis::Passwords,
    /// Of what nodes tell each other of wrong passwords, where they do.
    pub throttle_key: Option<Secret>,
    /// Of whoever may forget people over HTTP.
    pub forget_token: Option<Secret>,
    /// Of whoever asks at the port of `[http_login]`.
    pub http_login_token: Option<Secret>,
    /// Of the Dovecot that asks whether a login may be tried.
    pub policy_token: Option<Secret>,
}

impl Secrets {
    /// A copy for the parts that keep it.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self {
            client_secrets: self.client_secrets.iter().map(Secret::duplicate).collect(),
            database_password: self.database_password.as_ref().map(Secret::duplicate),
            single_sign_on: self.single_sign_on.as_ref().map(Secret::duplicate),
            redis: self.redis.duplicate(),
            throttle_key: self.throttle_key.as_ref().map(Secret::duplicate),
            forget_token: self.forget_token.as_ref().map(Secret::duplicate),
            http_login_token: self.http_login_token.as_ref().map(Secret::duplicate),
            policy_token: self.policy_token.as_ref().map(Secret::duplicate),
        }
    }
}

/// A secret that the file points at, by `NAME_file` or `NAME_credential`.
struct Pointer<'a> {
    /// The way to its table.
    table: Vec<String>,
    name: &'static str,
    /// How messages name it.
    called: String,
    file: &'a Option<PathBuf>,
    credential: &'a Option<String>,
    /// What is wrong with a secret that was read, and what to do about it.
    objection: fn(&Secret) -> Option<(String, &'static str)>,
    put: fn(&mut Secrets, Secret),
}

impl Pointer<'_> {
    fn fault(&self, end: &str, sentence: String, advice: String) -> SettingFault {
        let key = format!("{}_{end}", self.name);
        let fault = SettingFault::new(&key, sentence, advice);
        self.table.iter().rev().fold(fault, |fault, table| fault.under(table))
    }
}

/// Every secret that the file may point at, a row each.
fn pointers(file: &Tables) -> Vec<Pointer<'_>> {
    let of_redis = file.redis.iter().flat_map(passwords_of_redis);
    let mut pointers: Vec<_> = file.own_keycloaks().map(client_secret).chain(of_redis).collect();
    let mut point = |table: &str, name, called: &str, (file, credential), objection, put| {
        let table = table.split('.').map(str::to_owned).collect();
        pointers.push(Pointer { table, name, called: called.to_owned(), file, credential, objection, put });
    };
    if let sql::Config::Mariadb(database) = &file.storage {
        point(
            "storage.mariadb",
            "password",
            "the database password",
            (&database.password_file, &database.password_credential),
            |_| None,
            |secrets, secret| secrets.database_password = Some(secret),
        );
    }
    point(
        "sogo",
        "single_sign_on",
        "the secret of the single sign-on",
        (&file.sogo.single_sign_on_file, &file.sogo.single_sign_on_credential),
        |_| None,
        |secrets, secret| secrets.single_sign_on = Some(secret),
    );
    point(
        "throttle",
        "shared_key",
        "the key of [throttle]",
        (&file.throttle.shared_key_file, &file.throttle.shared_key_credential),
        short_key,
        |secrets, secret| secrets.throttle_key = Some(secret),
    );
    point(
        "http",
        "forget_token",
        "the token of POST /forget",
        (&file.http.forget_token_file, &file.http.forget_token_credential),
        bad_token,
        |secrets, secret| secrets.forget_token = Some(secret),
    );
    point(
        "http",
        "policy_token",
        "the token of POST /auth-policy",
        (&file.http.policy_token_file, &file.http.policy_token_credential),
        bad_token,
        |secrets, secret| secrets.policy_token = Some(secret),
    );
    point(
        "http_login",
        "token",
        "the token of [http_login]",
        (&file.http_login.token_file, &file.http_login.token_credential),
        bad_token,
        |secrets, secret| secrets.http_login_token = Some(secret),
    );
    pointers
}

fn client_secret((place, keycloak): (KeycloakTable, &keycloak::Config)) -> Pointer<'_> {
    Pointer {
        table: place.keys(),
        name: "client_secret",
        called: format!("the client secret of [{}]", place.keys().join(".")),
        file: &keycloak.client_secret_file,
        credential: &keycloak.client_secret_credential,
        objection: |_| None,
        put: |secrets, secret| secrets.client_secrets.push(secret),
    }
}

fn passwords_of_redis(redis: &redis::Config) -> [Pointer<'_>; 2] {
    let point = |name, called: &str, (file, credential), put| Pointer {
        table: vec!["redis".to_owned()],
        name,
        called: called.to_owned(),
        file,
        credential,
        objection: |_| None,
        put,
    };
    [
        point(
            "password",
            "the password of Redis",
            (&redis.password_file, &redis.password_credential),
            |secrets, secret| secrets.redis.server = Some(secret),
        ),
        point(
            "sentinel_password",
            "the password of the Sentinels",
            (&redis.sentinel_password_file, &redis.sentinel_password_credential),
            |secrets, secret| secrets.redis.sentinels = Some(secret),
        ),
    ]
}

fn short_key(key: &Secret) -> Option<(String, &'static str)> {
    let advice = "`openssl rand -hex 32` makes a good one; all nodes need the same";
    let is_short = key.expose().len() < LEAST_SHARED_KEY;
    is_short.then(|| (format!("the key is shorter than {LEAST_SHARED_KEY} bytes"), advice))
}

fn bad_token(token: &Secret) -> Option<(String, &'static str)> {
    let error = BearerToken::new(token.duplicate()).err()?;
    Some((error.to_string(), "`openssl rand -hex 32` makes a good one"))
}

/// Secrets of which the file names two places.
pub(super) fn given_twice(file: &Tables) -> Vec<SettingFault> {
    let is_twice = |pointer: &Pointer<'_>| pointer.file.is_some() && pointer.credential.is_some();
    let fault = |pointer: Pointer<'_>| {
        let name = pointer.name;
        let advice = format!("set {name}_file or {name}_credential, not both");
        pointer.fault("credential", format!("{} is given twice", pointer.called), advice)
    };
    pointers(file).into_iter().filter(is_twice).map(fault).collect()
}

/// Reads secrets, and takes down what is wrong with them.
pub(super) struct Reading<'a> {
    credentials: &'a Credentials,
    /// What is wrong, with what was known before.
    pub(super) faults: Vec<SettingFault>,
    /// What was read, as messages name it.
    pub(super) named: Vec<(String, Secret)>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(credentials: &'a Credentials, faults: Vec<SettingFault>) -> Self {
        Self { credentials, faults, named: Vec::new() }
    }

    /// Reads the secrets of some tables. One that is given twice or not at all is a fault that the checks find.
    pub(super) fn read(&mut self, file: &Tables, is_wanted: fn(&str) -> bool) -> Secrets {
        let mut secrets = Secrets::default();
        for pointer in pointers(file).into_iter().filter(|pointer| is_wanted(&pointer.table[0])) {
            let (read, end) = match (pointer.file, pointer.credential) {
                (Some(path), None) => (read_file(path), "file"),
                (None, Some(credential)) => (self.credentials.read(credential), "credential"),
                _ => continue,
            };
            match read {
                Ok(secret) => {
                    let objection = (pointer.objection)(&secret);
                    self.faults.extend(
                        objection.map(|(sentence, advice)| pointer.fault(end, sentence, advice.to_owned())),
                    );
                    self.named.push((pointer.called, secret.duplicate()));
                    (pointer.put)(&mut secrets, secret);
                }
                Err(error) => self.faults.push(pointer.fault(end, error.to_string(), error.advice())),
            }
        }
        secrets
    }
}

/// Why a secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("cannot read the secret {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// Others can read or change it.
    #[error("the secret {path} is open to others (mode {mode:04o})")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Nothing is in it, or only line ends.
    #[error("the secret {path} is empty")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It is larger than any secret.
    #[error("the secret {path} is larger than 4 KiB")]
    Size {
        /// The file.
        path: PathBuf,
    },
    /// The unit names it, and it cannot be read.
    #[error("cannot read the systemd credential `{name}` from {path}: {detail}")]
    Credential {
        /// Its name in the configuration.
        name: String,
        /// Where the unit says that it is.
        path: PathBuf,
        /// The system's words.
        detail: String,
    },
    /// Not started with this credential.
    #[error("there is no systemd credential `{name}`")]
    NoCredential {
        /// Its name in the configuration.
        name: String,
    },
}

impl SecretError {
    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Read { .. } => {
                "the file must exist and be readable by the user who runs keydove".to_owned()
            }
            Self::Open { path, .. } => format!("run: chmod 0600 {}", path.display()),
            Self::Empty { .. } => "put the secret into the file; a program that writes the secret again must write another file \
                                   and rename it, so that nobody reads half of it"
                .to_owned(),
            Self::Size { .. } => "put the secret, and nothing else, into the file".to_owned(),
            Self::Credential { .. } => {
                "run this as root, who may read it; or mend LoadCredential= of the systemd unit".to_owned()
            }
            Self::NoCredential { name } => format!(
                "add LoadCredential={name}:/path/to/the/secret to keydove.service; a command that reads another \
                 configuration than the service needs CREDENTIALS_DIRECTORY=/the/folder"
            ),
        }
    }
}

/// Reads a secret from its file. Line ends behind it are no part of it.
pub(super) fn read_file(path: &Path) -> Result<Secret, SecretError> {
    let failed = |source| SecretError::Read { path: path.to_owned(), source };
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let status = file.metadata().map_err(failed)?;
    let mode = status.mode() & 0o7777;
    // The group may read (a service user's group), but not change it.
    if mode & 0o027 != 0 {
        return Err(SecretError::Open { path: path.to_owned(), mode });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(256));
    file.by_ref().take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(SecretError::Size { path: path.to_owned() });
    }
    let secret = trim(&bytes);
    if secret.is_empty() {
        return Err(SecretError::Empty { path: path.to_owned() });
    }
    Ok(Secret::new(secret.to_vec()))
}

/// Without the line ends behind it.
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
    &bytes[..end]
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(name: &str, content: &[u8], mode: u32) -> PathBuf {
        let path = std::env::temp_dir().join(format!("keydove-secret-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_secret_is_read_without_its_line_end() {
        let path = file("good", b" s3cret \r\n\n", 0o600);
        assert!(read_file(&path).unwrap().matches(b" s3cret "));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        for mode in [0o604, 0o602, 0o620, 0o601, 0o666] {
            let path = file(&format!("open-{mode:o}"), b"s3cret", mode);
            assert!(matches!(read_file(&path), Err(SecretError::Open { .. })), "{mode:o}");
            std::fs::remove_file(path).unwrap();
        }
        let path = file("group", b"s3cret", 0o640);
        assert!(read_file(&path).is_ok());
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn an_empty_or_endless_secret_is_refused_and_called_so() {
        for (name, content, sentence) in [
            ("empty", vec![], "is empty"),
            ("newline", b"\n".to_vec(), "is empty"),
            ("large", vec![b'x'; 5000], "is larger than 4 KiB"),
        ] {
            let path = file(name, &content, 0o600);
            let error = read_file(&path).map(|_| name).unwrap_err().to_string();
            assert!(error.ends_with(sentence), "{name}: {error}");
            std::fs::remove_file(path).unwrap();
        }
    }
}
