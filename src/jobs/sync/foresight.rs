//! A dry run: what a run would do, with everything that was announced before taken as done.
//!
//! It asks the database what the run would ask, and takes the same answers for the same ends. It only reads, so a database
//! user that may read is enough.

use std::collections::HashMap;

use super::due::{Due, failed};
use super::report::{Outcome, Skip};
use crate::auth::Username;
use crate::backend::sql::{
    Announced, Change, Creation, Database, MailboxChanges, Standing, StandingMailbox, WouldChange,
};
use crate::provision::NewMailbox;

/// The number of a mailbox that is on.
const ON: i64 = 1;
const MIB: i64 = 1 << 20;

/// What a dry run has announced so far.
#[derive(Debug, Default)]
pub(super) struct Foresight {
    /// By domain, because limits are a domain's.
    domains: HashMap<String, Announced>,
    /// Mailboxes of this Keycloak that would be on, and are not among those that are remembered.
    pub(super) on: u64,
}

impl Foresight {
    /// Counts what is announced next for a domain.
    fn add(&mut self, user: &Username, mailboxes: i64, quota_bytes: i64) {
        let announced = self.domains.entry(user.domain().to_owned()).or_default();
        announced.mailboxes += mailboxes;
        announced.quota_bytes = announced.quota_bytes.saturating_add(quota_bytes);
    }

    fn of(&self, user: &Username) -> Announced {
        self.domains.get(user.domain()).copied().unwrap_or_default()
    }

    /// How bringing a mailbox in line would end. `update` is what its template would write.
    pub(super) async fn follow(
        &mut self,
        database: &Database,
        user: &Username,
        (mut due, update): (Due, Option<MailboxChanges>),
        (mailbox, standing): (&StandingMailbox, &Standing),
    ) -> Result<Outcome, Skip> {
        // The run remembers whose it is, however the template ends.
        let is_newly_known = due.owner && mailbox.active == ON;
        self.on += u64::from(is_newly_known);
        if let Some(changes) = update {
            let foreseen = database.would_change(&changes, self.of(user)).await;
            let WouldChange { change, quota_bytes } = foreseen.map_err(|error| failed(user, &error))?;
            self.add(user, 0, quota_bytes);
            due.template = match change {
                Change::Applied => true,
                Change::AppliedBefore | Change::MailboxGone => false,
                Change::QuotaRefused(refusal) => return Err(Skip::Refused(refusal)),
            };
        }
        due.restore = standing.switched_to.is_some_and(|to| to == mailbox.active && to != ON);
        self.on += u64::from(due.restore);
        Ok(due.outcome())
    }

    /// How making a mailbox would end. `is_wanted`: the run would make it.
    pub(super) async fn import(
        &mut self,
        database: &Database,
        plan: &NewMailbox,
        is_wanted: bool,
    ) -> Result<Outcome, Skip> {
        let user = &plan.rows.user;
        let end = database.would_create(&plan.rows, self.of(user)).await;
        match end.map_err(|error| failed(user, &error))? {
            Creation::Created => {
                self.add(user, 1, plan.rows.quota_mib.saturating_mul(MIB));
                self.on += u64::from(plan.rows.active == ON && is_wanted);
                Ok(Outcome::Created)
            }
            Creation::AlreadyThere => Ok(Outcome::Unchanged),
            Creation::OtherPerson => Err(Skip::Conflict),
            Creation::Refused(refusal) => Err(Skip::Refused(refusal)),
        }
    }
}
