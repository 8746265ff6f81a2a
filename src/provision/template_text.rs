//! The JSON of a template as an administrator writes it: known keys only, in mailcow's order.
//!
//! Values are written as mailcow's own seeded template has them: numbers for switches and the quota, texts for
//! words, a list for tags. What the values mean for a mailbox is read by
//! [`TemplateAttributes`](super::TemplateAttributes).

use serde_json::{Map, Value, json};

use super::php::strval;

/// What a key's value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A list of words.
    Tags,
    /// A number of bytes.
    Bytes,
    /// 0 or 1.
    Switch,
    /// 0, 1 or 2: off, on, receives only.
    State,
    /// A number, or nothing.
    Number,
    /// One of these.
    Word(&'static [&'static str]),
}

const NOTIFICATIONS: Kind = Kind::Word(&["never", "hourly", "daily", "weekly"]);
const CATEGORIES: Kind = Kind::Word(&["add_header", "reject", "all"]);
const FRAMES: Kind = Kind::Word(&["s", "m", "h", "d"]);
const TAGGED: Kind = Kind::Word(&["none", "subject", "subfolder"]);

/// Every key, in the order in which mailcow writes them, with the value of mailcow's seeded template; the last two
/// it lacks.
const KEYS: [(&str, Kind, Option<&str>); 34] = [
    ("tags", Kind::Tags, Some("[]")),
    ("quota", Kind::Bytes, Some("0")),
    ("quarantine_notification", NOTIFICATIONS, Some("\"hourly\"")),
    ("quarantine_category", CATEGORIES, Some("\"reject\"")),
    ("rl_frame", FRAMES, Some("\"s\"")),
    ("rl_value", Kind::Number, Some("\"\"")),
    ("force_pw_update", Kind::Switch, Some("0")),
    ("force_tfa", Kind::Switch, Some("0")),
    ("sogo_access", Kind::Switch, Some("1")),
    ("active", Kind::State, Some("1")),
    ("tls_enforce_in", Kind::Switch, Some("0")),
    ("tls_enforce_out", Kind::Switch, Some("0")),
    ("imap_access", Kind::Switch, Some("1")),
    ("pop3_access", Kind::Switch, Some("1")),
    ("smtp_access", Kind::Switch, Some("1")),
    ("sieve_access", Kind::Switch, Some("1")),
    ("eas_access", Kind::Switch, Some("1")),
    ("dav_access", Kind::Switch, Some("1")),
    ("acl_spam_alias", Kind::Switch, Some("1")),
    ("acl_tls_policy", Kind::Switch, Some("1")),
    ("acl_spam_score", Kind::Switch, Some("1")),
    ("acl_spam_policy", Kind::Switch, Some("1")),
    ("acl_delimiter_action", Kind::Switch, Some("1")),
    ("acl_syncjobs", Kind::Switch, Some("0")),
    ("acl_eas_reset", Kind::Switch, Some("1")),
    ("acl_sogo_profile_reset", Kind::Switch, Some("0")),
    ("acl_pushover", Kind::Switch, Some("1")),
    ("acl_quarantine", Kind::Switch, Some("1")),
    ("acl_quarantine_attachments", Kind::Switch, Some("1")),
    ("acl_quarantine_notification", Kind::Switch, Some("1")),
    ("acl_quarantine_category", Kind::Switch, Some("1")),
    ("acl_app_passwds", Kind::Switch, Some("1")),
    ("acl_pw_reset", Kind::Switch, None),
    ("tagged_mail_handler", TAGGED, None),
];

/// A template's JSON, key by key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateText(Map<String, Value>);

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateFault {
    /// Not JSON, or something else than an object.
    #[error("a template is a JSON object such as {{\"quota\": 1073741824}}: {0}")]
    NoObject(String),
    /// mailcow and keydove know no such key.
    #[error("a template has no key `{0}`; it may have: {known}", known = known_keys())]
    UnknownKey(String),
    /// The key may not have this value.
    #[error("`{key}` cannot be `{value}`: {wanted}")]
    WrongValue {
        /// Which key.
        key: String,
        /// What was given.
        value: String,
        /// What it may be.
        wanted: String,
    },
}

