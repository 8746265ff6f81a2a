//! Whether an account is in use, and who or what switched it off: the one place that says so.
//!
//! `enabled: false` in an answer of Keycloak has many causes, and only few of them mean that somebody is shut out: a user
//! store behind Keycloak that is down, a race inside Keycloak, and a temporary lockout look the same. So the flag of an
//! answer is a [`Flag`], which says nothing but that it is up; an [`AccountState`] is made here, of evidence, and
//! whatever is no evidence is an [`Error`].

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
// Tokio's clock instead of std's: tests move it.
use tokio::time::{Instant, sleep};

use super::person::UserRepresentation;
use super::{Client, Error};
use crate::auth::Denial;

const BY_ID: &str = "the look-up by id";
/// Keycloak's word for an id that nobody has. Any other 404 is a fault of the settings.
pub(super) const NO_SUCH_USER: &str = "User not found";
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

/// Whether an account is in use; if not, why. Proven: whoever holds one may act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// It is in use.
    Enabled,
    /// Disabled in Keycloak, by an administrator or a program.
    Disabled,
    /// Disabled by Keycloak after too many wrong passwords there, until an administrator enables it. Keycloak says so
    /// of its own people only; those of a user store are [`Disabled`](Self::Disabled) then.
    LockedOut,
    /// The user store behind Keycloak (LDAP, Active Directory) answers, and says that the account is disabled there.
    StoreDisabled,
    /// The user store that the account comes from is switched off in Keycloak.
    ProviderOff,
    /// The organization that manages the account is disabled, or organizations are switched off in the realm.
    OrganizationOff,
}

impl AccountState {
    /// Every one of them.
    pub const ALL: [Self; 6] = [
        Self::Enabled,
        Self::Disabled,
        Self::LockedOut,
        Self::StoreDisabled,
        Self::ProviderOff,
        Self::OrganizationOff,
    ];

    /// Whether the account is in use.
    #[must_use]
    pub fn is_enabled(self) -> bool {
        self == Self::Enabled
    }

    /// What a login is told; `None` where the account is in use.
    #[must_use]
    pub fn denial(self) -> Option<Denial> {
        match self {
            Self::Enabled => None,
            Self::Disabled => Some(Denial::UserDisabled),
            Self::LockedOut => Some(Denial::UserLockedOut),
            Self::StoreDisabled => Some(Denial::StoreDisabled),
            Self::ProviderOff => Some(Denial::ProviderOff),
            Self::OrganizationOff => Some(Denial::OrganizationOff),
        }
    }

    /// Whether this is about the one person. A switch that shuts out everybody of a store or of an organization at once
    /// is more often a mistake than not: nobody gets in, and what is open stays open.
    #[must_use]
    pub fn is_of_one_person(self) -> bool {
        match self {
            Self::Disabled | Self::LockedOut | Self::StoreDisabled => true,
            Self::Enabled | Self::ProviderOff | Self::OrganizationOff => false,
        }
    }

    /// In words, as in "the account is …".
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled in Keycloak",
            Self::LockedOut => "locked out permanently by Keycloak's brute force detection",
            Self::StoreDisabled => "disabled by the user store behind Keycloak",
            Self::ProviderOff => "of a user store that is switched off in Keycloak",
            Self::OrganizationOff => "managed by an organization that is switched off in Keycloak",
        }
    }
}

/// `enabled` of an answer. That it is up is believed; that it is down proves nothing, so there is no way to ask for that.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Flag(bool);

impl Flag {
    /// Whether the account is in use for certain.
    pub(super) fn is_up(self) -> bool {
        self.0
    }
}

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
