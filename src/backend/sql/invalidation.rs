//! What a write makes wrong in the records of every process.

use crate::auth::Username;

/// What records are wrong from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalidation {
    /// What the database says about this address.
    Mailbox(Username),
    /// What the database and Keycloak say about this address.
    Person(Username),
    /// What Keycloak says about whoever has this id there.
    KeycloakId(String),
    /// What the database and Keycloak say about every address that fits a mask of doveadm.
    Mask(String),
    /// What the database says about every address of this domain.
    Domain(String),
    /// What the database says about every address.
    Mailboxes,
    /// All of it.
    Everybody,
}

impl Invalidation {
    /// Of a mailbox by its stored name.
    pub(super) fn of_stored(name: &str) -> Self {
        Username::parse(name.as_bytes()).map_or(Self::Everybody, Self::Mailbox)
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Mailbox(_) => "mailbox",
            Self::Person(_) => "person",
            Self::KeycloakId(_) => "keycloak_id",
            Self::Mask(_) => "mask",
            Self::Domain(_) => "domain",
            Self::Mailboxes => "mailboxes",
            Self::Everybody => "everybody",
        }
    }

    pub(super) fn subject(&self) -> &str {
        match self {
            Self::Mailbox(user) | Self::Person(user) => user.as_str(),
            Self::KeycloakId(text) | Self::Mask(text) | Self::Domain(text) => text,
            Self::Mailboxes | Self::Everybody => "",
        }
    }

    pub(super) fn parse(kind: &str, subject: String) -> Self {
        let user = || Username::parse(subject.as_bytes());
        match kind {
            "mailbox" => user().map_or(Self::Everybody, Self::Mailbox),
            "person" => user().map_or(Self::Everybody, Self::Person),
            "keycloak_id" => Self::KeycloakId(subject),
            "mask" => Self::Mask(subject),
            "mailboxes" => Self::Mailboxes,
            "domain" => Self::Domain(subject),
            _ => Self::Everybody,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::sql::{ReadAfter, open};

    fn one_of_each() -> [Invalidation; 7] {
        let alice = Username::parse(b"alice@example.org").unwrap();
        [
            Invalidation::Mailbox(alice.clone()),
            Invalidation::Person(alice),
            Invalidation::KeycloakId("7-7".to_owned()),
            Invalidation::Mask("*@example.org".to_owned()),
            Invalidation::Domain("example.org".to_owned()),
            Invalidation::Mailboxes,
            Invalidation::Everybody,
        ]
    }

    #[tokio::test]
    async fn the_table_takes_each_kind() {
        let path = std::env::temp_dir().join(format!("keydove-changes-{}.sqlite", std::process::id()));
        let config = toml::from_str(&format!("[sqlite]\npath = '{}'", path.display())).unwrap();
        let database = open(&config, None).await.unwrap();
        for outdated in one_of_each() {
            database.tell_nodes("here", outdated).await.unwrap();
        }
        let everything = ReadAfter { at: i64::MIN, id: i64::MAX };
        let (_, rows) = database.read_changes(everything).await.unwrap().unwrap();
        let read: Vec<_> = rows.into_iter().map(|row| row.outdated).collect();
        assert_eq!(read, one_of_each());
        database.close().await;
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn what_a_newer_version_writes_means_everybody() {
        let parse = |kind: &str, subject: &str| Invalidation::parse(kind, subject.to_owned());
        for outdated in one_of_each() {
            assert_eq!(parse(outdated.kind(), outdated.subject()), outdated);
        }
        assert_eq!(parse("quota", "alice@example.org"), Invalidation::Everybody);
        assert_eq!(parse("mailbox", "no address"), Invalidation::Everybody);
    }
}
