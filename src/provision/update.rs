//! Templates that changed: what of a mailbox follows, and what an administrator's hand keeps.
//!
//! The template as it was applied last is remembered in full. A field is written only when the template's own
//! value for it changed since then, so that what was set by hand stays until the template says something new.
//! Where nothing is remembered, mailcow's fingerprint in the mailbox tells whether the template is applied;
//! if it is not, all its fields are written, as mailcow does. `active` and the name never are.

use std::time::Instant;

use super::plan::{RedisSettings, owner};
use super::template::{SWITCHES, Template, TemplateAttributes};
use super::{Identity, Provisioner, RateLimit};
use crate::auth::{ProvisionRefusal, TempFail};
use crate::backend::sql::{Change, Database, StoredPerson, MailboxChanges, StoredTemplate};

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// Nothing to do: no mapping, no such template, applied already, another person's mailbox, or refused lately.
    NotDue,
    /// The mailbox follows its template. The settings are for Redis; what did not change there is left alone.
    Applied(RedisSettings),
    /// The same, but for the quota, which does not fit the domain and is tried again later.
    QuotaRefused(ProvisionRefusal, RedisSettings),
}

impl Provisioner {
    /// Applies the template of a person who has a mailbox, if it changed. To be run off the login path, for
    /// mailboxes whose `authsource` is Keycloak.
    ///
    /// Reads two small tables, and writes nothing when nothing changed.
    ///
    /// # Errors
    /// The database cannot be asked. No login depends on it.
    pub async fn update_if_due(
        &self,
        database: &Database,
        person: &Identity,
        now: Instant,
    ) -> Result<Update, TempFail> {
        let known = database.person_of(&person.user).await.map_err(|error| error.temp_fail())?;
        self.update_known_if_due(database, person, known.as_ref(), now).await
    }

    /// The same, where it was just read who has the mailbox and which template it follows.
    ///
    /// # Errors
    /// As [`update_if_due`](Self::update_if_due).
    pub async fn update_known_if_due(
        &self,
        database: &Database,
        person: &Identity,
        known: Option<&StoredPerson>,
        now: Instant,
    ) -> Result<Update, TempFail> {
        let user = &person.user;
        let rules = self.rules.get();
        let Some(name) = rules.mapping()?.mapped(person.template.as_deref()) else {
            return Ok(Update::NotDue);
        };
        if self.updates_refused.still_refused(user, now).is_some() {
            return Ok(Update::NotDue);
        }
        let stored = database.templates().await.map_err(|error| error.temp_fail())?;
        let Ok(template) = Template::find(&stored, name) else { return Ok(Update::NotDue) };
        if !is_due(known, person, &template) {
            return Ok(Update::NotDue);
        }
        let applied = known.and_then(|known| applied_before(known, &stored));
        let quota_is_due = known.is_some_and(|known| known.template_fingerprint.as_deref() == Some(""));
        let changes = changes(person, &template, applied.as_ref(), quota_is_due);
        let redis = changed_in_redis(&template, applied.as_ref());
        match database.change_mailbox(&changes).await.map_err(|error| error.temp_fail())? {
            Change::Applied => Ok(Update::Applied(redis)),
            Change::QuotaRefused(refusal) => {
                self.updates_refused.refuse(user, refusal, now);
                Ok(Update::QuotaRefused(refusal, redis))
            }
            Change::AppliedBefore | Change::MailboxGone => Ok(Update::NotDue),
        }
    }
}

pub(super) fn is_due(known: Option<&StoredPerson>, person: &Identity, template: &Template) -> bool {
    let Some(known) = known else { return true };
    if known.keycloak_id != person.keycloak_id {
        return false;
    }
    known.template_name.as_deref() != Some(template.name.as_str())
        || known.template_fingerprint.as_deref() != Some(template.attribute_hash().as_str())
}

/// The template as it was applied last, with today's first template below it.
fn applied_before(known: &StoredPerson, stored: &[StoredTemplate]) -> Option<TemplateAttributes> {
    const NAME: &str = "as applied";
    let attributes = known.template_attributes.clone()?;
    let mut layers: Vec<StoredTemplate> = stored.first().cloned().into_iter().collect();
    layers.iter_mut().for_each(|first| first.name.clear());
    layers.push(StoredTemplate { name: NAME.to_owned(), attributes });
    Template::find(&layers, NAME).ok().map(|template| template.attributes)
}

fn changes(
    person: &Identity,
    template: &Template,
    applied: Option<&TemplateAttributes>,
    quota_is_due: bool,
) -> MailboxChanges {
    let new = &template.attributes;
    let mut attributes = Vec::new();
    for (index, key) in SWITCHES.into_iter().enumerate() {
        if applied.is_none_or(|applied| applied.switches[index] != new.switches[index]) {
            attributes.push((key, new.switches[index].to_string()));
        }
    }
    for (key, text, before) in [
        (
            "quarantine_notification",
            &new.quarantine_notification,
            applied.map(|applied| &applied.quarantine_notification),
        ),
        (
            "quarantine_category",
            &new.quarantine_category,
            applied.map(|applied| &applied.quarantine_category),
        ),
    ] {
        if before != Some(text) {
            attributes.push((key, text.clone()));
        }
    }
    attributes.push(("attribute_hash", template.attribute_hash()));
    let quota = quota_is_due || applied.is_none_or(|applied| applied.quota_mib != new.quota_mib);
    let is_new_tag = |tag: &&String| applied.is_none_or(|applied| !applied.tags.contains(tag));
    MailboxChanges {
        user: person.user.clone(),
        quota_mib: quota.then_some(new.quota_mib),
        attributes,
        tags: new.tags.iter().filter(is_new_tag).cloned().collect(),
        acl: applied.is_none_or(|applied| applied.acl != new.acl).then_some(new.acl),
        unless_applied: applied.is_none(),
        owner: owner(person, template),
    }
}

fn changed_in_redis(template: &Template, applied: Option<&TemplateAttributes>) -> RedisSettings {
    let mut settings = RedisSettings::of(&template.attributes);
    if let Some(applied) = applied.map(RedisSettings::of) {
        if applied.rate_limit == settings.rate_limit {
            settings.rate_limit = RateLimit::Leave;
        }
        if applied.tagged_mail == settings.tagged_mail {
            settings.tagged_mail = None;
        }
    }
    settings
}
