//! Servers that several systems share know each system's realms and database by names of its own. Cases write the plain
//! names, and the stage puts the others in their place.

/// What cases call the realm of the test people; [`Names`] says what it really is called.
pub const REALM: &str = "mail";
/// What cases call the one database, as mailcow does; [`Names`] says what it really is called.
pub const DATABASE: &str = "mailcow";

/// What the plain names of one system stand for. By default, for themselves.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// What the realm `mail` is called.
    pub(crate) realm: Option<String>,
    /// What the names of further realms end with.
    pub(crate) suffix: String,
    /// What the database `mailcow` is called.
    pub(crate) database: Option<String>,
}

impl Names {
    /// What Keycloak calls a realm.
    pub fn realm(&self, plain: &str) -> String {
        match &self.realm {
            Some(realm) if plain == REALM => realm.clone(),
            _ => format!("{plain}{}", self.suffix),
        }
    }

    /// What the database server calls the database.
    pub fn database(&self) -> &str {
        self.database.as_deref().unwrap_or(DATABASE)
    }

    /// keydove's configuration with the servers' names in place of the plain ones.
    pub fn configuration(&self, text: &str) -> String {
        let line = |line: &str| {
            let value = |key: &str| line.strip_prefix(key)?.strip_suffix('"').map(str::to_owned);
            match (value("realm = \""), value("database = \"")) {
                (Some(realm), _) => format!("realm = \"{}\"\n", self.realm(&realm)),
                (_, Some(database)) if database == DATABASE => {
                    format!("database = \"{}\"\n", self.database())
                }
                _ => format!("{line}\n"),
            }
        };
        text.lines().map(line).collect()
    }
}
