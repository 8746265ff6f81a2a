//! The switches per service that an administrator sets in a mailbox's `attributes`.

use serde_json::Value;

use crate::auth::Service;
use crate::backend::records::Seldom;

/// The end of a switch's key, `imap_access` for instance.
const SUFFIX: &str = "_access";

/// Which services are switched off for a mailbox.
///
/// Read as mailcow reads them: a missing or null switch allows, and so do attributes that are missing or no JSON
/// object; else only what PHP's loose comparison finds equal to `"1"` allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessSwitches {
    denied: Seldom<Box<[Box<str>]>>,
}

impl AccessSwitches {
    /// Reads the `attributes` column.
    #[must_use]
    pub fn parse(attributes: Option<&str>) -> Self {
        let Some(Ok(Value::Object(attributes))) = attributes.map(serde_json::from_str) else {
            return Self::default();
        };
        let denied = attributes
            .into_iter()
            .filter(|(key, value)| key.ends_with(SUFFIX) && !value.is_null() && !equals_one(value))
            .map(|(key, _)| key.into_boxed_str());
        Self::of(denied.collect())
    }

    fn of(denied: Box<[Box<str>]>) -> Self {
        Self { denied: Seldom::new(denied, |denied| denied.is_empty()) }
    }

    fn keys(&self) -> impl Iterator<Item = &str> {
        self.denied.get().into_iter().flatten().map(|key| &**key)
    }

    /// The switches that are off, such as `pop3_access`.
    #[must_use]
    pub fn denied(&self) -> Vec<String> {
        self.keys().map(str::to_owned).collect()
    }

    /// With these switches off.
    #[must_use]
    pub(crate) fn of_denied(denied: Vec<String>) -> Self {
        Self::of(denied.into_iter().map(String::into_boxed_str).collect())
    }

    /// Whether the mailbox may use a service. One without a switch is allowed here; whether it is known at all
    /// is asked elsewhere.
    #[must_use]
    pub fn allows(&self, service: &Service) -> bool {
        service.access_key().is_none_or(|key| !self.keys().any(|denied| denied == key))
    }
}

/// PHP's `$value == "1"`: numbers by value, numeric strings too, with white space around and leading zeros.
fn equals_one(value: &Value) -> bool {
    match value {
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() == Some(1.0),
        Value::String(text) => text
            .trim_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}'])
            .parse::<f64>()
            .is_ok_and(|number| number == 1.0),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::AccessSwitches;
    use crate::auth::Service;

    fn imap_is_allowed(attributes: &str) -> bool {
        AccessSwitches::parse(Some(attributes)).allows(&Service::Imap)
    }

    #[test]
    fn what_is_not_switched_is_allowed() {
        assert!(AccessSwitches::parse(None).allows(&Service::Imap));
        for attributes in ["", "{", "[]", "\"0\"", "0", "null", "{}", "{\"imap_access\": null}"] {
            assert!(imap_is_allowed(attributes), "{attributes}");
        }
        assert!(imap_is_allowed("{\"pop3_access\": \"0\", \"IMAP_ACCESS\": \"0\"}"));
    }

    #[test]
    fn one_in_any_form_allows() {
        for value in
            ["\"1\"", "1", "true", "1.0", "1e0", "\"01\"", "\"1.0\"", "\" 1\"", "\"1 \"", "\"+1\"", "\"1e0\""]
        {
            assert!(imap_is_allowed(&format!("{{\"imap_access\": {value}}}")), "{value}");
        }
    }

    #[test]
    fn anything_else_denies() {
        for value in [
            "\"0\"",
            "0",
            "\"\"",
            "\"2\"",
            "2",
            "false",
            "[]",
            "{}",
            "[1]",
            "\"1x\"",
            "\"x1\"",
            "\"true\"",
            "\"0x1\"",
            "\"1 1\"",
            "-1",
            "1.5",
            "\"\u{a0}1\"",
            "\"inf\"",
            "\"nan\"",
        ] {
            assert!(!imap_is_allowed(&format!("{{\"imap_access\": {value}}}")), "{value}");
        }
    }

    #[test]
    fn a_switch_is_for_its_service_only() {
        let switches = AccessSwitches::parse(Some("{\"smtp_access\": \"0\", \"x\": \"0\"}"));
        assert!(!switches.allows(&Service::Smtp));
        assert!(switches.allows(&Service::Imap));
        assert!(switches.allows(&Service::Lmtp));
        assert!(switches.allows(&Service::Other("x".into())));
    }

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        assert!(!imap_is_allowed("{\"imap_access\": \"1\", \"imap_access\": \"0\"}"));
        assert!(imap_is_allowed("{\"imap_access\": \"0\", \"imap_access\": \"1\"}"));
    }
}
