//! One person: whether something differs, and if so, what is written. One bad person never stops the run.

use std::sync::Arc;

use tokio::time::Instant;

use super::Trouble;
use super::report::{Outcome, Skip};
use super::run::Run;
use crate::auth::{NotAccepted, TempFailReason, Username};
use crate::backend::keycloak::{Client, Entry, Listed, Person};
use crate::backend::sql;
use crate::backend::sql::{Creation, Mark, Standing, StandingMailbox};
use crate::jobs::bookkeeping;
use crate::provision::{Identity, Provisioned, RedisSettings, Update};

/// What differs in a mailbox that is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Due {
    /// Nobody is remembered as its owner.
    owner: bool,
    /// Keycloak's name is another one than was remembered.
    name: bool,
    /// The mailbox gets it.
    name_to_mailbox: bool,
    template: bool,
    /// What stays when their id changes is not remembered.
    mark: bool,
    /// The sync has switched it off.
    restore: bool,
}

impl Due {
    fn find(
        mailbox: &StandingMailbox,
        standing: &Standing,
        (name, mark): (&str, Option<&Mark>),
        template: bool,
    ) -> Self {
        let is_new = !name.is_empty() && standing.source_name.as_deref() != Some(name);
        // What was written by hand stays until Keycloak says something new.
        let is_free = standing.source_name.is_some() || mailbox.name.trim().is_empty();
        Self {
            owner: standing.person.is_none(),
            name: is_new,
            name_to_mailbox: is_new && is_free && mailbox.name != name,
            template,
            mark: mark.is_some() && mark != standing.mark.as_ref(),
            restore: standing.switched_off,
        }
    }

    /// What an administrator would see of it.
    fn outcome(self) -> Outcome {
        match self {
            Self { restore: true, .. } => Outcome::Restored,
            Self { template: true, .. } | Self { name_to_mailbox: true, .. } => Outcome::Changed,
            _ => Outcome::Unchanged,
        }
    }
}

