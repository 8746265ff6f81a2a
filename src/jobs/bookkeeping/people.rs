//! The lane of people who were seen: whose mailbox it is, and whether its template changed.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::HashMap;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::SeenPerson;
use super::clock::now;
use super::outage::Outage;
use crate::auth::Username;
use crate::backend::sql::{Database, Error, OwnerDigest, StoredPerson, StoredTemplate};
use crate::provision::{Identity, Provisioner, RedisSettings, Update};

/// After trouble with the database nobody is looked at for so long.
const TROUBLE_PAUSE: Duration = Duration::from_secs(5);
/// After keydove's own tables turned out to be missing, nobody is remembered for so long.
const DENIED_PAUSE: Duration = Duration::from_secs(600);
/// Templates that were read are gone by for so long, so that many logins read them once.
const TEMPLATES_KEPT: Duration = Duration::from_secs(10);
/// How many people are kept in mind: about 10 MB at the most.
const CAPACITY: usize = 65_536;

/// Looks after the mailboxes of people who log in, one after the other.
#[derive(Debug)]
pub(super) struct People {
    queue: mpsc::Receiver<SeenPerson>,
    database: Arc<Database>,
    provisioner: Arc<Provisioner>,
    settings: Option<mpsc::Sender<(Username, RedisSettings)>>,
    seen: Seen,
    /// Until when these templates will do to see that nothing has changed.
    templates: Option<(Instant, Vec<StoredTemplate>)>,
    outage: Outage,
    trouble_until: Option<Instant>,
    /// Until then nobody is remembered, because it could not be written.
    denied_until: Option<Instant>,
}

impl People {
    pub(super) fn new(
        queue: mpsc::Receiver<SeenPerson>,
        database: Arc<Database>,
        provisioner: Arc<Provisioner>,
        settings: Option<mpsc::Sender<(Username, RedisSettings)>>,
        pause: Duration,
    ) -> Self {
        Self {
            queue,
            database,
            provisioner,
            settings,
            seen: Seen::new(pause),
            templates: None,
            outage: Outage::default(),
            trouble_until: None,
            denied_until: None,
        }
    }

    pub(super) async fn run(mut self, stop: &CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                person = self.queue.recv() => match person {
                    Some((person, remembered)) => self.see(&person, remembered).await,
                    None => break,
                },
            }
        }
        self.queue.close();
        while let Some((person, remembered)) = self.queue.recv().await {
            self.see(&person, remembered).await;
        }
    }

    async fn see(&mut self, person: &Identity, remembered: Option<OwnerDigest>) {
        let now = now();
        if self.trouble_until.is_some_and(|until| now < until) || !self.seen.is_due(&person.user, now) {
            return;
        }
        let end = match self.has_changed(person, remembered, now).await {
            Ok(true) => self.look_after(person, now).await,
            Ok(false) => Ok(()),
            Err(reason) => Err(reason),
        };
        if let Err(reason) = end {
            self.trouble_until = Some(now + TROUBLE_PAUSE);
            if self.outage.begin() {
                tracing::warn!(
                    user = person.user.as_str(),
                    %reason,
                    "the mailbox was not brought in line with its template; its owner logs in all the same"
                );
            }
        } else if self.outage.end() {
            tracing::info!("mailboxes follow their templates again");
        }
    }

    /// Whether there is anything to write about a person, by what was read with their mailbox and by templates that were
    /// read a moment ago. Where it may be, all of it is read.
    async fn has_changed(
        &mut self,
        person: &Identity,
        remembered: Option<OwnerDigest>,
        now: Instant,
    ) -> Result<bool, String> {
        let Some(remembered) = remembered else { return Ok(true) };
        if person.mark.as_ref().is_some_and(|mark| !remembered.is_of_mark(mark)) {
            return Ok(true);
        }
        if !self.provisioner.is_mapped(person).map_err(|temp_fail| temp_fail.to_string())? {
            return Ok(false);
        }
        if self.templates.as_ref().is_none_or(|(until, _)| now >= *until) {
            let templates = self.database.templates().await.map_err(|error| error.to_string())?;
            self.templates = Some((now + self.seen.pause.min(TEMPLATES_KEPT), templates));
        }
        let templates = self.templates.as_ref().map_or(&[][..], |(_, templates)| templates);
        let follows = self.provisioner.follows(templates, person, remembered);
        follows.map(|follows| !follows).map_err(|temp_fail| temp_fail.to_string())
    }

    async fn look_after(&mut self, person: &Identity, now: Instant) -> Result<(), String> {
        let known = self.database.person_of(&person.user).await.map_err(|error| error.to_string())?;
        let update = self.provisioner.update_known_if_due(&self.database, person, known.as_ref(), now).await;
        let update = update.map_err(|temp_fail| temp_fail.to_string())?;
        // Whoever got a template applied is remembered with it.
        let is_new = known.is_none() && update == Update::NotDue;
        let settings = match update {
            Update::NotDue => None,
            Update::Applied(settings) => {
                let (user, template) = (person.user.as_str(), person.template.as_deref());
                tracing::info!(user, template, "template applied");
                Some(settings)
            }
            Update::QuotaRefused(refusal, settings) => {
                let (user, reason) = (person.user.as_str(), refusal.code());
                tracing::warn!(user, reason, "template applied, but for the quota, which is tried again");
                Some(settings)
            }
        };
        if let (Some(changes), Some(settings)) = (&self.settings, settings) {
            // The queue may be full; this lane can wait.
            let _ = changes.send((person.user.clone(), settings)).await;
        }
        self.remember(person, (known.as_ref(), is_new), now).await.map_err(|error| error.to_string())
    }

    /// Writes down whose mailbox it is, where nobody is remembered yet, and what stays the same when their id changes.
    async fn remember(
        &mut self,
        person: &Identity,
        known: (Option<&StoredPerson>, bool),
        now: Instant,
    ) -> Result<(), Error> {
        if self.denied_until.is_some_and(|until| now < until) {
            return Ok(());
        }
        match self.write_down(person, known).await {
            Err(error @ Error::Schema { .. }) => {
                if self.denied_until.is_none() {
                    tracing::warn!(%error, "it is not remembered whose mailbox is whose; `keydove grants` prints the statements");
                }
                self.denied_until = Some(now + DENIED_PAUSE);
                Ok(())
            }
            end => end,
        }
    }

    async fn write_down(
        &self,
        person: &Identity,
        (known, is_new): (Option<&StoredPerson>, bool),
    ) -> Result<(), Error> {
        let Identity { user, keycloak_id, source, mark, .. } = person;
        if is_new {
            self.database.remember_person(user, keycloak_id, source).await?;
        }
        let lacks = |mark| {
            known.is_none_or(|known| known.keycloak_id == *keycloak_id && known.mark.as_ref() != Some(mark))
        };
        match mark.as_ref().filter(|mark| lacks(*mark)) {
            Some(mark) => self.database.note_mark(user, keycloak_id, mark).await,
            None => Ok(()),
        }
    }
}

