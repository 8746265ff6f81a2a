//! The files that an existing keydove.toml names.

use std::path::{Path, PathBuf};

/// Where the database user's password lies, by the file that is there.
pub(super) fn password(config: &Path) -> Option<PathBuf> {
    let value: toml::Table = toml::from_str(&std::fs::read_to_string(config).ok()?).ok()?;
    let storage = value.get("storage")?.get("mariadb")?;
    match storage.get("password_file").and_then(toml::Value::as_str) {
        Some(path) => Some(path.into()),
        None => Some(config.parent()?.join(storage.get("password_credential")?.as_str()?)),
    }
}

/// Where a client secret lies that the administrator's own file names.
pub(super) fn secret(config: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(config).ok()?;
    let value: toml::Table = toml::from_str(&text).ok()?;
    let keycloak = value.get("keycloak")?;
    let folder = config.parent()?;
    match keycloak.get("client_secret_file").and_then(toml::Value::as_str) {
        Some(path) => Some(path.into()),
        // The shipped unit loads it from the configuration's folder.
        None => Some(folder.join(keycloak.get("client_secret_credential")?.as_str()?)),
    }
}
