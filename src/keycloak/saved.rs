//! A person in the form in which they outlive the process, for the cache's encrypted record file and for nothing else.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Client, Person, Unmet};
use crate::auth::{Secret, Username};
use crate::scheme;

/// A person, and what they lack.
#[derive(Serialize, Deserialize)]
pub struct SavedPerson {
    /// Who said so, and what was demanded: of another Keycloak, or by other settings, it would be false.
    said_by: String,
    source: String,
    id: String,
    enabled: bool,
    email_verified: bool,
    password: Option<Zeroizing<String>>,
    password_values: usize,
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
            Some(stored) if scheme::is_strong(stored) => {
                Some(Zeroizing::new(std::str::from_utf8(stored.expose()).ok()?.to_owned()))
            }
            Some(_) => return None,
        };
        Some(Self {
            said_by: client.judgement(),
            source: person.source.clone(),
            id: person.id.clone(),
            enabled: person.enabled,
            email_verified: person.email_verified,
            password,
            password_values: person.password_values,
            meets_attribute: person.meets_attribute,
            template: person.template.clone(),
            first_name: person.first_name.clone(),
            last_name: person.last_name.clone(),
            unmet,
        })
    }

    /// The person of this address again, and what they lack; `None` where somebody else said so.
    #[must_use]
    pub fn restore(self, address: &Username, client: &Client) -> Option<(Person, Option<Unmet>)> {
        let person = Person {
            source: self.source,
            id: self.id,
            address: address.clone(),
            enabled: self.enabled,
            email_verified: self.email_verified,
            password: self.password.map(|text| Secret::from(text.as_str())),
            password_hidden: None,
            password_values: self.password_values,
            meets_attribute: self.meets_attribute,
            template: self.template,
            first_name: self.first_name,
            last_name: self.last_name,
        };
        (self.said_by == client.judgement()).then_some((person, self.unmet))
    }
}
