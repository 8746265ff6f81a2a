//! Mailboxes for people who have none yet: which template, which rows, and what stands against it.
//!
//! Whether the person may log in at all, and whether the password is right, has been decided before anybody asks
//! here. A rule that stands against a mailbox is "cannot tell" with its reason, never a refusal.
//!
//! * [`Provisioner::provision`] makes a mailbox, before the login is answered; [`Provisioner::rehearse`] makes it and
//!   takes it back. [`Provisioner::import`] makes those of the sync, many in one transaction.
//! * [`Provisioner::update_if_due`] applies a template that changed, off the login path.
//!
//! What mailcow keeps in Redis is handed back to the caller; nothing here talks to Redis.

mod backoff;
mod config;
mod fields;
mod identity;
mod mapping;
mod names;
mod php;
mod plan;
mod reserved;
mod rulebook;
mod rules;
mod template;
mod template_text;
mod update;

use std::time::{Duration, Instant};

use crate::auth::{Denial, NotAccepted, ProvisionRefusal, TempFail, TempFailReason, Username};
use crate::backend::sql;
use crate::backend::sql::{Announced, Creation, Database, ImportedMailbox, Mailbox};
use crate::settings::Live;
use backoff::BackOff;
use reserved::Reserved;

pub use config::Config;
pub use fields::{FIELDS, Field, FieldPlace, Holder};
pub use identity::Identity;
pub use mapping::Mapping;
pub use names::Names;
pub use php::json_encode;
pub use plan::{NewMailbox, RedisSettings};
pub use reserved::{RESERVED_NAMES, ReservedName};
pub use rulebook::Rulebook;
pub use rules::Rules;
pub use template::{RateLimit, TaggedMail, Template, TemplateAttributes};
pub use template_text::{Kind, TemplateFault, TemplateText};
pub use update::Update;

/// How many refused mailboxes are remembered: about 20 MB at the most.
const REMEMBERED: usize = 65_536;
/// A quota that does not fit is tried again so often.
const UPDATE_PAUSE: Duration = Duration::from_secs(600);

/// Makes mailboxes and keeps them in line with their templates.
pub struct Provisioner {
    rules: Live<Rules>,
    reserved: Reserved,
    names: Names,
    refused: BackOff,
    updates_refused: BackOff,
    /// A rehearsal asks for the rules, and tries nothing out.
    only_reads: bool,
}

/// A mailbox that is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provisioned {
    /// Made here. The settings are for Redis, where mailcow has one.
    Created(RedisSettings),
    /// Made by a login at the same moment, which also tells Redis.
    AlreadyThere,
}

/// A mailbox that a first login would get.
#[derive(Debug)]
pub struct Rehearsed {
    /// The name of the template.
    pub template: String,
    /// As it would be; `None` where somebody has made it meanwhile.
    pub mailbox: Option<Mailbox>,
}

/// Which login makes a mailbox.
enum Made {
    /// This one.
    Now,
    /// Another one, which was quicker.
    Before,
}

