//! systemd's credentials: from the folder that systemd names to the service, or, for a command that an administrator
//! types, from where the unit says that they come from.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use super::secrets::{SecretError, read_file, trim};
use super::unit::{SERVICE, Unit};
use crate::auth::Secret;

/// Where systemd looks for a credential whose unit names no path.
const STORES: [&str; 3] = ["/etc/credstore", "/run/credstore", "/usr/lib/credstore"];
/// Where those of running units are.
const RUNNING: &str = "/run/credentials";

/// The credentials of this process, or of the service whose configuration it reads.
#[derive(Debug, Default)]
pub struct Credentials {
    /// What systemd tells the service.
    folder: Option<PathBuf>,
    /// What the unit names, read while we may; or why it could not be.
    of_unit: Vec<(String, Result<Secret, Unreadable>)>,
}

/// Where it should be, and the system's words.
type Unreadable = (PathBuf, String);

impl Credentials {
    /// Those of this process; if it has none, those of the unit that serves this configuration.
    #[must_use]
    pub fn find(config: &Path) -> Self {
        let own = Self::own();
        match Unit::find(config) {
            Some(unit) if own.folder.is_none() => Self::of_unit(&unit),
            _ => own,
        }
    }

    /// Those of this process only.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "systemd tells the credentials' folder in the environment")]
    pub fn own() -> Self {
        let folder = std::env::var("CREDENTIALS_DIRECTORY").ok().filter(|folder| !folder.is_empty());
        Self { folder: folder.map(PathBuf::from), of_unit: Vec::new() }
    }

    fn of_unit(unit: &Unit) -> Self {
        let named = |value: &str| match value.split_once(':') {
            Some((name, rest)) => (name.to_owned(), Some(rest.to_owned())),
            None => (value.to_owned(), None),
        };
        let mut of_unit = Vec::new();
        for (name, path) in unit.all("LoadCredential").map(named) {
            let path = place(&name, path);
            let read = std::fs::read(&path).map_err(|error| (path, error.to_string()));
            of_unit.push((name, read.map(Zeroizing::new).map(|bytes| Secret::new(trim(&bytes).to_vec()))));
        }
        for (name, path) in unit.all("LoadCredentialEncrypted").map(named) {
            let path = place(&name, path);
            of_unit.push((name.clone(), decrypt(&name, &path, None)));
        }
        for (name, value) in unit.all("SetCredential").map(named) {
            of_unit.push((name, Ok(Secret::new(trim(value.unwrap_or_default().as_bytes()).to_vec()))));
        }
        for (name, value) in unit.all("SetCredentialEncrypted").map(named) {
            let secret = decrypt(&name, Path::new("-"), value.as_deref());
            of_unit.push((name, secret));
        }
        Self { folder: None, of_unit }
    }

    /// Reads everything that may be asked for later, when this process is somebody else's.
    pub fn hold(&mut self) {
        let Some(folder) = self.folder.take() else { return };
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let is_file = std::fs::metadata(entry.path()).is_ok_and(|found| found.is_file());
            if let (true, Ok(name)) = (is_file, entry.file_name().into_string()) {
                let read = read_file(&entry.path()).map_err(|error| (entry.path(), error.to_string()));
                self.of_unit.push((name, read));
            }
        }
    }

    /// Reads one.
    pub(super) fn read(&self, name: &str) -> Result<Secret, SecretError> {
        let missing = || SecretError::NoCredential { name: name.to_owned() };
        if !is_plain_name(name) {
            return Err(missing());
        }
        if let Some(folder) = &self.folder {
            return read_file(&folder.join(name));
        }
        // Which of several counts is systemd's to say: what is loaded before what is set.
        let named = self.of_unit.iter().filter(|(known, _)| known == name);
        let good = named.clone().find_map(|(_, secret)| secret.as_ref().ok());
        if let Some(secret) = good {
            return match secret.expose().is_empty() {
                true => Err(SecretError::Empty { path: PathBuf::from(name) }),
                false => Ok(secret.duplicate()),
            };
        }
        let running = Path::new(RUNNING).join(SERVICE).join(name);
        match (read_file(&running), named.into_iter().next()) {
            (Ok(secret), _) => Ok(secret),
            (Err(_), Some((_, Err((path, detail))))) => Err(SecretError::Credential {
                name: name.to_owned(),
                path: path.clone(),
                detail: detail.clone(),
            }),
            (Err(_), _) => Err(missing()),
        }
    }
}

/// A path that is none is a name in one of systemd's stores.
fn place(name: &str, path: Option<String>) -> PathBuf {
    let path = PathBuf::from(path.unwrap_or_else(|| name.to_owned()));
    if path.is_absolute() {
        return path;
    }
    let stored = STORES.iter().map(|store| Path::new(store).join(&path)).find(|stored| stored.exists());
    stored.unwrap_or_else(|| Path::new(STORES[0]).join(path))
}

/// By systemd's own program, which root alone may use for the credentials of services.
fn decrypt(name: &str, path: &Path, text: Option<&str>) -> Result<Secret, Unreadable> {
    use std::io::Write;
    let failed = |detail: String| (path.to_owned(), detail);
    let mut command = Command::new("systemd-creds");
    command.arg("decrypt").arg(format!("--name={name}")).arg(path).arg("-");
    let input = if text.is_some() { Stdio::piped() } else { Stdio::null() };
    let started = command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = started.map_err(|error| failed(format!("systemd-creds: {error}")))?;
    if let (Some(text), Some(mut input)) = (text, child.stdin.take()) {
        // A program that has ended says so itself.
        let _ = input.write_all(text.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    let plain = Zeroizing::new(output.stdout);
    match output.status.success() {
        true => Ok(Secret::new(trim(&plain).to_vec())),
        false => Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}

/// A credential's name must not lead out of the folder.
fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && name != "." && name != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credentials_name_cannot_leave_its_folder() {
        for name in ["", ".", "..", "../x", "a/b"] {
            let read = Credentials { folder: Some("/".into()), of_unit: Vec::new() }.read(name);
            assert!(matches!(read, Err(SecretError::NoCredential { .. })), "{name}");
        }
    }

    #[test]
    fn a_credential_of_the_unit_is_found_and_one_that_cannot_be_read_says_where_it_is() {
        let path = PathBuf::from("/nonexistent/secret");
        let of_unit = vec![
            ("good".to_owned(), Ok(Secret::from("s3cret"))),
            ("gone".to_owned(), Err((path, "No such file".to_owned()))),
        ];
        let credentials = Credentials { folder: None, of_unit };
        assert!(credentials.read("good").unwrap().matches(b"s3cret"));
        let error = credentials.read("gone").unwrap_err();
        assert!(error.to_string().contains("/nonexistent/secret"), "{error}");
        assert!(matches!(credentials.read("other"), Err(SecretError::NoCredential { .. })));
    }

    #[test]
    fn what_is_held_needs_no_folder_any_more() {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("keydove-held-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, mode) in [("good", 0o600), ("open", 0o644)] {
            std::fs::write(folder.join(name), "s3cret\n").unwrap();
            std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let mut credentials = Credentials { folder: Some(folder.clone()), of_unit: Vec::new() };
        credentials.hold();
        std::fs::remove_dir_all(folder).unwrap();
        assert!(credentials.read("good").unwrap().matches(b"s3cret"));
        assert!(credentials.read("open").unwrap_err().to_string().contains("open to others"));
    }
}
