//! The user stores behind a Keycloak (LDAP, Active Directory): which there are, and whether they answer.
//!
//! Keycloak has no question for that. But it has to ask a store for an id that the store alone could know, and answers
//! 404 where the store knows no such person, and 500 where it does not answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
// Tokio's clock instead of std's: tests move it.
use tokio::time::Instant;

use super::config::escape;
use super::error::NO_SUCH_USER;
use super::http::{Body, parse};
use super::person::UserRepresentation;
use super::store_id::StoreId;
use super::{Client, Error};

const PROBE: &str = "the probe of a user store";
const COMPONENTS: &str = "the list of user stores";
/// Nobody has this id in any store.
const NOBODY: &str = "keydove-probe";
/// How long a store that did not answer is not asked again.
const DOWN_LASTS: Duration = Duration::from_secs(3);
/// How long the list of stores counts, and that it may not be read.
const LIST_LASTS: Duration = Duration::from_secs(300);
/// So long after an outage a store's word that somebody is disabled is not taken: Keycloak 26.4 may have put everybody
/// whom it looked up meanwhile into its cache as disabled.
const CONVALESCENCE: Duration = Duration::from_secs(600);
/// More stores are not known. A realm has a few.
const MOST: usize = 64;

/// A user store as the realm has it set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSetup {
    /// Its id.
    pub id: StoreId,
    /// What the administrator calls it.
    pub name: String,
    /// Whether it is switched on.
    pub enabled: bool,
    /// Whether Keycloak keeps copies of its people (*Import users*).
    pub imports: bool,
}

/// What is known of the stores of one realm.
#[derive(Debug, Default)]
pub(super) struct Stores {
    known: Mutex<HashMap<StoreId, Arc<Store>>>,
    /// When two searches in a row were blamed for a store that does not answer.
    blamed_twice: Mutex<Option<Instant>>,
    /// What the list said last; held while it is read.
    listed: tokio::sync::Mutex<Option<Listed>>,
}

/// The list of stores, as far as it may be read.
#[derive(Debug)]
struct Listed {
    asked: Instant,
    /// Whether Keycloak keeps no copies of the people of some store.
    has_people_without_copies: bool,
    /// Those that are switched off and whose people Keycloak keeps no copies of.
    hidden: Box<[StoreId]>,
}

/// That a search shows nobody, and whom it could not show.
#[derive(Clone, Debug, Default)]
pub struct Absence {
    /// Stores that are switched off, and so show nobody.
    hidden: Box<[StoreId]>,
}

impl Absence {
    /// Whether somebody with this id is not shown because their user store is switched off. Known only with
    /// `view-realm`.
    #[must_use]
    pub fn hides(&self, id: &str) -> bool {
        StoreId::of_person(id).is_some_and(|store| self.hidden.contains(&store))
    }

    /// What it takes on the heap, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.hidden.iter().map(|store| size_of::<StoreId>() + store.as_str().len()).sum()
    }
}

#[derive(Debug, Default)]
struct Store {
    seen: Mutex<Seen>,
    /// Held while it is asked: one probe serves everybody who waits.
    probing: tokio::sync::Mutex<()>,
}

/// When probes began.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// The last that it answered.
    up: Option<Instant>,
    /// The last that it did not.
    down: Option<Instant>,
}

impl Stores {
    /// Takes down from which store a person comes.
    pub(super) fn note(&self, user: &UserRepresentation) {
        if let Some(store) = user.store() {
            self.add(store);
        }
    }

    fn add(&self, store: StoreId) -> Arc<Store> {
        let mut known = self.lock();
        if let Some(known) = known.get(&store) {
            return Arc::clone(known);
        }
        let added = Arc::<Store>::default();
        if known.len() < MOST {
            known.insert(store, Arc::clone(&added));
        }
        added
    }

    /// Whether there are any, as far as is known.
    pub(super) fn are_known(&self) -> bool {
        !self.lock().is_empty()
    }