impl Provisioner {
    /// Prepares from keydove's own settings.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self::with(config, Live::new(Rules::of(config)), Names::Always)
    }

    /// The same with rules that change while keydove runs: mailcow's own.
    #[must_use]
    pub fn with_rules(config: &Config, rules: Live<Rules>) -> Self {
        Self::with(config, rules, Names::Sync)
    }

    /// `names` is what counts where the settings say nothing.
    fn with(config: &Config, rules: Live<Rules>, names: Names) -> Self {
        let refused = BackOff::new(config.retry_after.get(), REMEMBERED);
        let updates_refused = BackOff::new(UPDATE_PAUSE, REMEMBERED);
        let names = config.names.unwrap_or(names);
        Self { rules, reserved: Reserved::of(config), names, refused, updates_refused, only_reads: false }
    }

    /// The same for a database user that may only read: [`rehearse`](Self::rehearse) asks for the rules, and tries nothing
    /// out that would need a right to write.
    #[must_use]
    pub fn that_only_reads(mut self) -> Self {
        self.only_reads = true;
        self
    }

    /// Whether mailboxes may be made. If not, somebody without a mailbox is unknown. While nobody can tell they may,
    /// and [`provision`](Self::provision) says that nobody can.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.rules.get().may_make()
    }

    /// Makes the mailbox of a person whose password was right, and returns when it is committed.
    ///
    /// A mailbox that is refused is not tried again for a while, so that logins in a loop write and ask nothing.
    ///
    /// # Errors
    /// [`NotAccepted::CannotTell`] with the rule that stands against it, or with the trouble of the database.
    /// [`Denial::UserConflict`] when the address belonged to a person with another Keycloak id.
    pub async fn provision(
        &self,
        database: &Database,
        person: &Identity,
        now: Instant,
    ) -> Result<Provisioned, NotAccepted> {
        let plan = match self.plan(database, person, now).await? {
            Ok(plan) => plan.named(self.names.at_login()),
            Err(refusal) => return Err(self.refuse(&person.user, refusal, now)),
        };
        let end = database.create_mailbox(&plan.rows).await;
        match judge(end)? {
            Ok(Made::Now) => Ok(Provisioned::Created(plan.redis)),
            Ok(Made::Before) => Ok(Provisioned::AlreadyThere),
            Err(refusal) => Err(self.refuse(&person.user, refusal, now)),
        }
    }

    /// Makes those that the sync has planned by a [`Rulebook`], all of one domain. Says how each ended.
    ///
    /// # Errors
    /// Of each, as [`provision`](Self::provision).
    pub async fn import(
        &self,
        database: &Database,
        of_one_domain: Vec<(NewMailbox, String)>,
        now: Instant,
    ) -> Vec<Result<Provisioned, NotAccepted>> {
        let (mut rows, mut redis) = (Vec::new(), Vec::new());
        for (plan, source_name) in of_one_domain {
            rows.push(ImportedMailbox { rows: plan.rows, source_name });
            redis.push(plan.redis);
        }
        let ends = database.create_mailboxes(&rows).await;
        let made = ends.into_iter().zip(rows.iter().zip(redis));
        made.map(|(end, (mailbox, redis))| match judge(end)? {
            Ok(Made::Now) => Ok(Provisioned::Created(redis)),
            Ok(Made::Before) => Ok(Provisioned::AlreadyThere),
            Err(refusal) => Err(self.refuse(&mailbox.rows.user, refusal, now)),
        })
        .collect()
    }

    /// A mailbox that was refused not long ago, which is not tried again yet.
    ///
    /// # Errors
    /// Why it was refused.
    pub fn check_not_refused(&self, user: &Username, now: Instant) -> Result<(), ProvisionRefusal> {
        self.refused.still_refused(user, now).map_or(Ok(()), Err)
    }

    /// The same, and all of it is taken back: how [`provision`](Self::provision) would end now, and with which mailbox. A
    /// mailbox that is refused here may be tried again at once.
    ///
    /// # Errors
    /// As in [`provision`](Self::provision).
    pub async fn rehearse(
        &self,
        database: &Database,
        person: &Identity,
        now: Instant,
    ) -> Result<Rehearsed, NotAccepted> {
        let refused = |refusal| cannot_tell(&person.user, refusal);
        let plan = self.plan(database, person, now).await?.map_err(refused)?.named(self.names.at_login());
        let end = match self.only_reads {
            true => database.would_create(&plan.rows, Announced::default()).await,
            false => database.rehearse_mailbox(&plan.rows).await,
        };
        let mailbox = match judge(end)?.map_err(refused)? {
            Made::Now => Some(plan.rows.as_mailbox().map_err(|error| error.temp_fail())?),
            Made::Before => None,
        };
        let template = plan.rows.owner.map(|owner| owner.template_name).unwrap_or_default();
        Ok(Rehearsed { template, mailbox })
    }

    /// What would be made, or the rule that stands against it before the database is asked for its own.
    async fn plan(
        &self,
        database: &Database,
        person: &Identity,
        now: Instant,
    ) -> Result<Result<NewMailbox, ProvisionRefusal>, TempFail> {
        let rules = self.rules.get();
        let mapping = rules.mapping()?;
        if let Some(refusal) = self.refused.still_refused(&person.user, now) {
            return Err(cannot_tell(&person.user, refusal));
        }
        if let Err(refusal) = self.reserved.judge(&person.user) {
            return Ok(Err(refusal));
        }
        plan_with(mapping, database, person).await
    }

    fn refuse(&self, user: &Username, refusal: ProvisionRefusal, now: Instant) -> NotAccepted {
        self.refused.refuse(user, refusal, now);
        cannot_tell(user, refusal).into()
    }
}