/// Who was looked at lately.
#[derive(Debug)]
struct Seen {
    /// A person is looked at no more often.
    pause: Duration,
    /// By the fingerprint of the name: who shares one with somebody else is looked at a little later.
    last: HashMap<u64, Instant>,
    hasher: foldhash::quality::RandomState,
    swept: Option<Instant>,
}

impl Seen {
    fn new(pause: Duration) -> Self {
        Self { pause, last: HashMap::default(), hasher: Default::default(), swept: None }
    }

    /// Whether it is time for this person, who then counts as seen. Where too many are known it never is.
    fn is_due(&mut self, user: &Username, now: Instant) -> bool {
        let pause = self.pause;
        let is_recent = |at: Instant| now < at + pause;
        let user = self.hasher.hash_one(user);
        if let Some(at) = self.last.get_mut(&user) {
            let due = !is_recent(*at);
            if due {
                *at = now;
            }
            return due;
        }
        if self.last.len() >= CAPACITY && self.swept.is_none_or(|swept| !is_recent(swept)) {
            self.swept = Some(now);
            self.last.retain(|_, at| is_recent(*at));
        }
        if self.last.len() >= CAPACITY {
            return false;
        }
        self.last.insert(user, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(60);

    fn user(number: usize) -> Username {
        Username::parse(format!("user{number}@example.org").as_bytes()).unwrap()
    }

    #[test]
    fn a_person_is_due_once_in_a_minute() {
        let (mut seen, start) = (Seen::new(PAUSE), now());
        assert!(seen.is_due(&user(1), start));
        assert!(!seen.is_due(&user(1), start + PAUSE - Duration::from_millis(1)));
        assert!(seen.is_due(&user(2), start));
        assert!(seen.is_due(&user(1), start + PAUSE));
        assert!(!seen.is_due(&user(1), start + PAUSE));
    }

    #[test]
    fn only_so_many_people_are_kept_in_mind() {
        let (mut seen, start) = (Seen::new(PAUSE), now());
        for number in 0..CAPACITY {
            assert!(seen.is_due(&user(number), start));
        }
        assert!(!seen.is_due(&user(CAPACITY), start));
        assert!(seen.is_due(&user(CAPACITY), start + PAUSE));
        assert_eq!(seen.last.len(), 1);
    }
}
