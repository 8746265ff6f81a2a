//! Everybody in a realm, page by page, and one person by their id.
//!
//! These calls are nobody's login: they take none of the slots of logins, one is under way at a time, and how they end
//! says nothing about logins.

use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::config::LookupBy;
use super::person::{Person, UserRepresentation};
use super::{Client, Error};
use crate::auth::Username;

const LIST: &str = "the list of users";
/// People of one page. Keycloak's work for a page grows with its square while its cache is cold.
pub const PAGE: usize = 100;
/// How long one page may take: no login waits for it, and a realm with LDAP behind it asks there for each person.
const PAGE_LIMIT: Duration = Duration::from_secs(30);
/// Keycloak's word for an id that nobody has. Any other 404 is a fault of the settings.
const NO_SUCH_USER: &str = "User not found";
/// How long a page waits for logins to leave a slot.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// One entry of the list.
#[derive(Debug)]
pub struct Listed {
    /// Keycloak's id; empty where the entry cannot be read.
    pub id: Box<str>,
    /// Whether the account is enabled.
    pub enabled: bool,
    /// Who it is.
    pub entry: Entry,
}

/// Who an entry of the list is, as far as mail is concerned.
#[derive(Debug)]
pub enum Entry {
    /// Somebody with a mail address.
    Person(Box<Person>),
    /// Nothing that could be a mail address under the setting `lookup`.
    NoAddress,
    /// Something else stands where the address should be.
    BadAddress,
    /// A program's account.
    ServiceAccount,
    /// Not what Keycloak says of people.
    Unreadable,
}

/// What Keycloak says of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// Nobody has it.
    Gone,
    /// The account is switched off.
    Disabled,
    /// The account is in use.
    Enabled,
}

/// An entry that cannot be read must not hide the others of its page.
#[derive(Deserialize)]
#[serde(untagged)]
enum Row {
    User(Box<UserRepresentation>),
    Odd(IgnoredAny),
}

impl Client {
    /// The people from this number on, at most [`PAGE`], in the order of their user names.
    ///
    /// # Errors
    /// Keycloak does not tell. No error says that nobody is there.
    pub async fn page_of_people(&self, first: usize) -> Result<Vec<Listed>, Error> {
        let part = format!("users?first={first}&max={PAGE}&briefRepresentation=false");
        let rows: Vec<Row> = self.read_patiently(LIST, &part, PAGE_LIMIT).await?;
        Ok(rows.into_iter().map(|row| self.listed(row)).collect())
    }

    /// Whether the person with this id is still there.
    ///
    /// # Errors
    /// Keycloak does not tell.
    pub async fn find_id(&self, id: &str) -> Result<Whereabouts, Error> {
        #[derive(Deserialize)]
        struct Account {
            enabled: bool,
        }
        let part = format!("users/{}", super::config::escape(id));
        match self.read_aside::<Account>("the look-up by id", &part).await {
            Ok(Account { enabled: true }) => Ok(Whereabouts::Enabled),
            Ok(Account { enabled: false }) => Ok(Whereabouts::Disabled),
            Err(Error::NotFound { error, .. }) if error == NO_SUCH_USER => Ok(Whereabouts::Gone),
            Err(error) => Err(error),
        }
    }

    /// Waits while logins use every slot, though not for ever.
    pub async fn let_logins_pass(&self) {
        let mut waited = Duration::ZERO;
        while self.is_busy() && waited < LONGEST_WAIT {
            tokio::time::sleep(LOOK_AGAIN).await;
            waited += LOOK_AGAIN;
        }
    }

