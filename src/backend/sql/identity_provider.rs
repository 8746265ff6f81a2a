//! mailcow's own settings of its identity provider.

use std::collections::BTreeMap;

use super::database::Database;
use super::error::Error;
use super::retry::Fault;
use super::row::Parameter;
use super::session::{Kind, Session, Work};
use crate::auth::Secret;

/// `key` is a word of MariaDB's grammar; SQLite takes MariaDB's quotes too.
const FIND_ROWS: &str =
    "SELECT `key`, value FROM identity_provider WHERE `key` IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const CLIENT_SECRET: &str = "client_secret";
/// The keys that keydove reads. No other row is read: `access_token`, `bindpass` and the like are none of our business.
pub const KEYS: [&str; 14] = [
    "authsource",
    "server_url",
    "realm",
    "client_id",
    CLIENT_SECRET,
    "mailpassword_flow",
    "login_provisioning",
    "default_template",
    "mappers",
    "templates",
    "periodic_sync",
    "import_users",
    "sync_interval",
    "ignore_ssl_error",
];
/// For whoever looks at the whole table; values of other rows are none of their business either.
const FIND_KEYS: &str = "SELECT `key` FROM identity_provider ORDER BY `key`";

/// The rows of mailcow's table `identity_provider` that concern mail logins, as they are stored.
#[derive(Debug, Default)]
pub struct IdentityProviderRows {
    texts: BTreeMap<String, String>,
    client_secret: Option<Secret>,
}

impl IdentityProviderRows {
    /// The value of a key other than the client secret; `None` when there is no row.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.texts.get(key).map(String::as_str)
    }

    /// The client secret; `None` when there is no row.
    #[must_use]
    pub fn client_secret(&self) -> Option<&Secret> {
        self.client_secret.as_ref()
    }

    /// Whether both say the same.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        let same_secret = match (&self.client_secret, &other.client_secret) {
            (Some(ours), Some(theirs)) => ours.matches(theirs.expose()),
            (None, None) => true,
            _ => false,
        };
        same_secret && self.texts == other.texts
    }
}

/// From pairs of key and value. A key is taken only if it is spelt as mailcow spells it, whatever the database's
/// collation thinks equal.
impl FromIterator<(String, Vec<u8>)> for IdentityProviderRows {
    fn from_iter<I: IntoIterator<Item = (String, Vec<u8>)>>(rows: I) -> Self {
        let mut all = Self::default();
        for (key, value) in rows {
            if key == CLIENT_SECRET {
                all.client_secret = Some(Secret::new(value));
            } else if KEYS.contains(&&*key) {
                all.texts.insert(key, String::from_utf8_lossy(&value).into_owned());
            }
        }
        all
    }
}

impl Database {
    /// Reads mailcow's settings of its identity provider, as far as mail logins need them. They are never written.
    ///
    /// # Errors
    /// The database cannot be asked, or the table may not be read.
    pub async fn identity_provider(&self) -> Result<IdentityProviderRows, Error> {
        self.run(FindRows).await
    }

    /// The keys of all its rows.
    ///
    /// # Errors
    /// As [`identity_provider`](Self::identity_provider).
    pub async fn identity_provider_keys(&self) -> Result<Vec<String>, Error> {
        self.run(FindKeys).await
    }
}

struct FindKeys;

impl Work for FindKeys {
    const ATTEMPT: &'static str = "reading the keys of the table `identity_provider`";
    const KIND: Kind = Kind::Reads;
    type Output = Vec<String>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let mut found = Vec::new();
        for mut row in session.query(FIND_KEYS, Vec::new()).await? {
            found.push(row.read("identity_provider", "", |row| row.words(0))?);
        }
        Ok(found)
    }
}

struct FindRows;

impl Work for FindRows {
    const ATTEMPT: &'static str = "reading Keycloak's settings from the table `identity_provider`";
    const KIND: Kind = Kind::Reads;
    type Output = IdentityProviderRows;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let mut found = Vec::new();
        for mut row in session.query(FIND_ROWS, KEYS.map(Parameter::from).into()).await? {
            let pair = row.read("identity_provider", "", |row| {
                Ok((row.words(0)?, row.bytes(1)?.unwrap_or_default()))
            })?;
            found.push(pair);
        }
        Ok(found.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::IdentityProviderRows;

    fn rows(pairs: &[(&str, &str)]) -> IdentityProviderRows {
        pairs.iter().map(|&(key, value)| (key.to_owned(), value.as_bytes().to_vec())).collect()
    }

    #[test]
    fn only_what_mail_logins_need_is_kept_and_the_secret_is_never_shown() {
        let rows = rows(&[
            ("realm", "mail"),
            ("Realm", "other"),
            ("client_secret", "marker1"),
            ("access_token", "marker2"),
            ("bindpass", "marker3"),
        ]);
        assert_eq!((rows.text("realm"), rows.text("access_token")), (Some("mail"), None));
        assert!(rows.client_secret().unwrap().matches(b"marker1"));
        let shown = format!("{rows:?}");
        assert!(!shown.contains("marker"), "{shown}");
    }

    #[test]
    fn any_difference_is_seen() {
        let ours = rows(&[("realm", "mail"), ("client_secret", "s3cret")]);
        assert!(ours.equals(&rows(&[("client_secret", "s3cret"), ("realm", "mail"), ("access_token", "x")])));
        for other in [
            &[("realm", "mail"), ("client_secret", "S3cret")][..],
            &[("realm", "mail")],
            &[("realm", "Mail"), ("client_secret", "s3cret")],
            &[("realm", "mail"), ("client_secret", "s3cret"), ("mappers", "")],
        ] {
            assert!(!ours.equals(&rows(other)) && !rows(other).equals(&ours), "{other:?}");
        }
    }
}