/// What would be made, or the rule that stands against it.
async fn plan_with(
    mapping: &Mapping,
    database: &Database,
    person: &Identity,
) -> Result<Result<NewMailbox, ProvisionRefusal>, TempFail> {
    let stored = database.templates().await.map_err(|error| error.temp_fail())?;
    Ok(mapping
        .for_new(person.template.as_deref())
        .and_then(|name| Template::find(&stored, name))
        .and_then(|template| NewMailbox::plan(person, &template)))
}

/// What the database's answer means for the login: for a real one and for one that is tried out.
fn judge(end: Result<Creation, sql::Error>) -> Result<Result<Made, ProvisionRefusal>, NotAccepted> {
    match end.map_err(|error| error.temp_fail())? {
        Creation::Created => Ok(Ok(Made::Now)),
        Creation::AlreadyThere => Ok(Ok(Made::Before)),
        Creation::OtherPerson => Err(Denial::UserConflict.into()),
        Creation::Refused(refusal) => Ok(Err(refusal)),
    }
}

fn cannot_tell(user: &Username, refusal: ProvisionRefusal) -> TempFail {
    let detail = format!("creating the mailbox {user}: {}", refusal.code());
    TempFail::new(TempFailReason::Provisioning(refusal), detail)
}

impl std::fmt::Debug for Provisioner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provisioner").field("rules", &self.rules.get()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The daemon runs both on tasks of their own.
    #[test]
    fn what_is_asked_here_may_wait_on_any_task() {
        fn is_send<F: Future + Send>(
            _: fn(&'static Provisioner, &'static Database, &'static Identity, Instant) -> F,
        ) {
        }
        is_send(|provisioner, database, person, now| provisioner.provision(database, person, now));
        is_send(|provisioner, database, person, now| provisioner.update_if_due(database, person, now));
    }

    /// In mailcow a login leaves the name empty, and the sync fills it in.
    #[test]
    fn beside_mailcow_names_come_as_in_mailcow() {
        let names = |provisioner: Provisioner| (provisioner.names.at_login(), provisioner.names.in_sync());
        let rules = || Live::new(Rules::of(&Config::default()));
        assert_eq!(names(Provisioner::new(&Config::default())), (true, true));
        assert_eq!(names(Provisioner::with_rules(&Config::default(), rules())), (false, true));
        for (set, expected) in [("always", (true, true)), ("sync", (false, true)), ("never", (false, false))]
        {
            let config: Config = toml::from_str(&format!("names = '{set}'")).unwrap();
            assert_eq!(names(Provisioner::with_rules(&config, rules())), expected, "{set}");
        }
        assert!(toml::from_str::<Config>("names = 'sometimes'").is_err());
    }

    #[test]
    fn the_rule_is_in_the_reason_and_in_the_words() {
        let user = Username::parse(b"alice@example.org").unwrap();
        let temp_fail = cannot_tell(&user, ProvisionRefusal::IsAlias);
        let expected = "provision_is_alias: creating the mailbox alice@example.org: is_alias";
        assert_eq!(temp_fail.to_string(), expected);
    }
}
