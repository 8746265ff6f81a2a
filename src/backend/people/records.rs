//! What Keycloak says about people, remembered for a while.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::time::Instant;

use super::Entitled;
use super::Sources;
use super::losses::{Losses, OnLoss};
use super::person_record::{Finding, PersonRecord, fetch};
use crate::auth::{NotAccepted, Secret, TempFail, Username};
use crate::backend::keycloak::{Client, SavedPerson};
use crate::backend::records::{Held, Lifetimes, RecordCounts, RecordSource, RecordWatch, Records, Spawner};

/// The people of all Keycloaks; clones are the same people.
#[derive(Clone, Debug)]
pub struct People {
    sources: Arc<Sources>,
    pub(crate) records: Records<PersonRecord>,
    /// Who is told whose access has ended.
    losses: Option<Losses>,
}

impl People {
    /// Remembers what these Keycloaks say.
    #[must_use]
    pub fn new(sources: Sources, lifetimes: Lifetimes, spawner: Spawner) -> Self {
        Self::watched(sources, lifetimes, spawner, None)
    }

    /// The same; `on_loss` is told when somebody's access ends, as far as that is seen: at a login, when what is known is
    /// fetched anew, and after what was known of them was forgotten.
    #[must_use]
    pub fn watched(
        sources: Sources,
        lifetimes: Lifetimes,
        spawner: Spawner,
        on_loss: Option<OnLoss>,
    ) -> Self {
        let losses = on_loss.map(|on_loss| Losses::new(on_loss, Arc::clone(&spawner)));
        let sources = Arc::new(sources);
        let (asked, watched) = (Arc::clone(&sources), Arc::clone(&sources));
        let source = RecordSource {
            fetcher: Arc::new(move |user| fetch(Arc::clone(&asked), user)),
            troubled: Arc::new(move |user| watched.is_troubled(user)),
            watch: losses.clone().map(|losses| Arc::new(losses) as Arc<dyn RecordWatch<PersonRecord>>),
        };
        Self { sources, records: Records::new(lifetimes, spawner, source), losses }
    }

    /// Who is asked.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The one person with this address, entitled, from memory or from Keycloak. `known` is the Keycloak id of whoever
    /// had the address before.
    pub(crate) async fn find_entitled(
        &self,
        user: &Username,
        known: Option<&str>,
    ) -> Result<Entitled, NotAccepted> {
        let client = self.sources.client_for(user)?;
        let mut held = self.records.get(user).await?;
        if !Arc::ptr_eq(&held.record.client, &client) {
            self.records.forget(user);
            held = self.records.get(user).await?;
        }
        Entitled::judge(user, held, known)
    }

    /// The same without waiting, if what is known is fresh.
    pub(crate) fn peek_entitled(
        &self,
        user: &Username,
        known: Option<&str>,
        now: Instant,
    ) -> Option<Result<Entitled, NotAccepted>> {
        let Some(held) = self.records.peek(user, now) else {
            // Settings that refuse everybody are judged before anybody is fetched.
            return self.sources.client_for(user).err().map(Err);
        };
        match self.sources.is_client_for(user, &held.record.client) {
            Ok(true) => Some(Entitled::judge(user, held, known)),
            Ok(false) => None,
            Err(why_not) => Some(Err(why_not)),
        }
    }

    /// The person if they are known, fresh, and entitled whoever had the address before.
    pub(crate) fn peek_if_entitled(&self, user: &Username, now: Instant) -> Option<Entitled> {
        let held = self.records.peek(user, now)?;
        let is_asked_today = self.sources.is_client_for(user, &held.record.client).ok()?;
        Entitled::of(held).filter(|_| is_asked_today)
    }

    /// Makes sure that what is known about a person was asked for no sooner than `since`. Says whether it is newer
    /// than what was known before.
    pub(crate) async fn renew(
        &self,
        user: &Username,
        since: Instant,
        until: Instant,
    ) -> Result<bool, TempFail> {
        if let Err(NotAccepted::Refused(_)) = self.sources.client_for(user) {
            // The settings refuse them, and nobody is asked.
            return Ok(false);
        }
        let before = self.records.look(user).map(|held| held.asked);
        let held = self.records.get_newer(user, since, until).await?;
        Ok(before != Some(held.asked))
    }

