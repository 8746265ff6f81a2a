//! Templates that changed: what of a mailbox follows, and what an administrator's hand keeps.
//!
//! The template as it was applied last is remembered in full. A field is written only when the template's own
//! value for it changed since then, so that what was set by hand stays until the template says something new.
//! A field that users set themselves (`fields`) is written only where nobody has: it is still as the template, or
//! mailcow, left it. mailcow's fingerprint in the mailbox tells whether mailcow has applied the template meanwhile.
//! Where it has not and nothing is remembered, all fields of the template are written, as mailcow does. `active` and
//! the name never are.

use std::time::Instant;

use super::fields::{Holder, holder_of_attribute};
use super::plan::{RedisSettings, owner};
use super::template::{SWITCHES, Template, TemplateAttributes};
use super::{Identity, Mapping, Provisioner, RateLimit};
use crate::auth::{ProvisionRefusal, TempFail};
use crate::backend::sql::{
    AttributeChange, Change, Database, MailboxChanges, OwnerDigest, StoredPerson, StoredTemplate,
};

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
        let mapping = rules.mapping()?;
        if mapping.mapped(person.template.as_deref()).is_none()
            || self.updates_refused.still_refused(user, now).is_some()
        {
            return Ok(Update::NotDue);
        }
        let stored = database.templates().await.map_err(|error| error.temp_fail())?;
        let Some(DueUpdate { changes, redis }) = due_update(mapping, &stored, person, known) else {
            return Ok(Update::NotDue);
        };
        match database.change_mailbox(&changes).await.map_err(|error| error.temp_fail())? {
            Change::Applied => Ok(Update::Applied(redis)),
            Change::QuotaRefused(refusal) => {
                self.updates_refused.refuse(user, refusal, now);
                Ok(Update::QuotaRefused(refusal, redis))
            }
            Change::AppliedBefore | Change::MailboxGone => Ok(Update::NotDue),
        }
    }

    /// Whether a template is meant for a person.
    ///
    /// # Errors
    /// The rules are not known.
    pub fn is_mapped(&self, person: &Identity) -> Result<bool, TempFail> {
        Ok(self.rules.get().mapping()?.mapped(person.template.as_deref()).is_some())
    }

    /// Whether the mailbox of a person follows one of these templates, or none is theirs, by what is remembered of its
    /// owner. Asks nobody. If not, [`update_if_due`](Self::update_if_due) says what is to be done.
    ///
    /// # Errors
    /// The rules are not known.
    pub fn follows(
        &self,
        stored: &[StoredTemplate],
        person: &Identity,
        remembered: OwnerDigest,
    ) -> Result<bool, TempFail> {
        let rules = self.rules.get();
        let Some(name) = rules.mapping()?.mapped(person.template.as_deref()) else { return Ok(true) };
        let Ok(template) = Template::find(stored, name) else { return Ok(true) };
        Ok(remembered.is_of_template(&template.name, &template.attribute_hash()))
    }
}

/// What a template that changed means for one mailbox.
#[derive(Clone, Debug)]
pub(super) struct DueUpdate {
    pub(super) changes: MailboxChanges,
    redis: RedisSettings,
}

/// `None`: no mapping fits, there is no such template, it is applied, or somebody else has the mailbox.
pub(super) fn due_update(
    mapping: &Mapping,
    stored: &[StoredTemplate],
    person: &Identity,
    known: Option<&StoredPerson>,
) -> Option<DueUpdate> {
    let template = Template::find(stored, mapping.mapped(person.template.as_deref())?).ok()?;
    if !is_due(known, person, &template) {
        return None;
    }
    let applied = known.and_then(|known| applied_before(known, stored));
    // As long as its quota waits, a mailbox has the fingerprint of an earlier template.
    let quota_is_due = known.is_some_and(|known| known.template_fingerprint.as_deref() == Some(""));
    let last = LastApplied { applied: applied.as_ref(), seeded: Template::seeded(stored), quota_is_due };
    let changes = changes(person, &template, &last);
    Some(DueUpdate { changes, redis: changed_in_redis(&template, applied.as_ref()) })
}

fn is_due(known: Option<&StoredPerson>, person: &Identity, template: &Template) -> bool {
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

/// What is known of the template that a mailbox has now.
struct LastApplied<'a> {
    /// As it was applied last, where that is remembered.
    applied: Option<&'a TemplateAttributes>,
    /// What a mailbox has if its template says nothing.
    seeded: TemplateAttributes,
    /// All of it but the quota is applied.
    quota_is_due: bool,
}

impl LastApplied<'_> {
    /// A text attribute that is to change because the template says something new.
    fn change(
        &self,
        key: &'static str,
        text: &str,
        of: impl Fn(&TemplateAttributes) -> String,
    ) -> Option<AttributeChange> {
        let before = self.applied.map(&of);
        if before.as_deref() == Some(text) {
            return None;
        }
        let unchosen = match holder_of_attribute(key) {
            Holder::Template => None,
            Holder::User => Some(vec![before.unwrap_or_else(|| of(&self.seeded))]),
            Holder::Administrator => return None,
        };
        Some(AttributeChange { key, text: text.to_owned(), unchosen })
    }
}

fn changes(person: &Identity, template: &Template, last: &LastApplied<'_>) -> MailboxChanges {
    let (new, applied) = (&template.attributes, last.applied);
    let mut attributes = Vec::new();
    for (index, key) in SWITCHES.into_iter().enumerate() {
        let text = new.switches[index].to_string();
        attributes.extend(last.change(key, &text, |of| of.switches[index].to_string()));
    }
    let (notification, category) = (&new.quarantine_notification, &new.quarantine_category);
    attributes.extend(
        last.change("quarantine_notification", notification, |of| of.quarantine_notification.clone()),
    );
    attributes.extend(last.change("quarantine_category", category, |of| of.quarantine_category.clone()));
    let hash = template.attribute_hash();
    attributes.push(AttributeChange { key: "attribute_hash", text: hash, unchosen: None });
    let quota = last.quota_is_due || applied.is_none_or(|applied| applied.quota_mib != new.quota_mib);
    let is_new_tag = |tag: &&String| applied.is_none_or(|applied| !applied.tags.contains(tag));
    let is_new_right =
        |(right, granted): &(&str, bool)| applied.is_none_or(|applied| applied.acl.has(right) != *granted);
    MailboxChanges {
        user: person.user.clone(),
        quota_mib: quota.then_some(new.quota_mib),
        attributes,
        tags: new.tags.iter().filter(is_new_tag).cloned().collect(),
        acl: new.acl.iter().filter(is_new_right).collect(),
        unless_applied: !last.quota_is_due,
        owner: owner(person, template),
    }
}

/// Where mail for `name+tag` goes is its user's choice once the mailbox is there.
fn changed_in_redis(template: &Template, applied: Option<&TemplateAttributes>) -> RedisSettings {
    let new = &template.attributes.rate_limit;
    let rate_limit = match applied.is_some_and(|applied| applied.rate_limit == *new) {
        true => RateLimit::Leave,
        false => new.clone(),
    };
    RedisSettings { rate_limit, tagged_mail: None }
}
