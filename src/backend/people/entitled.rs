//! Who may log in: a person whose record has nothing against it.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::Instant;

use super::person_record::{Finding, PersonRecord};
use crate::auth::{Denial, NotAccepted, Username};
use crate::backend::keycloak::{Person, Unmet};
use crate::backend::records::Held;
use crate::credential::compared::Fitted;

/// A person who is there once, enabled, and all that the configuration demands.
#[derive(Clone, Debug)]
pub struct Entitled(Held<PersonRecord>);

impl Entitled {
    /// Whether what is held entitles somebody. `known` is the Keycloak id of whoever had the address before.
    pub(crate) fn judge(
        user: &Username,
        held: Held<PersonRecord>,
        known: Option<&str>,
    ) -> Result<Self, NotAccepted> {
        let (person, unmet) = match &held.record.finding {
            Finding::Person(person, unmet) => (person, *unmet),
            Finding::Unknown(absence) if known.is_some_and(|id| absence.hides(id)) => {
                return Err(Denial::ProviderOff.into());
            }
            Finding::Unknown(_) => return Err(Denial::UserUnknown.into()),
            Finding::Conflict => {
                tracing::warn!(
                    user = user.as_str(),
                    "several people in Keycloak have this address; all are refused"
                );
                return Err(Denial::UserConflict.into());
            }
        };
        if let Some(denial) = person.state.denial() {
            return Err(denial.into());
        }
        match unmet {
            None => Ok(Self(held)),
            Some(Unmet::VerifiedEmail) => Err(Denial::EmailUnverified.into()),
            Some(Unmet::Attribute) => Err(Denial::AttributeMissing.into()),
            Some(Unmet::Role) => Err(Denial::RoleMissing.into()),
            Some(Unmet::Group) => Err(Denial::GroupMissing.into()),
        }
    }

    /// The same where nobody asks why not.
    pub(crate) fn of(held: Held<PersonRecord>) -> Option<Self> {
        let is_entitled = matches!(
            &held.record.finding,
            Finding::Person(person, None) if person.state.is_enabled()
        );
        is_entitled.then_some(Self(held))
    }

    /// Who it is.
    #[must_use]
    pub fn person(&self) -> &Person {
        match &self.0.record.finding {
            Finding::Person(person, _) => person,
            Finding::Unknown(_) | Finding::Conflict => unreachable!("only a person is judged to be entitled"),
        }
    }

    /// The place beside the person's hash.
    pub(crate) fn fitted(&self) -> &Fitted {
        &self.0.record.fitted
    }

    /// Whether it is time to look after this person again, who then counts as looked after. Once per `pause` at most,
    /// as long as what is known of them is not fetched anew.
    #[must_use]
    pub fn is_due(&self, pause: Duration, now: Instant) -> bool {
        let pause = u32::try_from(pause.as_millis()).unwrap_or(u32::MAX);
        let now = u32::try_from(self.0.age_ms(now)).unwrap_or(u32::MAX);
        let last = &self.0.record.looked_after;
        let is_due = last.load(Relaxed).checked_sub(1).is_none_or(|last| now >= last.saturating_add(pause));
        if is_due {
            last.store(now.saturating_add(1), Relaxed);
        }
        is_due
    }

    /// How long ago that is, if it is more than it should be.
    #[must_use]
    pub fn stale_age(&self, now: Instant) -> Option<Duration> {
        self.0.stale_age(now)
    }
}