    /// What is known may be wrong from now on.
    pub(crate) fn forget(&self, user: &Username) -> bool {
        let known = self.losses.as_ref().and_then(|_| self.records.look(user));
        let was_known = self.records.forget(user);
        self.look_again(known.map(|held| (user.clone(), held.record)));
        was_known
    }

    /// Forgets everything; says how many people that were.
    pub(crate) fn flush(&self) -> usize {
        self.records.flush()
    }

    /// Whether they are known as somebody who may log in.
    #[must_use]
    pub fn is_entitled(&self, user: &Username, now: Instant) -> bool {
        let Some(held) = self.records.look(user) else { return false };
        let is_known = self.records.standing(user, now).is_some();
        is_known && matches!(&held.record.finding, Finding::Person(person, None) if person.state.is_enabled())
    }

    /// What is worth a file that outlives the process, the last used first: people whose hash is strong, and none that
    /// says that there is nobody.
    #[must_use]
    pub fn save(&self) -> Vec<(Username, Instant, SavedPerson)> {
        let save = |(user, held): (Username, Held<PersonRecord>)| match &held.record.finding {
            Finding::Person(person, unmet) => {
                Some((user, held.asked, SavedPerson::new(person, *unmet, &held.record.client)?))
            }
            Finding::Unknown(_) | Finding::Conflict => None,
        };
        self.records.all().into_iter().filter_map(save).collect()
    }

    /// All addresses about which something is known, in no order.
    #[must_use]
    pub fn names(&self) -> Vec<Username> {
        self.records.names()
    }

    /// Begins to put back what a file has kept: each with when it was asked. Says of each whether it is of use: whether
    /// the same Keycloak would be asked the same today.
    pub fn restoring(&self) -> impl Fn(Username, SavedPerson, Instant) -> bool + use<> {
        let (sources, records) = (Arc::clone(&self.sources), self.records.restoring());
        move |user, saved, asked| {
            let Ok(client) = sources.client_for(&user) else { return false };
            let Some((person, unmet)) = saved.restore(&user, &client) else { return false };
            records.put(user, PersonRecord::new(Finding::Person(person, unmet), client), asked);
            true
        }
    }

    /// Another number than before whenever something that was known may no longer be so.
    #[must_use]
    pub fn withdrawals(&self) -> u64 {
        self.records.withdrawals()
    }

    /// The hash that is known of a person.
    pub(crate) fn stored_password(&self, user: &Username) -> Option<Secret> {
        match &self.records.look(user)?.record.finding {
            Finding::Person(person, _) => person.password.as_ref().map(Secret::duplicate),
            Finding::Unknown(_) | Finding::Conflict => None,
        }
    }

    /// Forgets the people with these Keycloak ids, whatever their addresses are. With them goes whatever says that
    /// nobody, or more than one, has an address: an id that is not known may be theirs.
    pub fn forget_ids(&self, ids: &HashSet<String>) -> usize {
        let meant = ids.clone();
        let forgotten = self.records.forget_where(move |record| match &record.finding {
            Finding::Person(person, _) => meant.contains(person.id()),
            Finding::Unknown(_) | Finding::Conflict => true,
        });
        let count = forgotten.len();
        self.look_again(forgotten);
        count
    }

    fn look_again(&self, forgotten: impl IntoIterator<Item = (Username, Arc<PersonRecord>)>) {
        if let Some(losses) = &self.losses {
            losses.look_again(&self.records, forgotten.into_iter().collect());
        }
    }

    /// All that this Keycloak has said is asked for anew; while it cannot tell, it still serves.
    pub(crate) fn expire_all_of(&self, client: &Arc<Client>) -> usize {
        let client = Arc::clone(client);
        self.records.expire_where(move |record| Arc::ptr_eq(&record.client, &client))
    }

    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> RecordCounts {
        self.records.counts()
    }
}