impl Run<'_> {
    /// Looks at a page of people.
    pub(super) async fn take_page(&mut self, client: &Arc<Client>, page: Vec<Listed>) -> Result<(), Trouble> {
        let mut people = Vec::new();
        for listed in page {
            self.report.seen += 1;
            let skip = match listed.entry {
                // Two people have one address: no login could tell them apart.
                Entry::Person(person) if !self.addresses.insert(person.address.clone()) => {
                    self.note(Some(&person.address), Outcome::Skipped(Skip::Conflict), false);
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
                    self.note(Some(&address), Outcome::Skipped(skip), false);
                    continue;
                }
                Entry::NoAddress => Skip::NoAddress,
                Entry::BadAddress => Skip::BadAddress,
                Entry::ServiceAccount => Skip::ServiceAccount,
                Entry::Unreadable => Skip::Unreadable,
            };
            self.note(None, Outcome::Skipped(skip), false);
        }
        let addresses = people.iter().map(|person| person.address.clone()).collect();
        let standings = self.sync.parts.database.standings(addresses).await?;
        for (person, standing) in people.iter().zip(standings) {
            self.keep_lease().await?;
            self.take_person(client, person, &standing).await;
        }
        self.journal.send(self.sync.parts.redis.as_mut()).await;
        Ok(())
    }

    /// Looks at a person, and says what became of that.
    pub(super) async fn take_person(&mut self, client: &Arc<Client>, person: &Person, standing: &Standing) {
        let identity = Identity::new(person);
        let outcome = match self.settle(client, (person, &identity), standing).await {
            Ok(outcome) => outcome,
            Err(skip) => Outcome::Skipped(skip),
        };
        if matches!(outcome, Outcome::Skipped(Skip::Conflict)) {
            let (user, keycloak_id) = (identity.user.as_str(), &identity.keycloak_id);
            tracing::warn!(user, keycloak_id, "the mailbox belongs to a person with another Keycloak id");
        }
        let is_unmapped = self.rulebook.is_unmapped(&identity);
        self.note(Some(&identity.user), outcome, is_unmapped);
    }

    async fn settle(
        &mut self,
        client: &Arc<Client>,
        (person, identity): (&Person, &Identity),
        standing: &Standing,
    ) -> Result<Outcome, Skip> {
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
            Some(mailbox) => self.follow(client, (person, identity), (mailbox, standing)).await,
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
        let name = identity.display_name();
        let template = self.rulebook.is_update_due(standing.person.as_ref(), identity);
        let due = Due::find(mailbox, standing, (&name, identity.mark.as_ref()), template);
        if due == Due::default() {
            return Ok(Outcome::Unchanged);
        }
        self.check_demands(client, person).await?;
        if self.request.dry_run {
            return Ok(due.outcome());
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
    async fn note_mark(&mut self, identity: &Identity) {
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

    /// Makes a mailbox for somebody who has none.
    async fn import(
        &mut self,
        client: &Client,
        person: &Person,
        identity: &Identity,
    ) -> Result<Outcome, Skip> {
        let is_wanted = self.sync.imports;
        // A dry run says how many they would be, so that a limit can be chosen.
        if !is_wanted && !self.request.dry_run {
            return Err(Skip::NotImported);
        }
        let (database, user) = (Arc::clone(&self.sync.parts.database), &identity.user);
        let other =
            database.mailbox_of_id(&identity.keycloak_id).await.map_err(|error| failed(user, &error))?;
        if let Some(other) = other.filter(|other| Username::parse(other.as_bytes()).as_ref() != Ok(user)) {
            let (user, mailbox) = (user.as_str(), other);
            tracing::warn!(user, mailbox, "a person's address changed; no second mailbox is made");
            return Err(Skip::AddressChanged);
        }
        self.check_demands(client, person).await?;
        let plan = self.rulebook.plan(identity).map_err(Skip::Refused)?;
        if self.sync.config.import_limit.is_some_and(|limit| self.report.created >= limit) {
            return Err(Skip::ImportLimit);
        }
        if self.request.dry_run {
            let end = database.would_create(&plan.rows).await;
            return match end.map_err(|error| failed(user, &error))? {
                Creation::Created if !is_wanted => {
                    self.report.importable += 1;
                    Err(Skip::NotImported)
                }
                Creation::Created => Ok(Outcome::Created),
                Creation::AlreadyThere => Ok(Outcome::Unchanged),
                Creation::OtherPerson => Err(Skip::Conflict),
                Creation::Refused(refusal) => Err(Skip::Refused(refusal)),
            };
        }
        let parts = &self.sync.parts;
        let settings = match parts.provisioner.provision(&database, identity, Instant::now().into_std()).await
        {
            Ok(Provisioned::Created(settings)) => settings,
            Ok(Provisioned::AlreadyThere) => return Ok(Outcome::Unchanged),
            Err(NotAccepted::Refused(_)) => return Err(Skip::Conflict),
            Err(NotAccepted::CannotTell(trouble)) => match trouble.reason {
                TempFailReason::Provisioning(refusal) => return Err(Skip::Refused(refusal)),
                _ => return Err(failed(user, &trouble)),
            },
        };
        tracing::info!(
            user = user.as_str(),
            template = identity.template.as_deref(),
            "mailbox made by the sync"
        );
        self.tell_redis(user, &settings).await;
        self.note_mark(identity).await;
        let name = identity.display_name();
        if !name.is_empty()
            && let Err(error) = database.follow_name(user.as_str(), &name, false).await
        {
            // The next run writes it.
            failed(user, &error);
        }
        Ok(Outcome::Created)
    }

    async fn check_demands(&self, client: &Client, person: &Person) -> Result<(), Skip> {
        match client.find_unmet(person).await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(Skip::Filtered),
            Err(error) => Err(failed(&person.address, &error)),
        }
    }

    async fn tell_redis(&mut self, user: &Username, settings: &RedisSettings) {
        let Some(redis) = &mut self.sync.parts.redis else { return };
        if let Err(error) = bookkeeping::tell_redis(redis, user, settings).await {
            tracing::warn!(user = user.as_str(), %error, "Redis was not told of a mailbox's settings");
        }
    }

    fn note(&mut self, user: Option<&Username>, outcome: Outcome, is_unmapped: bool) {
        if let (Some(user), Outcome::Skipped(skip)) = (user, outcome) {
            tracing::debug!(user = user.as_str(), reason = skip.code(), "skipped by the sync");
        }
        self.report.count(user, outcome);
        self.journal.tell(user, outcome, is_unmapped);
    }
}

/// Trouble with one person, which the next run tries again.
fn failed(user: &Username, error: &dyn std::fmt::Display) -> Skip {
    tracing::warn!(user = user.as_str(), %error, "the sync could not finish with a person");
    Skip::Failed
}

impl From<sql::Error> for Trouble {
    fn from(error: sql::Error) -> Self {
        Self::Database(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(mailbox_name: &str, source_name: Option<&str>, keycloak_name: &str) -> Due {
        let mailbox = StandingMailbox {
            stored: "a@example.org".to_owned(),
            name: mailbox_name.to_owned(),
            is_resource: false,
            is_keycloaks: true,
        };
        let standing = Standing { source_name: source_name.map(str::to_owned), ..Standing::default() };
        Due { owner: false, ..Due::find(&mailbox, &standing, (keycloak_name, None), false) }
    }

    #[test]
    fn a_name_follows_keycloak_but_never_a_hand() {
        let nothing = Due::default();
        let known = Due { name: true, ..nothing };
        let written = Due { name: true, name_to_mailbox: true, ..nothing };
        assert_eq!(due("Ann Ode", Some("Ann Ode"), "Ann Ode"), nothing);
        // By hand, and Keycloak has said nothing new since.
        assert_eq!(due("Dr. Ode", Some("Ann Ode"), "Ann Ode"), nothing);
        assert_eq!(due("Dr. Ode", Some("Ann Ode"), "Ann Odessa"), written);
        // Seen for the first time.
        assert_eq!(due("", None, "Ann Ode"), written);
        assert_eq!(due("Dr. Ode", None, "Ann Ode"), known);
        // Edge case 58: no name in Keycloak empties no name here.
        assert_eq!(due("Dr. Ode", Some("Ann Ode"), ""), nothing);
    }

    #[test]
    fn what_only_keydove_remembers_is_no_change_of_a_mailbox() {
        assert_eq!(Due { owner: true, name: true, ..Due::default() }.outcome(), Outcome::Unchanged);
        assert_eq!(Due { template: true, ..Due::default() }.outcome(), Outcome::Changed);
        assert_eq!(Due { template: true, restore: true, ..Due::default() }.outcome(), Outcome::Restored);
    }
}
