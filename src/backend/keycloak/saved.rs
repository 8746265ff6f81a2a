//! A person in the form in which they outlive the process, for the cache's encrypted record file and for nothing else.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::texts::Texts;
use super::{AccountState, Client, Person, Unmet};
use crate::auth::{Secret, Username};
use crate::credential::scheme;

/// A person, and what they lack.
#[derive(Serialize, Deserialize)]
pub struct SavedPerson {
    /// Who said so, and what was demanded: of another Keycloak, or by other settings, it would be false.
    said_by: String,
    source: String,
    id: String,
    /// Files of keydove 0.1 have `enabled` instead, which was no proof.
    state: Option<AccountState>,
    email_verified: bool,
    password: Option<Zeroizing<String>>,
    password_values: u32,
    meets_attribute: bool,
    template: Option<String>,
    first_name: String,
    last_name: String,
    unmet: Option<Unmet>,
}

impl SavedPerson {
    /// `None` where the hash is weak: whoever gets hold of it has the password, or nearly, so it is in no file. Nor is
    /// what nobody could tell.
    #[must_use]
    pub fn new(person: &Person, unmet: Option<Unmet>, client: &Client) -> Option<Self> {
        let password = match &person.password {
            None if person.password_hidden.is_some() => return None,
            None => None,
            Some(stored) => Some(scheme::strong_text(stored)?),
        };
        Some(Self {
            said_by: client.judgement(),
            source: person.source().to_owned(),
            id: person.id().to_owned(),
            state: Some(person.state),
            email_verified: person.email_verified,
            password,
            password_values: person.password_values,
            meets_attribute: person.meets_attribute,
            template: person.template().map(str::to_owned),
            first_name: person.names().0.to_owned(),
            last_name: person.names().1.to_owned(),
            unmet,
        })
    }

    /// The person of this address again, and what they lack; `None` where somebody else said so.
    #[must_use]
    pub fn restore(self, address: &Username, client: &Client) -> Option<(Person, Option<Unmet>)> {
        let person = Person {
            texts: Texts::new([
                &self.id,
                &self.source,
                self.template.as_deref().unwrap_or_default(),
                &self.first_name,
                &self.last_name,
                // It is noted when somebody is fetched, so nobody needs it from here.
                "",
                "",
            ]),
            address: address.clone(),
            state: self.state?,
            email_verified: self.email_verified,
            password: self.password.map(|text| Secret::from(text.as_str())),
            password_hidden: None,
            password_values: self.password_values,
            meets_attribute: self.meets_attribute,
        };
        (self.said_by == client.judgement()).then_some((person, self.unmet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::keycloak::Config;

    fn client(more: &str) -> Client {
        let text =
            format!("server_url = 'http://127.0.0.1:9'\nrealm = 'mail'\nclient_id = 'mailcow'\n{more}");
        let config: Config = toml::from_str(&text).unwrap();
        Client::new(config.address().unwrap(), &config, Secret::from("s3cret")).unwrap()
    }

    fn person(password: Option<&str>) -> Person {
        Person {
            texts: Texts::new(["7-7", "", "staff", "Alice", "", "", ""]),
            address: alice(),
            state: AccountState::Disabled,
            email_verified: true,
            password: password.map(Secret::from),
            password_hidden: None,
            password_values: 1,
            meets_attribute: true,
        }
    }

    fn alice() -> Username {
        Username::parse(b"alice@example.org").unwrap()
    }

    #[test]
    fn a_person_comes_back_as_they_were_while_the_same_is_demanded() {
        let strong = "{BLF-CRYPT}$2y$04$nai69UnPcKTgXbRUx7T6gu32Z55V0r1FNbOnfmZgRJzhshaOohINe";
        let (before, after) = (client(""), client("required_role = 'mail'"));
        for password in [Some(strong), None] {
            let save = || SavedPerson::new(&person(password), Some(Unmet::Group), &before).unwrap();
            let (restored, unmet) = save().restore(&alice(), &before).unwrap();
            assert!(restored.is_as_good_as(&person(password)) && unmet == Some(Unmet::Group));
            assert!(save().restore(&alice(), &after).is_none());
        }
    }

    /// What keydove 0.1 wrote: a flag, which was no proof of anything.
    #[test]
    fn a_person_of_an_older_file_is_asked_for_anew() {
        let saved = SavedPerson::new(&person(None), None, &client("")).unwrap();
        let mut old = serde_json::to_value(saved).unwrap();
        assert_eq!(old.as_object_mut().unwrap().remove("state").unwrap(), "disabled");
        old["enabled"] = false.into();
        let old: SavedPerson = serde_json::from_value(old).unwrap();
        assert!(old.restore(&alice(), &client("")).is_none());
    }

    #[test]
    fn a_hash_that_is_as_good_as_the_password_is_in_no_file() {
        for weak in ["{PLAIN}hunter2", "{PLAIN-MD5}2ab96390c7dbe3439de74d0c9b0b1767", "hunter2", ""] {
            assert!(SavedPerson::new(&person(Some(weak)), None, &client("")).is_none(), "{weak}");
        }
    }

    #[test]
    fn what_nobody_could_tell_is_in_no_file() {
        let hidden = client("").attribute_hidden().temp_fail();
        let person = Person { password_hidden: Some(Box::new(hidden)), ..person(None) };
        assert!(SavedPerson::new(&person, None, &client("")).is_none());
    }
}
