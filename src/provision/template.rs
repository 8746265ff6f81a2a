//! A mailbox template: what its JSON says about quota, services, rights, tags and limits.

use serde_json::{Map, Value};
use sha1::{Digest, Sha1};

use super::php::{differs_from_zero, intval, json_encode, strval};
use crate::auth::ProvisionRefusal;
use crate::backend::sql::{StoredTemplate, UserAcl};

/// The last index of a tag that is used: as in mailcow the first 26 are.
const LAST_TAG: u64 = 25;
const MIB: f64 = 1_048_576.0;

/// A template, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// Its name, as stored.
    pub name: String,
    /// The stored JSON, byte for byte.
    pub text: String,
    /// What it says.
    pub attributes: TemplateAttributes,
}

/// What a template says. Numbers stay numbers even where mailcow means yes and no.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateAttributes {
    /// In whole MiB, cut down; 0 is unlimited.
    pub quota_mib: i64,
    /// The mailbox's state at its creation; never applied later.
    pub active: i64,
    /// `force_tfa`, `tls_enforce_in` … in the order of [`SWITCHES`].
    pub(super) switches: [i64; 10],
    /// `never`, `hourly`, `daily` or `weekly`.
    pub quarantine_notification: String,
    /// `add_header`, `reject` or `all`.
    pub quarantine_category: String,
    /// In order, without empty ones; at most 26.
    pub tags: Vec<String>,
    /// What the user may change in mailcow's user interface.
    pub acl: UserAcl,
    /// How much may be sent.
    pub rate_limit: RateLimit,
    /// Where mail for `name+tag` goes; `None` leaves it alone.
    pub tagged_mail: Option<TaggedMail>,
}

/// The numeric attributes of a mailbox that a template sets, in the order in which mailcow writes them.
pub const SWITCHES: [&str; 10] = [
    "force_tfa",
    "tls_enforce_in",
    "tls_enforce_out",
    "sogo_access",
    "imap_access",
    "pop3_access",
    "smtp_access",
    "sieve_access",
    "eas_access",
    "dav_access",
];
/// mailcow's defaults of [`SWITCHES`], where no template has the key.
const SWITCH_DEFAULTS: [i64; 10] = [0, 0, 0, 1, 1, 1, 1, 1, 1, 1];
const DEFAULT_ACTIVE: i64 = 1;
const DEFAULT_QUARANTINE_NOTIFICATION: &str = "hourly";
const DEFAULT_QUARANTINE_CATEGORY: &str = "reject";

/// The field of a mailbox in Redis' hash `RL_VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// The template's unit of time is none, so that nothing is written.
    Leave,
    /// The field is deleted.
    Clear,
    /// The field's value, `10 / 1h` for instance.
    Set(String),
}

/// Where mail for `name+tag` goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaggedMail {
    /// Field 1 in `RCPT_WANTS_SUBFOLDER_TAG`, none in `RCPT_WANTS_SUBJECT_TAG`.
    Subfolder,
    /// Field 1 in `RCPT_WANTS_SUBJECT_TAG`, none in `RCPT_WANTS_SUBFOLDER_TAG`.
    Subject,
    /// A field in neither.
    Inbox,
}

impl Template {
    /// Finds a template by its name, as mailcow does: letter case does not matter, the first of equal names counts.
    ///
    /// `stored` are all mailbox templates, by id: keys that a template lacks are taken from the first one.
    ///
    /// # Errors
    /// [`ProvisionRefusal::TemplateMissing`]: there is none of this name, or it is no JSON object.
    pub fn find(stored: &[StoredTemplate], name: &str) -> Result<Self, ProvisionRefusal> {
        let object = |template: &StoredTemplate| match serde_json::from_str(&template.attributes) {
            Ok(Value::Object(object)) => Some(object),
            _ => None,
        };
        let row = stored.iter().find(|template| template.is_named(name));
        let row = row.ok_or(ProvisionRefusal::TemplateMissing)?;
        let own = object(row).ok_or(ProvisionRefusal::TemplateMissing)?;
        let first = stored.first().and_then(object).unwrap_or_default();
        Ok(Self {
            name: row.name.clone(),
            text: row.attributes.clone(),
            attributes: TemplateAttributes::read(&Layers { own: &own, first: &first }),
        })
    }