    /// Whether a search that was blamed for a store's trouble may have been unlucky: not while that was just found to be
    /// an outage, whose end nobody should wait for twice.
    pub(super) fn is_blame_worth_a_second_try(&self, now: Instant) -> bool {
        let blamed = *self.blamed_twice.lock().unwrap_or_else(PoisonError::into_inner);
        blamed.is_none_or(|at| now >= at + DOWN_LASTS)
    }

    /// It was no bad luck.
    pub(super) fn note_blamed_twice(&self, now: Instant) {
        *self.blamed_twice.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    fn ids(&self) -> Vec<StoreId> {
        self.lock().keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StoreId, Arc<Store>>> {
        // No code panics while it holds the lock.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    fn seen(&self) -> Seen {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        // No code panics while it holds the lock.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What probes have shown of it: that it answers counts only if it was asked no sooner than `since`.
    fn recall(&self, store: &StoreId, since: Instant, now: Instant) -> Option<Result<(), Error>> {
        let Seen { up, down } = self.seen();
        if down > up && down.is_some_and(|down| now < down + DOWN_LASTS) {
            return Some(Err(down_error(store)));
        }
        up.is_some_and(|up| up >= since).then_some(Ok(()))
    }
}

impl Client {
    /// Makes sure that a store answers: it is asked unless it was, no sooner than `since`. Whoever asks at the same time
    /// shares the probe; that it does not answer counts for some seconds.
    ///
    /// # Errors
    /// It does not answer, or Keycloak does not.
    pub(super) async fn probe_store(&self, id: &StoreId, since: Instant) -> Result<(), Error> {
        let store = self.stores.add(id.clone());
        if let Some(known) = store.recall(id, since, Instant::now()) {
            return known;
        }
        let _probing = store.probing.lock().await;
        let began = Instant::now();
        if let Some(known) = store.recall(id, since, began) {
            return known;
        }
        let answers = self.ask_store(id).await?;
        let mut seen = store.lock();
        match answers {
            true => seen.up = Some(began),
            false => seen.down = Some(began),
        }
        if answers { Ok(()) } else { Err(down_error(id)) }
    }

    /// Makes sure that a store answers, now.
    ///
    /// # Errors
    /// It does not, or Keycloak does not.
    pub async fn probe_now(&self, id: &StoreId) -> Result<(), Error> {
        self.probe_store(id, Instant::now()).await
    }

    /// Makes sure that every store that is known answers, now. The sync does so before and after a run.
    ///
    /// # Errors
    /// One of them does not, or Keycloak does not: whatever was read meanwhile proves nobody's absence.
    pub async fn probe_stores(&self) -> Result<(), Error> {
        self.probe_stores_since(Instant::now()).await
    }

    /// The same; an answer from `since` on will do. Whether there are stores that are not known yet is asked first, as
    /// far as Keycloak lets us.
    pub(super) async fn probe_stores_since(&self, since: Instant) -> Result<(), Error> {
        self.find_stores().await?;
        for id in self.stores.ids() {
            self.probe_store(&id, since).await?;
        }
        Ok(())
    }

    /// The user stores of the realm; `None` where the service account lacks `view-realm`.
    ///
    /// # Errors
    /// Keycloak does not tell.
    pub async fn list_stores(&self) -> Result<Option<Vec<StoreSetup>>, Error> {
        let url = self.address.realm_url("components?type=org.keycloak.storage.UserStorageProvider");
        let work = async {
            match self.call_now(COMPONENTS, &url, None).await {
                Err(Error::Forbidden { .. }) => Ok(None),
                end => end.map(Some),
            }
        };
        let body: Option<Body> = self.guard(work).await?;
        let Some(body) = body else { return Ok(None) };
        let components: Vec<Component> = parse(COMPONENTS, &body)?;
        let setups: Vec<StoreSetup> = components.into_iter().filter_map(Component::into_setup).collect();
        for setup in &setups {
            self.stores.add(setup.id.clone());
        }
        Ok(Some(setups))
    }

    /// Whether a person with this id would be shown, were they there: `false` where the id names a user store that is switched
    /// off, or of which nobody can tell, for want of `view-realm` or of an answer.
    pub async fn shows_store_of(&self, id: &str) -> bool {
        let Some(store) = StoreId::of_person(id) else { return true };
        match self.list_stores().await {
            Ok(Some(setups)) => setups.iter().any(|setup| setup.id == store && setup.enabled),
            Ok(None) | Err(_) => false,
        }
    }

    /// Reads the list, unless that was done, or forbidden, not long ago.
    async fn find_stores(&self) -> Result<(), Error> {
        let mut listed = self.stores.listed.lock().await;
        if listed.as_ref().is_none_or(|listed| Instant::now() >= listed.asked + LIST_LASTS) {
            *listed = Some(self.read_list().await?);
        }
        Ok(())
    }

    async fn read_list(&self) -> Result<Listed, Error> {
        let asked = Instant::now();
        let setups = self.list_stores().await?.unwrap_or_default();
        let without_copies = || setups.iter().filter(|setup| !setup.imports);
        let hidden = without_copies().filter(|setup| !setup.enabled).map(|setup| setup.id.clone());
        Ok(Listed {
            asked,
            has_people_without_copies: without_copies().next().is_some(),
            hidden: hidden.collect(),
        })
    }

    /// Whom a search from `since` on could not show.
    ///
    /// # Errors
    /// Keycloak does not tell.
    pub(super) async fn absence(&self, since: Instant) -> Result<Absence, Error> {
        let mut listed = self.stores.listed.lock().await;
        if listed.as_ref().is_some_and(|listed| listed.has_people_without_copies && listed.asked < since) {
            *listed = Some(self.read_list().await?);
        }
        Ok(Absence { hidden: listed.as_ref().map(|listed| listed.hidden.clone()).unwrap_or_default() })
    }

    /// A store that has just come back: what it seems to say of people may still be Keycloak's memory of the outage.
    pub(super) fn check_no_outage_lately(&self, id: &StoreId) -> Result<(), Error> {
        let down = self.stores.add(id.clone()).seen().down;
        match down.map(|down| Instant::now().saturating_duration_since(down)) {
            Some(ago) if ago < CONVALESCENCE => {
                Err(Error::StoreWasDown { store: id.as_str().to_owned(), seconds: ago.as_secs() })
            }
            _ => Ok(()),
        }
    }

    /// Whether a store answers. That it does not is an answer of Keycloak, which is well.
    async fn ask_store(&self, id: &StoreId) -> Result<bool, Error> {
        let url =
            self.address.realm_url(&format!("users/{}", escape(&format!("f:{}:{NOBODY}", id.as_str()))));
        let work = async {
            match self.call_now(PROBE, &url, None).await {
                // Somebody has this id after all. A page of something before Keycloak says nothing about a store.
                Ok(body) => parse::<UserRepresentation>(PROBE, &body).map(|_| true),
                // A store without such a person, or one that is switched off or taken away.
                Err(Error::NotFound { error, .. }) if error == NO_SUCH_USER => Ok(true),
                // Only the store is asked for this, so its silence is what is waited for.
                Err(
                    Error::ServerError { status: 500, .. } | Error::StoreDown { .. } | Error::Timeout { .. },
                ) => Ok(false),
                Err(error) => Err(error),
            }
        };
        self.guard(work).await
    }
}

fn down_error(store: &StoreId) -> Error {
    Error::StoreDown { call: PROBE, store: format!("`{}` ", store.as_str()) }
}

/// What Keycloak says of a component; its settings are lists of texts.
#[derive(Deserialize)]
struct Component {
    id: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    config: HashMap<String, Vec<Option<String>>>,
}

impl Component {
    fn into_setup(self) -> Option<StoreSetup> {
        let is_on = |setting: &str, default: bool| {
            let value = self.config.get(setting).and_then(|values| values.first()?.as_deref());
            value.map_or(default, |value| value == "true")
        };
        let (enabled, imports) = (is_on("enabled", true), is_on("importEnabled", true));
        Some(StoreSetup {
            id: StoreId::new(&self.id)?,
            name: self.name.unwrap_or_default(),
            enabled,
            imports,
        })
    }
}
