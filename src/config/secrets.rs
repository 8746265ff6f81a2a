//! Secrets stand in files of their own, or in systemd's credentials; never in the configuration.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::auth::Secret;

/// Largest file that is taken for a secret.
const MAX_BYTES: u64 = 4096;

/// The secrets that the configuration points at.
#[derive(Debug)]
pub struct Secrets {
    /// Of the Keycloak clients, in the order of their sources.
    pub client_secrets: Vec<Secret>,
    /// Of the database user, if it has one.
    pub database_password: Option<Secret>,
    /// By which the webmail logs in for people who are logged in at mailcow.
    pub single_sign_on: Option<Secret>,
    /// Of Redis, if it has one.
    pub redis_password: Option<Secret>,
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
            redis_password: self.redis_password.as_ref().map(Secret::duplicate),
            throttle_key: self.throttle_key.as_ref().map(Secret::duplicate),
            forget_token: self.forget_token.as_ref().map(Secret::duplicate),
            http_login_token: self.http_login_token.as_ref().map(Secret::duplicate),
            policy_token: self.policy_token.as_ref().map(Secret::duplicate),
        }
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
    /// Nothing in it, or too much.
    #[error("the secret {path} is empty or larger than 4 KiB")]
    Size {
        /// The file.
        path: PathBuf,
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
            Self::Size { .. } => "put the secret, and nothing else, into the file".to_owned(),
            Self::NoCredential { name } => {
                format!("add LoadCredential={name}:/path/to/the/secret to the systemd unit")
            }
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
    let end = bytes.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
    if end == 0 || bytes.len() as u64 > MAX_BYTES {
        return Err(SecretError::Size { path: path.to_owned() });
    }
    Ok(Secret::new(bytes[..end].to_vec()))
}

/// Reads a systemd credential (`LoadCredential=`, `SetCredentialEncrypted=`).
#[expect(clippy::disallowed_methods, reason = "systemd tells the credentials' folder in the environment")]
pub(super) fn read_credential(name: &str) -> Result<Secret, SecretError> {
    let folder = std::env::var("CREDENTIALS_DIRECTORY").ok().filter(|_| is_plain_name(name));
    match folder {
        Some(folder) => read_file(&Path::new(&folder).join(name)),
        None => Err(SecretError::NoCredential { name: name.to_owned() }),
    }
}

/// A credential's name must not lead out of the folder.
fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && name != "." && name != ".."
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
    fn an_empty_or_endless_secret_is_refused() {
        for (name, content) in [("empty", vec![]), ("newline", b"\n".to_vec()), ("large", vec![b'x'; 5000])] {
            let path = file(name, &content, 0o600);
            assert!(matches!(read_file(&path), Err(SecretError::Size { .. })), "{name}");
            std::fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn a_credentials_name_cannot_leave_its_folder() {
        for name in ["", ".", "..", "../x", "a/b"] {
            assert!(matches!(read_credential(name), Err(SecretError::NoCredential { .. })), "{name}");
        }
    }
}