    /// What a mailbox has whose template says nothing: from the first template, and from mailcow's own defaults.
    pub(super) fn seeded(stored: &[StoredTemplate]) -> TemplateAttributes {
        let first = stored.first().map(|first| first.attributes.as_str()).unwrap_or_default();
        let first = match serde_json::from_str(first) {
            Ok(Value::Object(object)) => object,
            _ => Map::new(),
        };
        TemplateAttributes::read(&Layers { own: &Map::new(), first: &first })
    }

    /// mailcow's fingerprint, by which it knows that a mailbox has this template applied.
    #[must_use]
    pub fn attribute_hash(&self) -> String {
        attribute_hash(&self.text)
    }
}

/// SHA-1, in lower-case hex, of PHP's JSON encoding of the stored text. Spaces and the order of keys count.
pub(super) fn attribute_hash(text: &str) -> String {
    Sha1::digest(json_encode(text)).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A template over the first one.
struct Layers<'a> {
    own: &'a Map<String, Value>,
    first: &'a Map<String, Value>,
}

impl Layers<'_> {
    /// null is missing in the template itself, but a value in the first one: PHP's `isset` and `array_merge`.
    fn value(&self, key: &str) -> Option<&Value> {
        self.own.get(key).filter(|value| !value.is_null()).or_else(|| self.first.get(key))
    }

    fn number(&self, key: &str, default: i64) -> i64 {
        self.value(key).map_or(default, intval)
    }

    fn text(&self, key: &str, default: &str) -> String {
        self.value(key).map_or_else(|| default.to_owned(), strval)
    }
}

impl TemplateAttributes {
    fn read(layers: &Layers<'_>) -> Self {
        let mut switches = SWITCH_DEFAULTS;
        for (switch, key) in switches.iter_mut().zip(SWITCHES) {
            *switch = layers.number(key, *switch);
        }
        Self {
            quota_mib: quota_mib(layers.own.get("quota")),
            active: layers.number("active", DEFAULT_ACTIVE),
            switches,
            quarantine_notification: layers.text("quarantine_notification", DEFAULT_QUARANTINE_NOTIFICATION),
            quarantine_category: layers.text("quarantine_category", DEFAULT_QUARANTINE_CATEGORY),
            tags: tags(layers.value("tags")),
            acl: UserAcl::from_fn(|right| {
                layers.own.get(&format!("acl_{right}")).is_some_and(differs_from_zero)
            }),
            rate_limit: rate_limit(layers),
            tagged_mail: layers
                .own
                .get("tagged_mail_handler")
                .filter(|value| !value.is_null())
                .map(tagged_mail),
        }
    }
}

/// mailcow divides before anything else looks, so a missing quota is 0 and no other template is asked.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "quotas are below 2^53 bytes"
)]
fn quota_mib(value: Option<&Value>) -> i64 {
    let bytes = match value {
        Some(Value::Number(number)) => number.as_f64().unwrap_or(0.0),
        Some(value) => intval(value) as f64,
        None => 0.0,
    };
    (bytes / MIB) as i64
}

fn tags(value: Option<&Value>) -> Vec<String> {
    let numbered: Vec<(u64, &Value)> = match value {
        Some(Value::Array(values)) => (0..).zip(values).collect(),
        Some(Value::Object(values)) => {
            let mut values: Vec<_> =
                values.iter().filter_map(|(number, value)| Some((number.parse().ok()?, value))).collect();
            values.sort_by_key(|(number, _)| *number);
            values
        }
        _ => Vec::new(),
    };
    let used = numbered.into_iter().take_while(|(number, _)| *number <= LAST_TAG);
    used.map(|(_, tag)| strval(tag)).filter(|tag| !tag.is_empty() && tag != "0").collect()
}

fn rate_limit(layers: &Layers<'_>) -> RateLimit {
    let frame = layers.text("rl_frame", "");
    if !matches!(frame.as_str(), "s" | "m" | "h" | "d") {
        return RateLimit::Leave;
    }
    match layers.number("rl_value", 0) {
        0 => RateLimit::Clear,
        number => RateLimit::Set(format!("{number} / 1{frame}")),
    }
}

fn tagged_mail(value: &Value) -> TaggedMail {
    match value.as_str() {
        Some("subfolder") => TaggedMail::Subfolder,
        Some("subject") => TaggedMail::Subject,
        _ => TaggedMail::Inbox,
    }
}

#[cfg(test)]
#[path = "template_tests.rs"]
pub(super) mod tests;
