//! Looking people up by their address.

use std::collections::HashSet;
use std::time::Duration;

// Tokio's clock instead of std's: tests move it.
use tokio::time::{Instant, sleep};

use super::config::{LookupBy, escape};
use super::person::{Person, UserRepresentation};
use super::state::AccountState;
use super::stores::Absence;
use super::{Client, Error};
use crate::auth::Username;

const SEARCH: &str = "the user search";
/// Until a search that was blamed for its store's trouble is made again: whoever won has finished by then.
const SECOND_TRY: Duration = Duration::from_millis(100);
/// More than one hit is a conflict. A few more are asked for in case a server does not know `exact` and lists
/// others as well.
const FIRST_HITS: usize = 20;
/// Hits of each further page.
const MORE_HITS: usize = 100;
/// Further pages. A server that lists more than these is no help.
const MORE_PAGES: usize = 10;

/// What Keycloak knows under an address.
#[derive(Debug)]
pub enum Lookup {
    /// One person.
    Found(Box<Person>),
    /// Nobody.
    Unknown(Absence),
    /// More than one person.
    Conflict,
}

/// Whom a search has shown.
pub(super) struct Hits {
    /// Each once.
    pub(super) people: Vec<UserRepresentation>,
    /// There are more, who were not asked for: whoever is not here may be there.
    pub(super) is_cut_off: bool,
}

impl Client {
    /// Finds the person with exactly this address.
    ///
    /// What comes back is compared again: a server that ignores `exact` searches for a part of the address, and
    /// its first hit may be somebody else.
    ///
    /// # Errors
    /// Nobody can tell. No error says that there is no such person.
    pub async fn find_person(&self, user: &Username) -> Result<Lookup, Error> {
        let since = Instant::now();
        let found = self.find_once(user).await?;
        if !matches!(found, Lookup::Unknown(_)) {
            return Ok(found);
        }
        self.make_sure_of_absence().await?;
        if !self.stores.are_known() {
            return Ok(found);
        }
        // Whoever another request is taking in from a user store for the first time is neither among Keycloak's own
        // people yet, nor any longer among those whom the store alone has. A moment later they are there.
        match self.find_once(user).await? {
            Lookup::Unknown(_) => Ok(Lookup::Unknown(self.absence(since).await?)),
            found => Ok(found),
        }
    }

    /// The same of one search; that it shows nobody proves nothing.
    async fn find_once(&self, user: &Username) -> Result<Lookup, Error> {
        let asked = Instant::now();
        let by_local_part = self.config.lookup == LookupBy::LocalPart;
        let other_form = user.with_unicode_domain().filter(|_| !by_local_part);
        let keys: Vec<String> = [Some(user.as_str()), other_form.as_deref()]
            .into_iter()
            .flatten()
            .map(|form| self.key(form))
            .collect();
        let mut found: Vec<(UserRepresentation, &str)> = Vec::new();
        let mut is_cut_off = false;
        for key in &keys {
            let hits = self.search_all(key, |hit| hit.answers_to(user, &self.config)).await?;
            is_cut_off |= hits.is_cut_off;
            for hit in hits.people {
                if hit.answers_to(user, &self.config) && found.iter().all(|(known, _)| known.id != hit.id) {
                    found.push((hit, key));
                }
            }
        }
        match (found.pop(), found.is_empty()) {
            (None, _) if is_cut_off => Err(Error::TooManyHits),
            (None, _) => Ok(Lookup::Unknown(Absence::default())),
            (Some(_), false) => Ok(Lookup::Conflict),
            (Some((found, key)), true) => {
                let state = self.judge(&found, key).await?;
                let person = self.admit_person(found, user.clone(), state, asked).await?;
                Ok(Lookup::Found(Box::new(person)))
            }
        }
    }

    /// Makes a person of what Keycloak showed and of what was found out about the account.
    async fn admit_person(
        &self,
        found: UserRepresentation,
        address: Username,
        state: AccountState,
        asked: Instant,
    ) -> Result<Person, Error> {
        let mut person = found.into_person(address, &self.config, state);
        if state.is_enabled() && person.password.is_none() {
            person.password_hidden = self.find_out_whether_hidden(person.id(), asked).await?.map(Box::new);
        }
        Ok(person)
    }

    /// The search that finds an address.
    fn key(&self, address: &str) -> String {
        let local_part = address.rsplit_once('@').map_or(address, |(local, _)| local);
        let by = match self.config.lookup {
            LookupBy::Email => format!("email={}", escape(address)),
            LookupBy::Username => format!("username={}", escape(address)),
            LookupBy::LocalPart => format!("username={}", escape(local_part)),
            LookupBy::Attribute => {
                let name = self.config.lookup_attribute.as_deref().unwrap_or_default();
                format!("q={}", escape(&format!("{name}:\"{address}\"")))
            }
        };
        // `exact` must be the literal `true`: Keycloak reads `1` as false and searches for a part.
        format!("{by}&exact=true")
    }

    /// Searches page by page, until a page is not full, or somebody is there who is wanted.
    pub(super) async fn search_all(
        &self,
        query: &str,
        is_wanted: impl Fn(&UserRepresentation) -> bool,
    ) -> Result<Hits, Error> {
        let mut people = self.users(&format!("{query}&max={FIRST_HITS}&briefRepresentation=false")).await?;
        let mut is_cut_off = people.len() >= FIRST_HITS;
        let mut seen: HashSet<String> = people.iter().map(|hit| hit.id.clone()).collect();
        let mut first = people.len();
        for _ in 0..MORE_PAGES {
            if !is_cut_off || people.iter().any(&is_wanted) {
                break;
            }
            let page = format!("{query}&first={first}&max={MORE_HITS}&briefRepresentation=false");
            let page = self.users(&page).await?;
            first += page.len();
            // A server that shows the same page again does not know `first`, and cannot be asked for the others.
            let is_full = page.len() >= MORE_HITS;
            let before = people.len();
            people.extend(page.into_iter().filter(|hit| seen.insert(hit.id.clone())));
            is_cut_off = is_full;
            if people.len() == before {
                break;
            }
        }
        Ok(Hits { people, is_cut_off })
    }

    /// One page of people, by a query of its own.
    pub(super) async fn users(&self, query: &str) -> Result<Vec<UserRepresentation>, Error> {
        let url = format!("{}?{query}", self.address.users_url());
        let people: Vec<UserRepresentation> = match self.read(SEARCH, &url).await {
            // Up to 26.3 a search is blamed in the same words for a store that is down and for losing a race: of two that
            // take the same person in from a store for the first time, one fails.
            Err(Error::StoreDown { .. }) if self.stores.is_blame_worth_a_second_try(Instant::now()) => {
                sleep(SECOND_TRY).await;
                let again = self.read(SEARCH, &url).await;
                if matches!(again, Err(Error::StoreDown { .. })) {
                    self.stores.note_blamed_twice(Instant::now());
                }
                again?
            }
            end => end?,
        };
        self.attribute.note(&people, &self.config.password_attribute, Instant::now());
        people.iter().for_each(|user| self.stores.note(user));
        Ok(people)
    }

    /// An empty list proves nothing by itself: a service account that may see nobody, a Keycloak that has lost sight
    /// of its people, and one whose user store is down are answered with 200 and `[]`. So somebody unknown costs one more
    /// call, which asks for anybody, and one for each user store.
    async fn make_sure_of_absence(&self) -> Result<(), Error> {
        let since = Instant::now();
        self.make_sure_of_sight().await?;
        self.probe_stores_since(since).await
    }
}
