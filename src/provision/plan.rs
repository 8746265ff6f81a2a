//! What a new mailbox will be: pure values, from the person and the template. No I/O here.

use super::Identity;
use super::template::{RateLimit, SWITCHES, TaggedMail, Template, TemplateAttributes};
use crate::auth::{ProvisionRefusal, Username};
use crate::backend::sql::{MailboxOwner, NewMailboxRows};

const QUARANTINE_CATEGORIES: [&str; 3] = ["add_header", "reject", "all"];
const MAILBOX_FORMAT: &str = "maildir:";
/// The width of mailcow's column, in characters.
const LONGEST_NAME: usize = 255;

/// A new mailbox: its rows, and what Redis keeps about it.
#[derive(Clone, Debug, PartialEq)]
pub struct NewMailbox {
    /// What goes into SQL, in one transaction.
    pub rows: NewMailboxRows,
    /// What goes into Redis afterwards, where mailcow has one.
    pub redis: RedisSettings,
}

/// What mailcow keeps in Redis about a mailbox, under its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    /// The field in `RL_VALUE`.
    pub rate_limit: RateLimit,
    /// The fields in `RCPT_WANTS_SUBFOLDER_TAG` and `RCPT_WANTS_SUBJECT_TAG`; `None` leaves them alone.
    pub tagged_mail: Option<TaggedMail>,
}

impl NewMailbox {
    /// Plans a mailbox.
    ///
    /// # Errors
    /// [`ProvisionRefusal::MailboxInvalid`] and [`ProvisionRefusal::QuarantineCategoryInvalid`]: what mailcow
    /// refuses before it looks into the database, in its order.
    pub fn plan(person: &Identity, template: &Template) -> Result<Self, ProvisionRefusal> {
        let user = &person.user;
        if !is_mailbox_name(user) {
            return Err(ProvisionRefusal::MailboxInvalid);
        }
        let attributes = &template.attributes;
        if !QUARANTINE_CATEGORIES.contains(&attributes.quarantine_category.as_str()) {
            return Err(ProvisionRefusal::QuarantineCategoryInvalid);
        }
        let rows = NewMailboxRows {
            user: user.clone(),
            name: display_name(person),
            quota_mib: attributes.quota_mib,
            active: attributes.active,
            attributes: attributes_json(template),
            tags: attributes.tags.clone(),
            acl: attributes.acl,
            owner: Some(owner(person, template)),
        };
        Ok(Self { rows, redis: RedisSettings::of(attributes) })
    }

    /// Keeps the person's name, or leaves it empty.
    pub(super) fn named(mut self, is_wanted: bool) -> Self {
        if !is_wanted {
            self.rows.name.clear();
        }
        self
    }
}

impl RedisSettings {
    pub(super) fn of(attributes: &TemplateAttributes) -> Self {
        Self { rate_limit: attributes.rate_limit.clone(), tagged_mail: attributes.tagged_mail }
    }
}

/// Who has the mailbox and with which template.
pub(super) fn owner(person: &Identity, template: &Template) -> MailboxOwner {
    MailboxOwner {
        keycloak_id: person.keycloak_id.clone(),
        source: person.source.clone(),
        template_name: template.name.clone(),
        template_fingerprint: template.attribute_hash(),
        template_attributes: template.text.clone(),
    }
}

/// mailcow takes the name through PHP's `FILTER_VALIDATE_EMAIL`, which knows ASCII only; what [`Username`] has
/// checked already is not checked again.
fn is_mailbox_name(user: &Username) -> bool {
    let in_local_part = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c);
    let (local, domain) = (user.local_part(), user.domain());
    let Some((_, last_label)) = domain.rsplit_once('.') else { return false };
    // PHP takes a local part `0` for an empty one.
    local != "0"
        && local.chars().all(in_local_part)
        && last_label.starts_with(|c: char| c.is_ascii_lowercase())
}

/// First and last name, as mailcow's sync joins them, without the `<` and `>` around an address. mailcow leaves
/// the name empty at a login.
pub(super) fn display_name(person: &Identity) -> String {
    let name = format!("{} {}", person.first_name.trim(), person.last_name.trim());
    let name = name.trim().trim_end_matches('>').trim_start_matches('<').trim();
    name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect()
}

/// The column `attributes`: mailcow's keys in mailcow's order, all values texts, spaced as MariaDB spaces JSON.
/// The database puts the time into `passwd_update`.
fn attributes_json(template: &Template) -> String {
    let attributes = &template.attributes;
    let switches = SWITCHES.into_iter().zip(attributes.switches.map(|number| number.to_string()));
    let mut pairs = vec![("force_pw_update", "0".to_owned())];
    pairs.extend(switches);
    pairs.extend([
        ("relayhost", "0".to_owned()),
        ("passwd_update", String::new()),
        ("mailbox_format", MAILBOX_FORMAT.to_owned()),
        ("quarantine_notification", attributes.quarantine_notification.clone()),
        ("quarantine_category", attributes.quarantine_category.clone()),
        ("attribute_hash", template.attribute_hash()),
    ]);
    let pairs = pairs.into_iter().map(|(key, text)| format!("\"{key}\": {}", serde_json::Value::from(text)));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
