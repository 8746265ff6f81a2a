//! Whether an account is in use, and who or what switched it off: the one place that says so.
//!
//! `enabled: false` in an answer of Keycloak has many causes, and only few of them mean that somebody is shut out: a user
//! store behind Keycloak that is down, a race inside Keycloak, and a temporary lockout look the same. So the flag of an
//! answer is a [`Flag`](super::state::Flag), which says nothing but that it is up; an [`AccountState`] is made here, of evidence, and
//! whatever is no evidence is an [`Error`].

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

// Tokio's clock instead of std's: tests move it.
use tokio::time::{Instant, sleep};

use super::error::NO_SUCH_USER;
use super::person::UserRepresentation;
use super::state::AccountState;
use super::{Client, Error};

const BY_ID: &str = "the look-up by id";
/// How often somebody is asked for again before a flag that is down is believed. While two requests are about one person
/// and permanent lockout is on, Keycloak from 26.3 on shows it down at random; with eight readers who never rest, four
/// times of five.
const ASKS: u32 = 12;
/// The same where that was seen to happen not long ago.
const ASKS_AFTER_RACE: u32 = 36;
/// How long that is.
const RACE_LASTS: Duration = Duration::from_secs(3600);
/// Between two of these: another reader must have time to finish.
const PAUSE: Duration = Duration::from_millis(100);
/// Where Keycloak itself keeps why an account was disabled, and what it says of a permanent lockout.
const REASON: &str = "disabledReason";
const PERMANENT_LOCKOUT: &str = "permanentLockout";

/// When a flag was last seen to go up by itself.
#[derive(Debug, Default)]
pub(super) struct Races(Mutex<Option<Instant>>);

impl Races {
    fn note(&self, now: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    fn asks(&self, now: Instant) -> u32 {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| now < last + RACE_LASTS) { ASKS_AFTER_RACE } else { ASKS }
    }
}

/// Somebody whose flag is down, while it is found out why.
struct Inquiry<'a> {
    client: &'a Client,
    user: &'a UserRepresentation,
    /// The search that finds them.
    key: &'a str,
}

impl Client {
    /// Says of somebody whom Keycloak has just shown whether the account is in use. `key` is a search that finds them,
    /// without bounds, such as `email=…&exact=true`.
    ///
    /// # Errors
    /// Nobody can tell.
    pub(super) async fn judge(&self, user: &UserRepresentation, key: &str) -> Result<AccountState, Error> {
        if user.enabled.is_up() {
            return Ok(AccountState::Enabled);
        }
        Inquiry { client: self, user, key }.run().await
    }

    /// What Keycloak shows under an id; `None` where nobody has it, which a store that is down can cause, too.
    pub(super) async fn ask_by_id(&self, id: &str) -> Result<Option<UserRepresentation>, Error> {
        let part = format!("users/{}", super::config::escape(id));
        match self.read(BY_ID, &self.address.realm_url(&part)).await {
            Ok(user) => {
                self.stores.note(&user);
                Ok(Some(user))
            }
            Err(Error::NotFound { error, .. }) if error == NO_SUCH_USER => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl UserRepresentation {
    /// Of somebody whom a search for disabled people has shown: was it an administrator, or a lockout?
    pub(super) fn state_when_listed_as_disabled(&self) -> AccountState {
        match self.values(REASON).any(|reason| reason == PERMANENT_LOCKOUT) {
            true => AccountState::LockedOut,
            false => AccountState::Disabled,
        }
    }
}

impl Inquiry<'_> {
    async fn run(&self) -> Result<AccountState, Error> {
        let state = self.weigh().await?;
        if state.is_enabled() {
            self.client.races.note(Instant::now());
        }
        Ok(state)
    }

    async fn weigh(&self) -> Result<AccountState, Error> {
        // Only who was really disabled is in this list: neither the race nor a store that is down brings anybody there.
        if let Some(listed) = self.search("&enabled=false").await? {
            return Ok(match listed.enabled.is_up() {
                // Enabled again in the store, which Keycloak has not taken down yet.
                true => AccountState::Enabled,
                false => listed.state_when_listed_as_disabled(),
            });
        }
        let store = self.user.store();
        if let Some(store) = &store {
            // While it is down nothing that is said of its people counts.
            self.client.probe_store(store, Instant::now()).await?;
        }
        for ask in 0..self.client.races.asks(Instant::now()) {
            if ask > 0 {
                sleep(PAUSE).await;
            }
            let Some(user) = self.client.ask_by_id(&self.user.id).await? else {
                return Err(Error::Wavering { what: "showed somebody in a search, but not by their id" });
            };
            if user.enabled.is_up() {
                return Ok(AccountState::Enabled);
            }
            if ask == 0 {
                // Up to 26.2 a temporary lockout shows by the id, and not in a search.
                if self.shows_enabled().await? {
                    return Ok(AccountState::Enabled);
                }
                if store.is_some() && !self.is_provider_on().await? {
                    return Ok(AccountState::ProviderOff);
                }
            }
        }
        if self.shows_enabled().await? {
            return Ok(AccountState::Enabled);
        }
        match &store {
            None => Ok(AccountState::OrganizationOff),
            // It answered before all this; should it have gone away meanwhile, that is why.
            Some(store) => {
                self.client.probe_store(store, Instant::now()).await?;
                self.client.check_no_outage_lately(store)?;
                Ok(AccountState::StoreDisabled)
            }
        }
    }

    /// Whether the store of theirs, which is not down, is switched on in Keycloak.
    async fn is_provider_on(&self) -> Result<bool, Error> {
        const TYPES: &str = "the credentials of a person's user store";
        let url = self.client.address.user_url(&self.user.id, "configured-user-storage-credential-types");
        let types: Vec<String> = self.client.read(TYPES, &url).await?;
        Ok(!types.is_empty())
    }

    async fn shows_enabled(&self) -> Result<bool, Error> {
        Ok(self.search("").await?.is_some_and(|user| user.enabled.is_up()))
    }

    /// This person among those whom a search shows.
    async fn search(&self, more: &str) -> Result<Option<UserRepresentation>, Error> {
        let query = format!("{}{more}", self.key);
        let hits = self.client.search_all(&query, |hit| hit.id == self.user.id).await?;
        match hits.people.into_iter().find(|hit| hit.id == self.user.id) {
            None if hits.is_cut_off => Err(Error::TooManyHits),
            found => Ok(found),
        }
    }
}

#[cfg(test)]
mod tests;
