//! What a keydove-portal.toml that is there says, and what keydove.toml says of the portal.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::super::super::storage::Failure;
use super::super::change::State;
use super::super::files;

/// The file's name where systemd hands the secret in.
pub(super) const SECRET: &str = "client-secret";

/// What keydove itself is told of the portal.
pub(super) const TABLE: &str = "\
[portal]                           # how long sessions last, which app passwords users may make there
administrators = true              # those to whom Keycloak gives the client's role
administrator_realm_role = \"keydove-portal-administrator\"   # is in that role; asked for before each change
";
/// The table of versions that did not ask for the role again: setup brings it up to date where nobody has touched it.
pub(super) const TABLE_BEFORE: &str = "\
[portal]                           # how long sessions last, which app passwords users may make there
administrators = true              # those to whom Keycloak gives the client's role
";

/// What a file that is there says, so that it need not be said again.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) public_url: Option<String>,
    pub(super) listen: Option<SocketAddr>,
    pub(super) client_id: Option<String>,
    pub(super) mail_host: Option<String>,
}

impl Values {
    pub(super) fn read(file: &Path) -> Result<Self, Failure> {
        let State::File { text, .. } = files::read(file)? else { return Ok(Self::default()) };
        let table = parse(file, &text)?;
        Ok(Self {
            public_url: value(&table, "portal.public_url"),
            listen: value(&table, "portal.listen").and_then(|listen| listen.parse().ok()),
            client_id: value(&table, "keycloak.client_id"),
            mail_host: value(&table, "mail.imap.host"),
        })
    }
}

pub(super) fn parse(file: &Path, text: &str) -> Result<toml::Value, Failure> {
    // The library shows line, column and caret.
    let table: Result<toml::Table, _> = toml::from_str(text);
    table.map(toml::Value::Table).map_err(|error| Failure::Data(format!("{}:\n{error}", file.display())))
}

/// A text, by its dotted name.
pub(super) fn value(table: &toml::Value, name: &str) -> Option<String> {
    let found = name.split('.').try_fold(table, |value, step| value.get(step))?;
    found.as_str().map(str::to_owned)
}

/// Where the client's secret lies, by the file that is there.
pub(super) fn secret(file: &Path) -> PathBuf {
    let named = || {
        let text = std::fs::read_to_string(file).ok()?;
        let table = parse(file, &text).ok()?;
        let credential = || Some(file.with_file_name(value(&table, "keycloak.client_secret_credential")?));
        value(&table, "keycloak.client_secret_file").map(PathBuf::from).or_else(credential)
    };
    named().unwrap_or_else(|| file.with_file_name(SECRET))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_is_read_and_its_secret_found() {
        let folder = std::env::temp_dir().join(format!("keydove-setup-portal-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("p.toml");
        assert!(Values::read(&file).unwrap().public_url.is_none());
        assert_eq!(secret(&file), folder.join("client-secret"));
        std::fs::write(&file, include_str!("../../../../packaging/portal/keydove-portal.toml")).unwrap();
        let values = Values::read(&file).unwrap();
        assert_eq!(values.public_url.as_deref(), Some("https://account.example.org"));
        assert_eq!(values.listen.map(|listen| listen.to_string()).as_deref(), Some("127.0.0.1:8484"));
        assert_eq!(values.mail_host.as_deref(), Some("mail.example.org"));
        std::fs::write(&file, "[keycloak]\nclient_secret_file = \"/x/y\"\n").unwrap();
        assert_eq!(secret(&file), Path::new("/x/y"));
        std::fs::write(&file, "[keycloak").unwrap();
        assert!(Values::read(&file).unwrap_err().to_string().contains("p.toml"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
