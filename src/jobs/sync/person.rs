//! One person: whether something differs, and if so, what is written. One bad person never stops the run.

use std::sync::Arc;

use tokio::time::Instant;

use super::Trouble;
use super::due::{Due, failed};
use super::journal::Told;
use super::newcomer::{Newcomer, Settled};
use super::report::{Outcome, Skip};
use super::run::Run;
use crate::auth::Username;
use crate::backend::keycloak::{Client, Entry, Listed, Person};
use crate::backend::sql;
use crate::backend::sql::{Standing, StandingMailbox};
use crate::jobs::bookkeeping;
use crate::provision::{Identity, RedisSettings, Update};

impl Run<'_> {
    /// Looks at a page of people.
    pub(super) async fn take_page(&mut self, client: &Arc<Client>, page: Vec<Listed>) -> Result<(), Trouble> {
        let mut people = Vec::new();
        for listed in page {
            self.report.seen += 1;
            let skip = match listed.entry {
                // Two people have one address: no login could tell them apart.
                Entry::Person(person) if !self.addresses.insert(person.address.clone()) => {
                    self.note_skipped(&person.address, Skip::Conflict);
                    continue;
                }
                Entry::Person(person) => {
                    people.push(person);
                    continue;
                }
                Entry::Doubtful(doubtful) => {
                    let address = doubtful.address().clone();
                    let judged = self.judge(client, *doubtful).await?;
                    let is_new = self.addresses.insert(address.clone());
                    let skip = match judged {
                        _ if !is_new => Skip::Conflict,
                        Some(person) if person.state.is_enabled() => {
                            self.claimed.insert(address);
                            people.push(Box::new(person));
                            continue;
                        }
                        Some(person) if person.state.is_of_one_person() => Skip::Disabled,
                        judged => {
                            self.claimed.insert(address.clone());
                            if judged.is_some() { Skip::SwitchedOff } else { Skip::Failed }
                        }
                    };
                    self.note_skipped(&address, skip);
                    continue;
                }
                Entry::NoAddress => Skip::NoAddress,
                Entry::BadAddress => Skip::BadAddress,
                Entry::ServiceAccount => Skip::ServiceAccount,
                Entry::Unreadable => Skip::Unreadable,
            };
            // One without an address has a user name, which mailcow's log shows in place of it.
            let name = if listed.name.is_empty() { &listed.id } else { &listed.name };
            let outcome = Outcome::Skipped(skip);
            self.report.count(None, outcome);
            self.journal.tell(Told { name, outcome, is_unmapped: false, has_mailbox: false });
        }
        let addresses = people.iter().map(|person| person.address.clone()).collect();
        let standings = self.sync.parts.database.standings(addresses).await?;
        for (person, standing) in people.iter().zip(standings) {
            self.keep_lease().await?;
            self.take_person(client, person, &standing).await;
        }
        self.make_mailboxes().await;
        self.journal.send(self.sync.parts.redis.as_mut()).await;
        // A run whose last writes were refused is not complete.
        self.keep_lease().await
    }

    /// Looks at a person, and says what became of that.
    pub(super) async fn take_person(&mut self, client: &Arc<Client>, person: &Person, standing: &Standing) {
        let identity = Identity::new(person);
        let outcome = match self.settle(client, (person, &identity), standing).await {
            Ok(Settled::Done(outcome)) => outcome,
            // What becomes of them is said when their mailbox is made.
            Ok(Settled::Wants(plan)) => return self.newcomers.push(Newcomer { identity, plan }),
            Err(skip) => Outcome::Skipped(skip),
        };
        if matches!(outcome, Outcome::Skipped(Skip::Conflict)) {
            let (user, keycloak_id) = (identity.user.as_str(), &identity.keycloak_id);
            tracing::warn!(user, keycloak_id, "the mailbox belongs to a person with another Keycloak id");
        }
        self.note_person(&identity, outcome, standing.mailbox.is_some());
    }

    /// Says what became of somebody whose address could have a mailbox here.
    pub(super) fn note_person(&mut self, identity: &Identity, outcome: Outcome, has_mailbox: bool) {
        let is_unmapped = self.rulebook.is_unmapped(identity);
        let name = identity.user.as_str();
        self.note(&identity.user, Told { name, outcome, is_unmapped, has_mailbox });
    }

    async fn settle(
        &mut self,
        client: &Arc<Client>,
        (person, identity): (&Person, &Identity),
        standing: &Standing,
    ) -> Result<Settled, Skip> {
        let asked = self.sync.parts.sources.client_for(&identity.user);
        if !asked.is_ok_and(|asked| Arc::ptr_eq(&asked, client)) {
            return Err(Skip::OtherSource);
        }
        match standing.domain {
            None => return Err(Skip::DomainUnknown),
            Some(false) => return Err(Skip::DomainInactive),
            Some(true) => {}
        }
        let is_another =
            standing.person.as_ref().is_some_and(|known| known.keycloak_id != identity.keycloak_id);
        if is_another {
            // Somebody has the address, so its mailbox is no leaver's.
            self.claimed.insert(identity.user.clone());
            return Err(Skip::Conflict);
        }
        match &standing.mailbox {
            Some(mailbox) => {
                self.follow(client, (person, identity), (mailbox, standing)).await.map(Settled::Done)
            }
            None => self.import(client, person, identity).await,
        }
    }

    /// Brings a mailbox that is there in line.
    async fn follow(
        &mut self,
        client: &Client,
        (person, identity): (&Person, &Identity),
        (mailbox, standing): (&StandingMailbox, &Standing),
    ) -> Result<Outcome, Skip> {
        if mailbox.is_resource || !mailbox.is_keycloaks {
            return Err(Skip::LocalMailbox);
        }
        if !self.sync.updates {
            return Ok(Outcome::Unchanged);
        }
        let name = self.name_of(identity);
        let update = self.rulebook.due_update(standing.person.as_ref(), identity);
        let due = Due::find(mailbox, standing, (&name, identity.mark.as_ref()), update.is_some());
        if due == Due::default() {
            return Ok(Outcome::Unchanged);
        }
        self.check_demands(client, person).await?;
        if self.request.dry_run {
            let database = Arc::clone(&self.sync.parts.database);
            let (user, here) = (&identity.user, (mailbox, standing));
            return self.foresight.follow(&database, user, (due, update), here).await;
        }
        let database = Arc::clone(&self.sync.parts.database);
        let mut due = due;
        if due.template {
            due.template = self.apply_template(identity).await?;
        }
        if due.owner {
            let owned =
                database.remember_person(&identity.user, &identity.keycloak_id, &identity.source).await;
            owned.map_err(|error| failed(&identity.user, &error))?;
        }
        if due.mark {
            self.note_mark(identity).await;
        }
        if due.name {
            let named = database.follow_name(&mailbox.stored, &name, due.name_to_mailbox).await;
            named.map_err(|error| failed(&identity.user, &error))?;
        }
        if due.restore {
            let restored = database.switch_on_again(&mailbox.stored).await;
            due.restore = restored.map_err(|error| failed(&identity.user, &error))?;
        }
        let (user, outcome) = (identity.user.as_str(), due.outcome());
        match outcome {
            Outcome::Restored => tracing::info!(user, "the mailbox of a person who is back was switched on"),
            Outcome::Changed => tracing::info!(user, "mailbox brought in line with Keycloak"),
            _ => {}
        }
        Ok(outcome)
    }

    /// That it is not remembered costs nobody anything today.
    pub(super) async fn note_mark(&mut self, identity: &Identity) {
        let Some(mark) = identity.mark.as_ref().filter(|_| !self.marks_denied) else { return };
        let noted = self.sync.parts.database.note_mark(&identity.user, &identity.keycloak_id, mark).await;
        if let Err(error) = noted {
            tracing::warn!(%error, "it is not remembered by which mark people with new ids would be known again");
            self.marks_denied = true;
        }
    }

    /// Says whether something was changed.
    async fn apply_template(&mut self, identity: &Identity) -> Result<bool, Skip> {
        let (parts, now) = (&self.sync.parts, Instant::now().into_std());
        let update = parts.provisioner.update_if_due(&parts.database, identity, now).await;
        match update.map_err(|trouble| failed(&identity.user, &trouble))? {
            Update::NotDue => Ok(false),
            Update::Applied(settings) => {
                self.tell_redis(&identity.user, &settings).await;
                Ok(true)
            }
            Update::QuotaRefused(refusal, settings) => {
                self.tell_redis(&identity.user, &settings).await;
                Err(Skip::Refused(refusal))
            }
        }
    }

    /// Keycloak's name; empty where mailboxes do not get it.
    pub(super) fn name_of(&self, identity: &Identity) -> String {
        match self.rulebook.follows_names() {
            true => identity.display_name(),
            false => String::new(),
        }
    }

    pub(super) async fn check_demands(&self, client: &Client, person: &Person) -> Result<(), Skip> {
        match client.find_unmet(person).await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(Skip::Filtered),
            Err(error) => Err(failed(&person.address, &error)),
        }
    }

    pub(super) async fn tell_redis(&mut self, user: &Username, settings: &RedisSettings) {
        let Some(redis) = &mut self.sync.parts.redis else { return };
        if let Err(error) = bookkeeping::tell_redis(redis, user, settings).await {
            tracing::warn!(user = user.as_str(), %error, "Redis was not told of a mailbox's settings");
        }
    }

    fn note_skipped(&mut self, user: &Username, skip: Skip) {
        let (name, outcome) = (user.as_str(), Outcome::Skipped(skip));
        self.note(user, Told { name, outcome, is_unmapped: false, has_mailbox: false });
    }

    fn note(&mut self, user: &Username, told: Told<'_>) {
        if let Outcome::Skipped(skip) = told.outcome {
            tracing::debug!(user = user.as_str(), reason = skip.code(), "skipped by the sync");
        }
        self.report.count(Some(user), told.outcome);
        self.journal.tell(told);
    }
}

impl From<sql::Error> for Trouble {
    fn from(error: sql::Error) -> Self {
        Self::Database(error)
    }
}
