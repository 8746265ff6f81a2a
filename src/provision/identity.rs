//! The person a mailbox is for, as far as the mailbox shows it.

use crate::auth::Username;
use crate::backend::keycloak::Person;
use crate::backend::sql::Mark;

/// What provisioning needs to know about a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The address of the mailbox.
    pub user: Username,
    /// Keycloak's id.
    pub keycloak_id: String,
    /// Which Keycloak knows the person; empty where there is only one.
    pub source: String,
    /// The value of the template attribute.
    pub template: Option<String>,
    /// What stays the same when Keycloak gives them a new id, if it shows that.
    pub mark: Option<Mark>,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
}

impl Identity {
    /// The name that a new mailbox gets: first and last name; may be empty.
    #[must_use]
    pub fn display_name(&self) -> String {
        super::plan::display_name(self)
    }

    /// Takes what is needed of a person. The mailbox is the address that found them.
    #[must_use]
    pub fn new(person: &Person) -> Self {
        Self {
            user: person.address.clone(),
            keycloak_id: person.id().to_owned(),
            source: person.source().to_owned(),
            template: person.template().map(str::to_owned),
            mark: person.mark().and_then(|(attribute, value)| Mark::new(attribute, value)),
            first_name: person.names().0.to_owned(),
            last_name: person.names().1.to_owned(),
        }
    }
}
