//! Which Keycloak knows the people of a mail domain.

use std::collections::HashMap;
use std::sync::Arc;

use crate::auth::{Denial, NotAccepted, Username, normalise_domain};
use crate::keycloak::{Client, Lookup, Person, Unmet};

/// One Keycloak for everybody, or several by mail domain.
#[derive(Debug)]
pub struct Sources {
    default: Option<Arc<Client>>,
    by_domain: HashMap<String, Arc<Client>>,
}

impl Sources {
    /// Joins the clients, each with its domains; no domains means all that no other names.
    #[must_use]
    pub fn new(clients: Vec<(Vec<String>, Client)>) -> Self {
        let mut sources = Self { default: None, by_domain: HashMap::new() };
        for (domains, client) in clients {
            let client = Arc::new(client);
            if domains.is_empty() {
                sources.default = Some(Arc::clone(&client));
            }
            for domain in domains.iter().filter_map(|domain| normalise_domain(domain).ok()) {
                sources.by_domain.insert(domain, Arc::clone(&client));
            }
        }
        sources
    }

    /// The one person with this address: there once, enabled, and all that the configuration demands.
    pub(super) async fn find_entitled(&self, user: &Username) -> Result<Person, NotAccepted> {
        let client = self.by_domain.get(user.domain()).or(self.default.as_ref());
        // A domain that no source names has nobody in Keycloak.
        let client = client.ok_or(Denial::UserUnknown)?;
        let person = match client.find_person(user).await.map_err(|error| error.temp_fail())? {
            Lookup::Found(person) => person,
            Lookup::Unknown => return Err(Denial::UserUnknown.into()),
            Lookup::Conflict => {
                tracing::warn!(
                    user = user.as_str(),
                    "several people in Keycloak have this address; all are refused"
                );
                return Err(Denial::UserConflict.into());
            }
        };
        if !person.enabled {
            return Err(Denial::UserDisabled.into());
        }
        match client.find_unmet(&person).await.map_err(|error| error.temp_fail())? {
            None => Ok(*person),
            Some(Unmet::VerifiedEmail) => Err(Denial::EmailUnverified.into()),
            Some(Unmet::Attribute) => Err(Denial::AttributeMissing.into()),
            Some(Unmet::Role) => Err(Denial::RoleMissing.into()),
            Some(Unmet::Group) => Err(Denial::GroupMissing.into()),
        }
    }
}