    fn listed(&self, row: Row) -> Listed {
        let Row::User(user) = row else {
            return Listed { id: Box::default(), enabled: true, entry: Entry::Unreadable };
        };
        let (id, enabled) = (user.id.as_str().into(), user.enabled);
        let entry = match user.mail_address(self.config()) {
            _ if user.is_service_account() => Entry::ServiceAccount,
            None => Entry::NoAddress,
            Some(text) => match Username::parse(text.as_bytes()) {
                Ok(address) => Entry::Person(Box::new(user.into_person(address, self.config()))),
                Err(_) => Entry::BadAddress,
            },
        };
        Listed { id, enabled, entry }
    }
}

impl UserRepresentation {
    /// The one text under which a login would find them. A user name without a domain has one only where the source
    /// has one domain; of several addresses in an attribute the first counts.
    fn mail_address(&self, config: &super::Config) -> Option<String> {
        let found = match config.lookup {
            LookupBy::Email => self.email.clone(),
            LookupBy::Username => self.username.clone(),
            LookupBy::LocalPart => match (&self.username, &config.domains[..]) {
                (Some(name), [domain]) if !name.contains('@') => Some(format!("{name}@{domain}")),
                _ => None,
            },
            LookupBy::Attribute => {
                let name = config.lookup_attribute.as_deref().unwrap_or_default();
                self.values(name).next().map(str::to_owned)
            }
        };
        found.filter(|text| !text.trim().is_empty())
    }

    /// Keycloak itself names them so, and gives them no address.
    fn is_service_account(&self) -> bool {
        let is_named_so = |name: &str| name.starts_with("service-account-");
        self.username.as_deref().is_some_and(is_named_so) && self.email.as_deref().is_none_or(str::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Secret;
    use crate::keycloak::Config;

    fn listed(settings: &str, json: &str) -> Vec<Listed> {
        let text = format!("server_url = 'http://127.0.0.1:9'\nrealm = 'mail'\nclient_id = 'c'\n{settings}");
        let config: Config = toml::from_str(&text).unwrap();
        let client = Client::new(config.address().unwrap(), &config, Secret::from("s")).unwrap();
        let rows: Vec<Row> = serde_json::from_str(json).unwrap();
        rows.into_iter().map(|row| client.listed(row)).collect()
    }

    fn address(listed: &Listed) -> Option<&str> {
        match &listed.entry {
            Entry::Person(person) => Some(person.address.as_str()),
            _ => None,
        }
    }

    #[test]
    fn an_entry_that_cannot_be_read_hides_no_other() {
        let json = r#"[null, {"id": "1"}, {"id": "2", "enabled": true, "email": "A@Example.org", "firstName": null,
            "attributes": {"mailcow_password": [null]}}, {"id": "3", "enabled": false, "email": null},
            {"id": "4", "enabled": true, "email": "no address"},
            {"id": "5", "enabled": true, "username": "service-account-x"}]"#;
        let all = listed("", json);
        assert!(matches!(all[0].entry, Entry::Unreadable) && matches!(all[1].entry, Entry::Unreadable));
        assert_eq!((address(&all[2]), &*all[2].id), (Some("a@example.org"), "2"));
        assert!(matches!(all[3].entry, Entry::NoAddress) && !all[3].enabled);
        assert!(matches!(all[4].entry, Entry::BadAddress));
        assert!(matches!(all[5].entry, Entry::ServiceAccount));
    }

    #[test]
    fn the_address_is_the_one_that_a_login_would_be_found_by() {
        let json = r#"[{"id": "1", "enabled": true, "username": "alice", "email": "a@x.example",
            "attributes": {"mail": ["b@example.org", "c@example.org"]}}]"#;
        for (settings, expected) in [
            ("", Some("a@x.example")),
            ("lookup = 'username'", None),
            ("lookup = 'local_part'\ndomains = ['example.org']", Some("alice@example.org")),
            ("lookup = 'local_part'\ndomains = ['example.org', 'example.com']", None),
            ("lookup = 'attribute'\nlookup_attribute = 'mail'", Some("b@example.org")),
        ] {
            assert_eq!(address(&listed(settings, json)[0]), expected, "{settings}");
        }
    }
}