impl TemplateText {
    /// mailcow's seeded template `Default`: everything on, no quota.
    #[must_use]
    pub fn seeded() -> Self {
        let pairs = KEYS.iter().filter_map(|(key, _, seeded)| {
            let value = serde_json::from_str((*seeded)?).ok()?;
            Some(((*key).to_owned(), value))
        });
        Self(pairs.collect())
    }

    /// Reads a template that is stored already; keys that keydove does not know stay in it.
    ///
    /// # Errors
    /// [`TemplateFault::NoObject`]
    pub fn read_stored(text: &str) -> Result<Self, TemplateFault> {
        match serde_json::from_str(text) {
            Ok(Value::Object(map)) => Ok(Self(map)),
            Ok(_) => Err(TemplateFault::NoObject("it is something else".to_owned())),
            Err(error) => Err(TemplateFault::NoObject(error.to_string())),
        }
    }

    /// Reads a new template.
    ///
    /// # Errors
    /// What no template may be: an unknown key, a value that does not fit its key.
    pub fn read_new(text: &str) -> Result<Self, TemplateFault> {
        let template = Self::read_stored(text)?;
        for (key, value) in &template.0 {
            check(key, value)?;
        }
        Ok(template)
    }

    /// What a key may hold; `None` for an unknown key.
    #[must_use]
    pub fn kind(key: &str) -> Option<Kind> {
        KEYS.iter().find(|(known, ..)| *known == key).map(|(_, kind, _)| *kind)
    }

    /// Every key that a template may have, in mailcow's order, with what it may hold.
    pub fn kinds() -> impl Iterator<Item = (&'static str, Kind)> {
        KEYS.iter().map(|(key, kind, _)| (*key, *kind))
    }

    /// Sets a key from text: a number, a word, tags with commas between them.
    ///
    /// # Errors
    /// As [`read_new`](Self::read_new).
    pub fn set(&mut self, key: &str, text: &str) -> Result<(), TemplateFault> {
        let kind = Self::kind(key).ok_or_else(|| TemplateFault::UnknownKey(key.to_owned()))?;
        let value = match kind {
            Kind::Tags => {
                json!(text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect::<Vec<_>>())
            }
            Kind::Bytes | Kind::Switch | Kind::State => {
                text.parse::<u64>().map_or_else(|_| Value::from(text), Value::from)
            }
            Kind::Number | Kind::Word(_) => Value::from(text),
        };
        check(key, &value)?;
        self.0.insert(key.to_owned(), value);
        Ok(())
    }
}

impl std::fmt::Display for TemplateText {
    /// Compact JSON, as PHP writes it: the known keys in mailcow's order, then all others.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = KEYS.iter().filter_map(|(key, ..)| self.0.get_key_value(*key));
        let others = self.0.iter().filter(|(key, _)| Self::kind(key).is_none());
        let pairs: Vec<_> = known
            .chain(others)
            .map(|(key, value)| format!("{}:{value}", Value::from(key.as_str())))
            .collect();
        write!(f, "{{{}}}", pairs.join(","))
    }
}

fn check(key: &str, value: &Value) -> Result<(), TemplateFault> {
    let kind = TemplateText::kind(key).ok_or_else(|| TemplateFault::UnknownKey(key.to_owned()))?;
    let scalar = matches!(value, Value::String(_) | Value::Number(_));
    let text = strval(value);
    let fits = match kind {
        Kind::Tags => {
            value.as_array().is_some_and(|tags| tags.iter().all(|tag| tag.as_str().is_some_and(is_tag)))
        }
        Kind::Bytes => scalar && text.parse::<u64>().is_ok_and(|bytes| bytes < 1 << 60),
        Kind::Switch => scalar && matches!(text.as_str(), "0" | "1"),
        Kind::State => scalar && matches!(text.as_str(), "0" | "1" | "2"),
        Kind::Number => scalar && (text.is_empty() || text.parse::<u32>().is_ok()),
        Kind::Word(words) => scalar && words.contains(&text.as_str()),
    };
    let wrong = || TemplateFault::WrongValue {
        key: key.to_owned(),
        value: value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        wanted: kind.describe(),
    };
    if fits { Ok(()) } else { Err(wrong()) }
}

fn is_tag(tag: &str) -> bool {
    !tag.is_empty() && tag.chars().count() <= 255
}

