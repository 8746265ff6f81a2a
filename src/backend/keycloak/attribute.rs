//! Whether the password attribute can be seen at all.
//!
//! Since Keycloak 24 an attribute that the user profile does not declare is hidden, and then everybody looks as if
//! they had no password. A person without one is refused only if somebody else shows the attribute.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::person::UserRepresentation;
use super::{Client, Error};
use crate::auth::TempFail;

/// How long having looked in vain proves that it cannot, unless somebody shows it.
const MISS_LASTS: Duration = Duration::from_secs(60);
/// How many people are looked at.
const SAMPLE: usize = 50;
/// One person without the attribute proves nothing; of two, one should have it.
const CROWD: usize = 2;

/// What a look at people has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Somebody shows the attribute.
    Visible,
    /// There are people, and nobody of the sample shows it.
    Hidden,
    /// There are too few people to say.
    Unknown,
}

/// What is known about the attribute.
#[derive(Debug, Default)]
pub(super) struct AttributeSight {
    state: Mutex<State>,
    /// Held while people are looked at: one look serves everybody who waits.
    look: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// When somebody showed it last.
    seen: Option<Instant>,
    /// Keycloak's id of who that was: the first to be looked at again.
    witness: Option<String>,
    /// When nobody of a sample showed it; `None` once it was seen again.
    missed: Option<Instant>,
}

impl AttributeSight {
    /// Takes down whether any of these people shows it.
    pub(super) fn note(&self, people: &[UserRepresentation], attribute: &str, now: Instant) {
        let Some(person) = people.iter().find(|person| person.shows(attribute)) else { return };
        let mut state = self.lock();
        if state.witness.as_deref() != Some(&person.id) {
            state.witness = Some(person.id.clone());
        }
        (state.seen, state.missed) = (Some(now), None);
    }

    /// What was found out since a person was asked for; that nobody shows the attribute holds for longer.
    fn recall(&self, since: Instant, now: Instant) -> Option<Visibility> {
        let state = self.lock();
        if state.missed.is_some_and(|at| now < at + MISS_LASTS) {
            return Some(Visibility::Hidden);
        }
        state.seen.is_some_and(|at| at >= since).then_some(Visibility::Visible)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// Whether somebody who shows no password attribute has none, or nobody's can be seen.
    ///
    /// An attribute that was seen before and has vanished is a fault of the call: what is remembered of people must
    /// not be replaced, so that they still log in. One that was never seen is told with the person, who may have
    /// app passwords.
    pub(super) async fn find_out_whether_hidden(
        &self,
        id: &str,
        since: Instant,
    ) -> Result<Option<TempFail>, Error> {
        let known = self.attribute.recall(since, Instant::now());
        let visibility = match known {
            Some(visibility) => visibility,
            None => {
                let _look = self.attribute.look.lock().await;
                match self.attribute.recall(since, Instant::now()) {
                    Some(visibility) => visibility,
                    None => self.look(Some(id)).await?,
                }
            }
        };
        if visibility != Visibility::Hidden {
            return Ok(None);
        }
        let hidden = self.attribute_hidden();
        let was_seen = self.attribute.lock().seen.is_some();
        if was_seen { Err(hidden) } else { Ok(Some(hidden.temp_fail())) }
    }

    /// Looks at people anew: whoever showed the attribute last, then a sample.
    ///
    /// # Errors
    /// Keycloak does not answer.
    pub async fn look_for_attribute(&self) -> Result<Visibility, Error> {
        let _look = self.attribute.look.lock().await;
        self.look(None).await
    }

    /// The trouble with an attribute that nobody shows.
    #[must_use]
    pub fn attribute_hidden(&self) -> Error {
        Error::AttributeHidden { attribute: self.config.password_attribute.clone() }
    }

    /// Whether nobody of the last sample showed the attribute, and nobody has since.
    #[must_use]
    pub fn is_attribute_hidden(&self) -> bool {
        self.attribute.lock().missed.is_some()
    }

    async fn look(&self, without: Option<&str>) -> Result<Visibility, Error> {
        let attribute = &self.config.password_attribute;
        let witness = self.attribute.lock().witness.clone();
        if let Some(witness) = witness {
            // In a large realm few may have mail, and a sample may miss them.
            let query = format!("search=id:{witness}&briefRepresentation=false");
            if self.users(&query).await?.iter().any(|person| person.shows(attribute)) {
                return Ok(Visibility::Visible);
            }
        }
        let people = self.users(&format!("enabled=true&max={SAMPLE}&briefRepresentation=false")).await?;
        if people.iter().any(|person| person.shows(attribute)) {
            return Ok(Visibility::Visible);
        }
        let others = people
            .iter()
            .filter(|person| person.could_log_in(&self.config) && without != Some(&*person.id))
            .count();
        let is_crowd = others + usize::from(without.is_some()) >= CROWD;
        self.attribute.lock().missed = is_crowd.then(Instant::now);
        Ok(if is_crowd { Visibility::Hidden } else { Visibility::Unknown })
    }
}
