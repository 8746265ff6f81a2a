//! What is known of a person, for an administrator to see.

use std::fmt;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::People;
use super::person_record::Finding;
use crate::auth::Username;
use crate::backend::keycloak::AccountState;
use crate::backend::records::Freshness;
use crate::credential::scheme;

impl People {
    /// What is known about an address, without what is secret in it.
    #[must_use]
    pub fn look(&self, user: &Username, now: Instant) -> Option<KnownPerson> {
        let standing = self.records.standing(user, now)?;
        let held = self.records.look(user)?;
        let mut known = KnownPerson {
            age_ms: held.age_ms(now),
            standing,
            finding: "unknown".to_owned(),
            source: None,
            keycloak_id: None,
            state: None,
            unmet: None,
            scheme: None,
            password_values: 0,
        };
        match &held.record.finding {
            Finding::Unknown(_) => {}
            Finding::Conflict => known.finding = "conflict".to_owned(),
            Finding::Person(person, unmet) => {
                known.finding = "person".to_owned();
                known.source = Some(person.source().to_owned());
                known.keycloak_id = Some(person.id().to_owned());
                known.state = Some(person.state);
                known.password_values = person.password_values;
                known.unmet = unmet.map(|unmet| unmet.setting().to_owned());
                known.scheme = person.password.as_ref().map(|stored| scheme::label(stored).to_owned());
            }
        }
        Some(known)
    }
}

/// What Keycloak said about an address, for an administrator to see: no hash.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownPerson {
    /// How many milliseconds ago it was asked.
    pub age_ms: u64,
    /// What this is still good for.
    pub standing: Freshness,
    /// `person`, `unknown` (nobody) or `conflict` (more than one).
    pub finding: String,
    /// Which Keycloak; empty where there is only one.
    pub source: Option<String>,
    /// Keycloak's id.
    pub keycloak_id: Option<String>,
    /// Whether the account is in use; if not, why.
    pub state: Option<AccountState>,
    /// The setting that the person does not fulfil.
    pub unmet: Option<String>,
    /// The scheme of the stored password, if there is one.
    pub scheme: Option<String>,
    /// How many values the password attribute has; only the first counts.
    #[serde(default)]
    pub password_values: u32,
}

/// One line: who it is, whether they are enabled, and what they lack.
impl fmt::Display for KnownPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.finding.as_str() {
            "person" => {}
            "conflict" => return f.write_str("several people have this address"),
            _ => return f.write_str("nobody has this address"),
        }
        let state = self.state.map_or("of an unknown state", AccountState::words);
        write!(f, "{state}, id {}", self.keycloak_id.as_deref().unwrap_or_default())?;
        if let Some(setting) = &self.unmet {
            write!(f, ", does not meet {setting}")?;
        }
        match self.password_values {
            0 | 1 => Ok(()),
            values => {
                write!(f, ", {values} values in the password attribute, of which only the first counts")
            }
        }
    }
}
