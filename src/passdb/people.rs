//! What Keycloak says about people, remembered for a while.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Sources;
use super::losses::{Losses, OnLoss};
use crate::auth::{Denial, NotAccepted, Secret, TempFail, Username};
use crate::cache::{
    Fetch, Fitted, Held, Lifetimes, Record, RecordCounts, Records, Source, Spawner, Standing, Watch,
};
use crate::keycloak::{AccountState, Client, Lookup, Person, SavedPerson, Unmet};
use crate::scheme;

/// What one Keycloak says about one address.
#[derive(Debug)]
pub struct PersonRecord {
    pub(super) finding: Finding,
    /// Beside the person's hash.
    fitted: Fitted,
    /// When somebody looked after the person last, in milliseconds after Keycloak was asked and one more; 0 is never.
    /// There may be a million people: 49 days must do.
    looked_after: AtomicU32,
    /// Who was asked: settings may change, and with them whose answer counts.
    pub(super) client: Arc<Client>,
}

#[derive(Debug)]
pub(super) enum Finding {
    Person(Person, Option<Unmet>),
    Unknown,
    Conflict,
}

/// A person who is there once, enabled, and all that the configuration demands.
#[derive(Clone, Debug)]
pub struct Entitled(Held<PersonRecord>);

/// The people of all Keycloaks; clones are the same people.
#[derive(Clone, Debug)]
pub struct People {
    sources: Arc<Sources>,
    records: Records<PersonRecord>,
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
        let source = Source {
            fetcher: Arc::new(move |user| fetch(Arc::clone(&asked), user)),
            troubled: Arc::new(move |user| watched.is_troubled(user)),
            watch: losses.clone().map(|losses| Arc::new(losses) as Arc<dyn Watch<PersonRecord>>),
        };
        Self { sources, records: Records::new(lifetimes, spawner, source), losses }
    }

    /// Who is asked.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The one person with this address, entitled, from memory or from Keycloak.
    pub(super) async fn find_entitled(&self, user: &Username) -> Result<Entitled, NotAccepted> {
        let client = self.sources.client_for(user)?;
        let mut held = self.records.get(user).await?;
        if !Arc::ptr_eq(&held.record.client, &client) {
            self.records.forget(user);
            held = self.records.get(user).await?;
        }
        Entitled::judge(user, held)
    }

    /// The same without waiting, if what is known is fresh.
    pub(super) fn peek_entitled(
        &self,
        user: &Username,
        now: Instant,
    ) -> Option<Result<Entitled, NotAccepted>> {
        let Some(held) = self.records.peek(user, now) else {
            // Settings that refuse everybody are judged before anybody is fetched.
            return self.sources.client_for(user).err().map(Err);
        };
        match self.sources.is_client_for(user, &held.record.client) {
            Ok(true) => Some(Entitled::judge(user, held)),
            Ok(false) => None,
            Err(why_not) => Some(Err(why_not)),
        }
    }

    /// Makes sure that what is known about a person was asked for no sooner than `since`. Says whether it is newer
    /// than what was known before.
    pub(super) async fn renew(
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
    pub(super) fn forget(&self, user: &Username) -> bool {
        let known = self.losses.as_ref().and_then(|_| self.records.look(user));
        let was_known = self.records.forget(user);
        self.look_again(known.map(|held| (user.clone(), held.record)));
        was_known
    }

    /// Forgets everything; says how many people that were.
    pub(super) fn flush(&self) -> usize {
        self.records.flush()
    }

    /// Whether they are known as somebody who may log in.
    #[must_use]
    pub fn is_entitled(&self, user: &Username, now: Instant) -> bool {
        let Some(held) = self.records.look(user) else { return false };
        let is_known = self.records.standing(user, now).is_some();
        is_known && matches!(&held.record.finding, Finding::Person(person, None) if person.state.is_enabled())
    }

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
            Finding::Unknown => {}
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

    /// What is worth a file that outlives the process, the last used first: people whose hash is strong, and none that
    /// says that there is nobody.
    #[must_use]
    pub fn save(&self) -> Vec<(Username, Instant, SavedPerson)> {
        let save = |(user, held): (Username, Held<PersonRecord>)| match &held.record.finding {
            Finding::Person(person, unmet) => {
                Some((user, held.asked, SavedPerson::new(person, *unmet, &held.record.client)?))
            }
            Finding::Unknown | Finding::Conflict => None,
        };
        self.records.all().into_iter().filter_map(save).collect()
    }

    /// All addresses about which something is known, in no order.
    #[must_use]
    pub fn names(&self) -> Vec<Username> {
        self.records.names()
    }

    /// Puts back what was asked at `asked`, if the same Keycloak would be asked the same today.
    pub fn restore(&self, user: &Username, saved: SavedPerson, asked: Instant) -> bool {
        let Ok(client) = self.sources.client_for(user) else { return false };
        let Some((person, unmet)) = saved.restore(user, &client) else { return false };
        let finding = Finding::Person(person, unmet);
        self.records.restore(user.clone(), PersonRecord::new(finding, client), asked);
        true
    }

    /// Another number than before whenever something that was known may no longer be so.
    #[must_use]
    pub fn withdrawals(&self) -> u64 {
        self.records.withdrawals()
    }

    /// The hash that is known of a person.
    pub(super) fn stored_password(&self, user: &Username) -> Option<Secret> {
        match &self.records.look(user)?.record.finding {
            Finding::Person(person, _) => person.password.as_ref().map(Secret::duplicate),
            Finding::Unknown | Finding::Conflict => None,
        }
    }

    /// Forgets the people with these Keycloak ids, whatever their addresses are. With them goes whatever says that
    /// nobody, or more than one, has an address: an id that is not known may be theirs.
    pub fn forget_ids(&self, ids: &HashSet<String>) -> usize {
        let meant = ids.clone();
        let forgotten = self.records.forget_where(move |record| match &record.finding {
            Finding::Person(person, _) => meant.contains(person.id()),
            Finding::Unknown | Finding::Conflict => true,
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
    pub(super) fn expire_all_of(&self, client: &Arc<Client>) -> usize {
        let client = Arc::clone(client);
        self.records.expire_where(move |record| Arc::ptr_eq(&record.client, &client))
    }

    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> RecordCounts {
        self.records.counts()
    }
}

/// What Keycloak said about an address, for an administrator to see: no hash.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownPerson {
    /// How many milliseconds ago it was asked.
    pub age_ms: u64,
    /// What this is still good for.
    pub standing: Standing,
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

impl Entitled {
    fn judge(user: &Username, held: Held<PersonRecord>) -> Result<Self, NotAccepted> {
        let (person, unmet) = match &held.record.finding {
            Finding::Person(person, unmet) => (person, *unmet),
            Finding::Unknown => return Err(Denial::UserUnknown.into()),
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

    /// Who it is.
    #[must_use]
    pub fn person(&self) -> &Person {
        match &self.0.record.finding {
            Finding::Person(person, _) => person,
            Finding::Unknown | Finding::Conflict => unreachable!("only a person is judged to be entitled"),
        }
    }

    /// The place beside the person's hash.
    pub(super) fn fitted(&self) -> &Fitted {
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

impl PersonRecord {
    pub(super) fn new(finding: Finding, client: Arc<Client>) -> Self {
        Self { finding, fitted: Fitted::default(), looked_after: AtomicU32::new(0), client }
    }
}

impl Record for PersonRecord {
    fn bytes(&self) -> usize {
        let texts = match &self.finding {
            Finding::Person(person, _) => person.bytes(),
            Finding::Unknown | Finding::Conflict => 0,
        };
        size_of::<Self>() + texts
    }

    /// That two people have one address is no absence: it lasts.
    fn is_absence(&self) -> bool {
        matches!(self.finding, Finding::Unknown)
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
            (Finding::Unknown | Finding::Conflict, _) => false,
        }
    }
}

/// Asks the Keycloak of the address's domain: one search, and one call for each role or group that is demanded.
fn fetch(sources: Arc<Sources>, user: Username) -> Fetch<PersonRecord> {
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
            Lookup::Found(person) if person.state.is_enabled() => {
                let unmet = client.find_unmet(&person).await.map_err(|error| error.temp_fail())?;
                Finding::Person(*person, unmet)
            }
            Lookup::Found(person) => Finding::Person(*person, None),
            Lookup::Unknown => Finding::Unknown,
            Lookup::Conflict => Finding::Conflict,
        };
        Ok(PersonRecord::new(finding, client))
    })
}
