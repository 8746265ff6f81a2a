//! Everybody in a realm, page by page, and one person by their id.
//!
//! These calls are nobody's login: they take none of the slots of logins, one is under way at a time, and how they end
//! says nothing about logins.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
// Tokio's clock instead of std's: tests move it.
use tokio::time::Instant;

use super::config::{LookupBy, escape};
use super::error::NO_SUCH_USER;
use super::person::{Person, UserRepresentation};
use super::state::AccountState;
use super::store_id::StoreId;
use super::{Client, Error};
use crate::auth::Username;

const LIST: &str = "the list of users";
/// People of one page. Keycloak's work for a page grows with its square while its cache is cold.
pub const PAGE: usize = 100;
/// How long one page may take: no login waits for it, and a realm with LDAP behind it asks there for each person.
const PAGE_LIMIT: Duration = Duration::from_secs(30);
/// How long a page waits for logins to leave a slot.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// One entry of the list.
#[derive(Debug)]
pub struct Listed {
    /// Keycloak's id; empty where the entry cannot be read.
    pub id: Box<str>,
    /// Whether the account is in use for certain. That it is not is said by [`Client::judge_listed`] and by nothing else.
    pub is_in_use: bool,
    /// The user name of somebody without a usable address; else empty.
    pub name: Box<str>,
    /// Who it is.
    pub entry: Entry,
}

/// Who an entry of the list is, as far as mail is concerned.
#[derive(Debug)]
pub enum Entry {
    /// Somebody with a mail address, whose account is in use.
    Person(Box<Person>),
    /// Somebody with a mail address, of whom the list cannot tell whether the account is in use.
    Doubtful(Box<Doubtful>),
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
    /// Nobody has it, and every user store that is known answers.
    Gone,
    /// Somebody has it.
    There(AccountState),
}

/// Somebody whom a list shows as not enabled, which proves nothing.
pub struct Doubtful {
    user: UserRepresentation,
    address: Username,
}

impl Doubtful {
    /// Keycloak's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.user.id
    }

    /// The address that a login would find them by.
    #[must_use]
    pub fn address(&self) -> &Username {
        &self.address
    }

    /// The user store that they come from.
    #[must_use]
    pub fn store(&self) -> Option<StoreId> {
        self.user.store()
    }
}

/// Without the attributes, which hold hashes.
impl std::fmt::Debug for Doubtful {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Doubtful")
            .field("id", &self.user.id)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// The people who are really disabled in a realm.
#[derive(Debug, Default)]
pub struct Disabled(HashMap<Box<str>, AccountState>);

impl Disabled {
    /// What is known of this id: disabled or locked out; `None` where it is neither.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<AccountState> {
        self.0.get(id).copied()
    }

    /// How many they are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
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

    /// Everybody who is really disabled, read page by page: neither a user store that is down nor a race inside Keycloak
    /// brings anybody into this list.
    ///
    /// # Errors
    /// Keycloak does not tell.
    pub async fn list_disabled(&self) -> Result<Disabled, Error> {
        let mut disabled = Disabled::default();
        let mut first = 0;
        loop {
            self.let_logins_pass().await;
            let part = format!("users?enabled=false&first={first}&max={PAGE}&briefRepresentation=false");
            let page: Vec<UserRepresentation> = self.read_patiently(LIST, &part, PAGE_LIMIT).await?;
            let before = disabled.len();
            for user in page.iter().filter(|user| !user.enabled.is_up()) {
                disabled.0.insert(user.id.as_str().into(), user.state_when_listed_as_disabled());
            }
            first += page.len();
            // A server that says the same page again and again must not be asked for ever.
            if page.len() < PAGE || disabled.len() == before {
                return Ok(disabled);
            }
        }
    }

    /// Finds out what the list could not tell of somebody: from `disabled` if they are there, else by asking.
    ///
    /// # Errors
    /// Nobody can tell.
    pub async fn judge_listed(&self, doubtful: Doubtful, disabled: &Disabled) -> Result<Person, Error> {
        let Doubtful { user, address } = doubtful;
        let state = match disabled.get(&user.id) {
            Some(state) => state,
            None => self.judge_by_name(&user).await?,
        };
        Ok(user.into_person(address, self.config(), state))
    }

    /// Whether the person with this id is still there, and whether their account is in use.
    ///
    /// # Errors
    /// Nobody can tell.
    pub async fn find_id(&self, id: &str) -> Result<Whereabouts, Error> {
        let part = format!("users/{}", escape(id));
        let user: UserRepresentation = match self.read_aside("the look-up by id", &part).await {
            Ok(user) => user,
            Err(Error::NotFound { error, .. }) if error == NO_SUCH_USER => {
                // A store that is down shows nobody, and one of people without copies never showed where they are from.
                self.probe_stores().await?;
                if let Some(store) = StoreId::of_person(id) {
                    self.probe_store(&store, Instant::now()).await?;
                }
                return Ok(Whereabouts::Gone);
            }
            Err(error) => {
                if let (Error::ServerError { status: 500, .. }, Some(store)) =
                    (&error, StoreId::of_person(id))
                {
                    self.probe_store(&store, Instant::now()).await?;
                }
                return Err(error);
            }
        };
        self.stores.note(&user);
        Ok(Whereabouts::There(self.judge_by_name(&user).await?))
    }

    /// Judges somebody who was not found by a search: their user name finds them, and nobody else.
    async fn judge_by_name(&self, user: &UserRepresentation) -> Result<AccountState, Error> {
        match user.username.as_deref() {
            Some(name) => self.judge(user, &format!("username={}&exact=true", escape(name))).await,
            None if user.enabled.is_up() => Ok(AccountState::Enabled),
            None => Err(Error::Wavering { what: "showed somebody without a user name" }),
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
            let (id, name) = (Box::default(), Box::default());
            return Listed { id, is_in_use: false, name, entry: Entry::Unreadable };
        };
        self.stores.note(&user);
        let (id, is_in_use) = (user.id.as_str().into(), user.enabled.is_up());
        let mut name = Box::default();
        let mut named = |user: &UserRepresentation, entry| {
            name = user.username.as_deref().unwrap_or_default().into();
            entry
        };
        let entry = match user.mail_address(self.config()) {
            _ if user.is_service_account() => Entry::ServiceAccount,
            None => named(&user, Entry::NoAddress),
            Some(text) => match Username::parse(text.as_bytes()) {
                Ok(address) if is_in_use => {
                    Entry::Person(Box::new(user.into_person(address, self.config(), AccountState::Enabled)))
                }
                Ok(address) => Entry::Doubtful(Box::new(Doubtful { user: *user, address })),
                Err(_) => named(&user, Entry::BadAddress),
            },
        };
        Listed { id, is_in_use, name, entry }
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
    use crate::backend::keycloak::Config;

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
        assert!(matches!(all[3].entry, Entry::NoAddress) && !all[3].is_in_use);
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
