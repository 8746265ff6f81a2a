//! Which template a person gets: the value of their template attribute, looked up in a list.

use std::collections::BTreeMap;

use serde_json::Value;

use super::php::are_loosely_equal;
use crate::auth::ProvisionRefusal;

/// Attribute values with the names of their templates, and the template of everybody else.
///
/// Values of keydove's own settings are compared byte for byte, without blanks around a person's value. mailcow's are
/// compared as mailcow does: blanks count, and two numbers are equal whose values are, such as `1` and `01`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    pairs: Vec<(String, String)>,
    default: Option<String>,
    /// Values are compared as PHP does.
    is_mailcows: bool,
}

impl Mapping {
    /// From keydove's own settings. An empty default is none.
    #[must_use]
    pub fn new(pairs: &BTreeMap<String, String>, default: Option<&str>) -> Self {
        let pairs = pairs.iter().map(|(value, template)| (value.clone(), template.clone())).collect();
        Self { pairs, default: non_empty(default), is_mailcows: false }
    }

    /// From the rows `mappers`, `templates` and `default_template` of mailcow's table `identity_provider`.
    ///
    /// Both lists are JSON. mailcow stores an object with numbers as keys when a line of its form was left blank;
    /// a line's number joins the two. What is missing, or is no list, is an empty one.
    #[must_use]
    pub fn from_mailcow(mappers: Option<&str>, templates: Option<&str>, default: Option<&str>) -> Self {
        let mut templates = numbered_lines(templates);
        let pairs = numbered_lines(mappers)
            .into_iter()
            .filter_map(|(number, value)| Some((value, templates.remove(&number)?)))
            .collect();
        Self { pairs, default: non_empty(default), is_mailcows: true }
    }

    /// The values that mean a template, each with its template.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(value, template)| (value.as_str(), template.as_str()))
    }

    /// How many values mean a template.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether no value means a template.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The template of everybody else, if they get one.
    #[must_use]
    pub fn default_template(&self) -> Option<&str> {
        self.default.as_deref()
    }

    /// The template of a person who has a mailbox: only one that the mapping names, never the default.
    #[must_use]
    pub fn mapped(&self, value: Option<&str>) -> Option<&str> {
        let value = value.map(|value| if self.is_mailcows { value } else { value.trim() });
        let value = value.filter(|value| !value.is_empty() && *value != "0")?;
        let fits = |mapped: &str| match self.is_mailcows {
            true => are_loosely_equal(mapped, value),
            false => mapped == value,
        };
        self.pairs.iter().find(|(mapped, _)| fits(mapped)).map(|(_, template)| template.as_str())
    }

    /// The template of a person who has no mailbox yet.
    ///
    /// # Errors
    /// [`ProvisionRefusal::NoMapping`]: nothing fits, and there is no default.
    pub fn for_new(&self, value: Option<&str>) -> Result<&str, ProvisionRefusal> {
        self.mapped(value).or(self.default.as_deref()).ok_or(ProvisionRefusal::NoMapping)
    }
}

fn non_empty(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

fn numbered_lines(json: Option<&str>) -> BTreeMap<u64, String> {
    let line = |value: Value| match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match json.map(serde_json::from_str) {
        Some(Ok(Value::Array(values))) => {
            (0..).zip(values).filter_map(|(number, value)| Some((number, line(value)?))).collect()
        }
        Some(Ok(Value::Object(values))) => values
            .into_iter()
            .filter_map(|(number, value)| Some((number.parse().ok()?, line(value)?)))
            .collect(),
        _ => BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Edge cases 41 to 43.
    #[test]
    fn the_default_is_for_new_people_only() {
        let pairs = BTreeMap::from([("gold".to_owned(), "Gold".to_owned())]);
        let mapping = Mapping::new(&pairs, Some("Default"));
        assert_eq!(mapping.for_new(Some("gold")), Ok("Gold"));
        for value in [None, Some(""), Some("0"), Some("Gold"), Some("silver")] {
            assert_eq!(mapping.for_new(value), Ok("Default"), "{value:?}");
            assert_eq!(mapping.mapped(value), None, "{value:?}");
        }
        for default in [None, Some("")] {
            let mapping = Mapping::new(&pairs, default);
            assert_eq!(mapping.for_new(Some("silver")), Err(ProvisionRefusal::NoMapping));
        }
    }

    #[test]
    fn mailcows_values_are_compared_as_mailcow_does() {
        let mapping = Mapping::from_mailcow(Some(r#"["01", "1", "gold"]"#), Some(r#"["A", "B", "C"]"#), None);
        for (value, template) in [
            ("1", Some("A")),
            ("1.0", Some("A")),
            (" 1", Some("A")),
            ("gold", Some("C")),
            ("gold ", None),
            (" gold", None),
            ("Gold", None),
        ] {
            assert_eq!(mapping.mapped(Some(value)), template, "{value:?}");
        }
    }

    #[test]
    fn values_of_keydoves_own_settings_are_texts_without_blanks_around_them() {
        let pairs = ["01", "1"].map(|value| (value.to_owned(), format!("of {value}")));
        let mapping = Mapping::new(&pairs.into(), None);
        for (value, template) in [("1", Some("of 1")), (" 01\n", Some("of 01")), ("1.0", None), (" ", None)] {
            assert_eq!(mapping.mapped(Some(value)), template, "{value:?}");
        }
    }

    /// Edge case 44.
    #[test]
    fn a_list_with_a_blank_line_keeps_its_pairs() {
        let mappers = r#"{"0": "a", "10": "c", "2": "b"}"#;
        let templates = r#"{"10": "C", "0": "A", "2": "B"}"#;
        let mapping = Mapping::from_mailcow(Some(mappers), Some(templates), Some(""));
        let order: Vec<_> = mapping.pairs.iter().map(|(value, _)| value.as_str()).collect();
        assert_eq!(order, ["a", "b", "c"]);
        assert_eq!(mapping.mapped(Some("c")), Some("C"));
        let mixed = Mapping::from_mailcow(Some(r#"["a", "x", "b"]"#), Some(templates), None);
        assert_eq!((mixed.mapped(Some("b")), mixed.mapped(Some("x"))), (Some("B"), None));
    }

    #[test]
    fn the_first_of_two_equal_values_counts() {
        let mapping = Mapping::from_mailcow(Some(r#"["a", "a"]"#), Some(r#"["A", "B"]"#), None);
        assert_eq!(mapping.mapped(Some("a")), Some("A"));
    }

    #[test]
    fn what_is_no_list_is_an_empty_one() {
        for json in [None, Some(""), Some("null"), Some("{"), Some("7"), Some("\"a\"")] {
            let mapping = Mapping::from_mailcow(json, Some(r#"["A"]"#), Some("Default"));
            assert_eq!(mapping.for_new(Some("a")), Ok("Default"), "{json:?}");
        }
    }
}
