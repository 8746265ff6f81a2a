//! The client's secret: in a file of its own or in systemd's credentials.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use keydove_words::auth::Secret;
use zeroize::Zeroizing;

use super::Keycloak;

/// Largest file that is taken for a secret.
const MAX_BYTES: u64 = 4096;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("cannot read the client's secret {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// Others may read it.
    #[error("others may read or change {path} (mode {mode:04o}); run: chmod 0600 {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Nothing is in it, or only line ends.
    #[error("{path} is empty; put the client's secret there")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It is larger than any secret.
    #[error("{path} is larger than 4 KiB; put the client's secret there, and nothing else")]
    Size {
        /// The file.
        path: PathBuf,
    },
    /// systemd hands in no such credential.
    #[error("systemd hands in no credential `{0}`: the unit needs LoadCredential={0}:/the/file")]
    NoCredential(String),
}

impl Keycloak {
    /// Reads the client's secret.
    ///
    /// # Errors
    /// See [`SecretError`].
    pub fn read_secret(&self) -> Result<Secret, SecretError> {
        match (&self.client_secret_file, &self.client_secret_credential) {
            (Some(path), _) => read(path.clone()),
            (None, name) => read(credential_path(name.as_deref().unwrap_or_default())?),
        }
    }
}

/// Where systemd puts a credential of this name.
pub(super) fn credential_path(name: &str) -> Result<PathBuf, SecretError> {
    let is_plain = !name.is_empty() && !name.contains('/') && !name.starts_with('.');
    let folder = credentials_folder().filter(|_| is_plain);
    Ok(folder.ok_or_else(|| SecretError::NoCredential(name.to_owned()))?.join(name))
}

#[expect(clippy::disallowed_methods, reason = "systemd tells the credentials' folder in the environment")]
fn credentials_folder() -> Option<PathBuf> {
    std::env::var("CREDENTIALS_DIRECTORY").ok().filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

fn read(path: PathBuf) -> Result<Secret, SecretError> {
    let failed = |source| SecretError::Read { path: path.clone(), source };
    let mut file = std::fs::File::open(&path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.mode() & 0o7777;
    if mode & 0o027 != 0 {
        return Err(SecretError::Open { path, mode });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(256));
    file.by_ref().take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    let end = bytes.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
    if bytes.len() as u64 > MAX_BYTES {
        return Err(SecretError::Size { path });
    }
    if end == 0 {
        return Err(SecretError::Empty { path });
    }
    Ok(Secret::new(bytes[..end].to_vec()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_is_read_without_its_line_end_and_only_if_others_cannot() {
        let path = std::env::temp_dir().join(format!("keydove-portal-secret-{}", std::process::id()));
        std::fs::write(&path, "s3cret\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(read(path.clone()).unwrap().matches(b"s3cret"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(read(path.clone()), Err(SecretError::Open { mode: 0o644, .. })));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(read(path.clone()), Err(SecretError::Empty { .. })));
        std::fs::remove_file(path).unwrap();
    }
}