impl Kind {
    fn describe(self) -> String {
        match self {
            Self::Tags => "a list of words".to_owned(),
            Self::Bytes => "a number of bytes".to_owned(),
            Self::Switch => "0 or 1".to_owned(),
            Self::State => "0 (off), 1 (on) or 2 (receives only)".to_owned(),
            Self::Number => "a number, or nothing".to_owned(),
            Self::Word(words) => format!("one of {}", words.join(", ")),
        }
    }
}

fn known_keys() -> String {
    KEYS.map(|(key, ..)| key).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::sql::{StoredTemplate, UserAcl};
    use crate::provision::Template;

    /// What mailcow's installation writes.
    const SEEDED: &str = r#"{"tags":[],"quota":0,"quarantine_notification":"hourly","quarantine_category":"reject","rl_frame":"s","rl_value":"","force_pw_update":0,"force_tfa":0,"sogo_access":1,"active":1,"tls_enforce_in":0,"tls_enforce_out":0,"imap_access":1,"pop3_access":1,"smtp_access":1,"sieve_access":1,"eas_access":1,"dav_access":1,"acl_spam_alias":1,"acl_tls_policy":1,"acl_spam_score":1,"acl_spam_policy":1,"acl_delimiter_action":1,"acl_syncjobs":0,"acl_eas_reset":1,"acl_sogo_profile_reset":0,"acl_pushover":1,"acl_quarantine":1,"acl_quarantine_attachments":1,"acl_quarantine_notification":1,"acl_quarantine_category":1,"acl_app_passwds":1}"#;

    #[test]
    fn the_seeded_template_is_mailcows_to_the_letter() {
        assert_eq!(TemplateText::seeded().to_string(), SEEDED);
        assert_eq!(TemplateText::read_new(SEEDED).unwrap().to_string(), SEEDED);
    }

    #[test]
    fn every_right_has_its_key() {
        for right in UserAcl::RIGHTS {
            assert_eq!(TemplateText::kind(&format!("acl_{right}")), Some(Kind::Switch), "{right}");
        }
    }

    #[test]
    fn what_is_set_is_what_a_mailbox_gets() {
        let mut text = TemplateText::seeded();
        for (key, value) in [
            ("quota", "1073741824"),
            ("imap_access", "0"),
            ("tags", "staff, a\"b,"),
            ("active", "2"),
            ("rl_value", "10"),
        ] {
            text.set(key, value).unwrap();
        }
        assert!(text.to_string().starts_with(r#"{"tags":["staff","a\"b"],"quota":1073741824,"#));
        let stored = [StoredTemplate { name: "Staff".to_owned(), attributes: text.to_string() }];
        let attributes = Template::find(&stored, "staff").unwrap().attributes;
        assert_eq!((attributes.quota_mib, attributes.active), (1024, 2));
        assert_eq!(attributes.tags, ["staff", "a\"b"]);
    }

    #[test]
    fn wrong_keys_and_values_are_explained() {
        let unknown = TemplateText::seeded().set("qouta", "1").unwrap_err().to_string();
        assert!(
            unknown.contains("`qouta`") && unknown.contains("quota, quarantine_notification"),
            "{unknown}"
        );
        for (key, value) in [
            ("quota", "5GiB"),
            ("quota", "-1"),
            ("imap_access", "yes"),
            ("active", "3"),
            ("rl_frame", "w"),
            ("rl_value", "x"),
            ("quarantine_category", "none"),
        ] {
            let fault = TemplateText::seeded().set(key, value).unwrap_err();
            assert!(matches!(fault, TemplateFault::WrongValue { .. }), "{key}={value}: {fault}");
        }
        for text in
            ["", "[]", "1", "{", "{\"tags\": \"a\"}", "{\"tags\": [1]}", "{\"quota\": null}", "{\"x\": 1}"]
        {
            assert!(TemplateText::read_new(text).is_err(), "{text}");
        }
        assert!(TemplateText::read_new("{\"quota\": \"5\", \"imap_access\": \"1\"}").is_ok());
    }

    #[test]
    fn keys_of_a_newer_mailcow_survive_a_change() {
        let mut text = TemplateText::read_stored("{\"new_key\": [1], \"quota\": 5}").unwrap();
        text.set("quota", "6").unwrap();
        assert_eq!(text.to_string(), r#"{"quota":6,"new_key":[1]}"#);
    }
}
