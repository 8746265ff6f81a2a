//! People who have no mailbox yet: those of a page get theirs together.

use std::sync::Arc;

use tokio::time::Instant;

use super::due::failed;
use super::newcomer::{Newcomer, Settled};
use super::report::{Outcome, Skip};
use super::run::Run;
use crate::auth::{NotAccepted, TempFailReason, Username};
use crate::backend::keycloak::{Client, Person};
use crate::provision::{Identity, NewMailbox, Provisioned};

impl Run<'_> {
    /// Looks whether somebody who has no mailbox gets one.
    pub(super) async fn import(
        &mut self,
        client: &Client,
        person: &Person,
        identity: &Identity,
    ) -> Result<Settled, Skip> {
        match (self.sync.imports, self.request.dry_run) {
            (true, _) => self.plan_mailbox(client, person, identity).await,
            // A dry run says how many they would be, so that a limit can be chosen.
            (false, true) => self.plan_mailbox(client, person, identity).await.map_err(|_| Skip::NotImported),
            (false, false) => Err(Skip::NotImported),
        }
    }

    async fn plan_mailbox(
        &mut self,
        client: &Client,
        person: &Person,
        identity: &Identity,
    ) -> Result<Settled, Skip> {
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
        let made = self.report.created + self.newcomers.len() as u64;
        if self.sync.imports && self.sync.config.import_limit.is_some_and(|limit| made >= limit) {
            return Err(Skip::ImportLimit);
        }
        if !self.request.dry_run {
            let provisioner = &self.sync.parts.provisioner;
            provisioner.check_not_refused(user, Instant::now().into_std()).map_err(Skip::Refused)?;
        }
        Ok(Settled::Wants(Box::new(plan)))
    }

    /// Makes the mailboxes that were planned, those of each domain together; a dry run says how that would end.
    pub(super) async fn make_mailboxes(&mut self) {
        let mut newcomers = std::mem::take(&mut self.newcomers);
        newcomers.sort_by(|one, other| one.domain().cmp(other.domain()));
        if self.request.dry_run {
            for newcomer in &newcomers {
                self.foresee(newcomer).await;
            }
            return;
        }
        for of_domain in newcomers.chunk_by(|one, other| one.domain() == other.domain()) {
            let plan =
                |newcomer: &Newcomer| (NewMailbox::clone(&newcomer.plan), self.name_of(&newcomer.identity));
            let (plans, now) = (of_domain.iter().map(plan).collect(), Instant::now().into_std());
            let parts = &self.sync.parts;
            let ends = parts.provisioner.import(&parts.database, plans, now).await;
            for (Newcomer { identity, .. }, end) in of_domain.iter().zip(ends) {
                let outcome = self.welcome(identity, end).await;
                self.note_person(identity, outcome.unwrap_or_else(Outcome::Skipped), false);
            }
        }
    }

    async fn foresee(&mut self, Newcomer { identity, plan }: &Newcomer) {
        let database = Arc::clone(&self.sync.parts.database);
        let end = self.foresight.import(&database, plan, self.sync.imports).await;
        let outcome = match end {
            end if self.sync.imports => end.unwrap_or_else(Outcome::Skipped),
            end => {
                self.report.importable += u64::from(end == Ok(Outcome::Created));
                Outcome::Skipped(Skip::NotImported)
            }
        };
        self.note_person(identity, outcome, false);
    }

    /// What follows a mailbox that was made, or why it was not.
    async fn welcome(
        &mut self,
        identity: &Identity,
        end: Result<Provisioned, NotAccepted>,
    ) -> Result<Outcome, Skip> {
        let user = &identity.user;
        let settings = match end {
            Ok(Provisioned::Created(settings)) => settings,
            Ok(Provisioned::AlreadyThere) => return Ok(Outcome::Unchanged),
            Err(NotAccepted::Refused(_)) => {
                let (user, keycloak_id) = (user.as_str(), &identity.keycloak_id);
                tracing::warn!(user, keycloak_id, "the mailbox belongs to a person with another Keycloak id");
                return Err(Skip::Conflict);
            }
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
        Ok(Outcome::Created)
    }
}
