//! What one Keycloak says about one address, as it is remembered.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use super::Sources;
use crate::auth::{NotAccepted, TempFail, Username};
use crate::backend::keycloak::{Absence, Client, Lookup, Person, Unmet};
use crate::backend::records::{Fetch, Record};
use crate::credential::compared::Fitted;

/// What one Keycloak says about one address.
#[derive(Debug)]
pub struct PersonRecord {
    pub(super) finding: Finding,
    /// Beside the person's hash.
    pub(super) fitted: Fitted,
    /// When somebody looked after the person last, in milliseconds after Keycloak was asked and one more; 0 is never.
    /// There may be a million people: 49 days must do.
    pub(super) looked_after: AtomicU32,
    /// Who was asked: settings may change, and with them whose answer counts.
    pub(super) client: Arc<Client>,
}

#[derive(Debug)]
pub(super) enum Finding {
    Person(Person, Option<Unmet>),
    Unknown(Absence),
    Conflict,
}

impl PersonRecord {
    pub(super) fn new(finding: Finding, client: Arc<Client>) -> Self {
        Self { finding, fitted: Fitted::default(), looked_after: AtomicU32::new(0), client }
    }
}

impl Record for PersonRecord {
    fn bytes(&self) -> usize {
        let texts = match &self.finding {
            Finding::Person(person, _) => person.bytes(),
            Finding::Unknown(absence) => absence.bytes(),
            Finding::Conflict => 0,
        };
        size_of::<Self>() + texts
    }

    /// That two people have one address is no absence: it lasts.
    fn is_absence(&self) -> bool {
        matches!(self.finding, Finding::Unknown(_))
    }

    fn inherit(&self, older: &Self) {
        if let (Finding::Person(person, _), Finding::Person(before, _)) = (&self.finding, &older.finding)
            && person.has_password_of(before)
        {
            self.fitted.inherit(&older.fitted);
        }
    }

    fn outdates(&self, older: &Self) -> bool {
        match (&older.finding, &self.finding) {
            (Finding::Person(older, lacked), Finding::Person(person, lacks)) => {
                lacked != lacks || !older.is_as_good_as(person)
            }
            (Finding::Person(..), _) => true,
            (Finding::Unknown(_) | Finding::Conflict, _) => false,
        }
    }
}

/// Asks the Keycloak of the address's domain: one search, and one call for each role or group that is demanded.
pub(super) fn fetch(sources: Arc<Sources>, user: Username) -> Fetch<PersonRecord> {
    Box::pin(async move {
        // Settings that refuse everybody are judged before anybody is fetched; here they mean that we cannot tell.
        let client = sources.client_for(&user).map_err(|why_not| match why_not {
            NotAccepted::CannotTell(trouble) => trouble,
            NotAccepted::Refused(denial) => TempFail::new(
                crate::auth::TempFailReason::KeycloakSettings,
                format!("the settings changed under way: {}", denial.code()),
            ),
        })?;
        let finding = match client.find_person(&user).await.map_err(|error| error.temp_fail())? {
            Lookup::Found(mut person) if person.state.is_enabled() => {
                // One text for the record and for its place: there may be a million people.
                if person.address == user {
                    person.address = user;
                }
                let unmet = client.find_unmet(&person).await.map_err(|error| error.temp_fail())?;
                Finding::Person(*person, unmet)
            }
            Lookup::Found(person) => Finding::Person(*person, None),
            Lookup::Unknown(absence) => Finding::Unknown(absence),
            Lookup::Conflict => Finding::Conflict,
        };
        Ok(PersonRecord::new(finding, client))
    })
}
