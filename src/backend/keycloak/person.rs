//! A person as Keycloak describes them.

use serde::Deserialize;
use std::collections::HashMap;

use super::state::{AccountState, Flag};
use super::store_id::StoreId;
use super::texts::Texts;
use super::{Config, config::LookupBy};
use crate::auth::{Secret, TempFail, Username};

/// What the allocator adds to the pieces of one person, in bytes.
const ALLOCATIONS: usize = 48;

/// One person, as far as mail is concerned.
#[derive(Debug)]
pub struct Person {
    /// Id, source, template, first name, last name, mark attribute, mark.
    pub(super) texts: Texts<7>,
    /// The address that found them, in normal form.
    pub address: Username,
    /// Whether the account is in use; if not, why.
    pub state: AccountState,
    /// Whether the address has been confirmed.
    pub email_verified: bool,
    /// The first value of the password attribute, without what a file or a form has put around it; `None` when there is
    /// none.
    pub password: Option<Secret>,
    /// Why it is not known whether there is one: nobody shows the attribute.
    pub password_hidden: Option<Box<TempFail>>,
    /// How many values the password attribute has; only the first counts.
    pub password_values: u32,
    /// Whether `required_attribute` is fulfilled.
    pub(super) meets_attribute: bool,
}

impl Person {
    /// Keycloak's id: it stays when the address changes.
    #[must_use]
    pub fn id(&self) -> &str {
        self.texts.get(0)
    }

    /// Which Keycloak it is: [`Config::name`], empty where there is only one.
    #[must_use]
    pub fn source(&self) -> &str {
        self.texts.get(1)
    }

    /// The first value of the template attribute, blanks and all.
    #[must_use]
    pub fn template(&self) -> Option<&str> {
        Some(self.texts.get(2)).filter(|template| !template.is_empty())
    }

    /// What stays the same when Keycloak gives them a new id: an attribute and its value.
    #[must_use]
    pub fn mark(&self) -> Option<(&str, &str)> {
        Some((self.texts.get(5), self.texts.get(6))).filter(|(_, value)| !value.is_empty())
    }

    /// First and last name; either may be empty.
    #[must_use]
    pub fn names(&self) -> (&str, &str) {
        (self.texts.get(3), self.texts.get(4))
    }

    /// What it takes on the heap, in bytes, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.texts.bytes() + self.password.as_ref().map_or(0, Secret::len) + ALLOCATIONS
    }

    /// Whether every login ends the same with either.
    #[must_use]
    pub fn is_as_good_as(&self, other: &Self) -> bool {
        let rights = |person: &Self| (person.state, person.email_verified, person.meets_attribute);
        self.has_password_of(other) && self.id() == other.id() && rights(self) == rights(other)
    }

    /// Whether both have the same hash, or none.
    #[must_use]
    pub fn has_password_of(&self, other: &Self) -> bool {
        match (&self.password, &other.password) {
            (Some(one), Some(other)) => one.matches(other.expose()),
            (one, other) => one.is_none() && other.is_none(),
        }
    }
}

#[cfg(test)]
impl Person {
    /// Alice, without a password.
    pub fn in_state(state: AccountState) -> Self {
        Self {
            texts: Texts::new(["7-7", "", "", "Alice", "", "", ""]),
            address: Username::parse(b"alice@example.org").unwrap(),
            state,
            email_verified: true,
            password: None,
            password_hidden: None,
            password_values: 0,
            meets_attribute: true,
        }
    }
}

/// Keycloak's `UserRepresentation`, as far as it is read. Attribute values can be null in old data.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserRepresentation {
    pub(super) id: String,
    #[serde(default)]
    pub(super) username: Option<String>,
    #[serde(default)]
    pub(super) email: Option<String>,
    /// Without it nobody can tell, so there is no default.
    pub(super) enabled: Flag,
    /// The user store of somebody of whom Keycloak keeps a copy.
    #[serde(default)]
    federation_link: Option<String>,
    /// The user store of somebody of whom it keeps none.
    #[serde(default)]
    origin: Option<String>,
    #[serde(default)]
    email_verified: bool,
    #[serde(default)]
    first_name: Option<String>,
    #[serde(default)]
    last_name: Option<String>,
    #[serde(default)]
    attributes: Option<HashMap<String, Vec<Option<String>>>>,
}

impl UserRepresentation {
    /// Whether this is who was asked for, compared in normal form. Keycloak's own comparison is not relied on.
    pub(super) fn answers_to(&self, user: &Username, config: &Config) -> bool {
        let is_user = |text: &str| Username::parse(text.as_bytes()).as_ref() == Ok(user);
        match config.lookup {
            LookupBy::Email => self.email.as_deref().is_some_and(is_user),
            LookupBy::Username => self.username.as_deref().is_some_and(is_user),
            LookupBy::LocalPart => self
                .username
                .as_deref()
                .is_some_and(|name| !name.contains('@') && is_user(&format!("{name}@{}", user.domain()))),
            LookupBy::Attribute => {
                let name = config.lookup_attribute.as_deref().unwrap_or_default();
                self.values(name).any(is_user)
            }
        }
    }

    /// Whether Keycloak shows this attribute of theirs, whatever its value.
    pub(super) fn shows(&self, attribute: &str) -> bool {
        self.attributes.as_ref().is_some_and(|attributes| attributes.contains_key(attribute))
    }

    /// Whether their mail could be here: they are enabled, and have the address that finds people.
    pub(super) fn could_log_in(&self, config: &Config) -> bool {
        let has_address =
            config.lookup != LookupBy::Email || self.email.as_deref().is_some_and(|email| !email.is_empty());
        self.enabled.is_up() && has_address
    }

    /// The user store that they come from.
    pub(super) fn store(&self) -> Option<StoreId> {
        let named = [&self.federation_link, &self.origin];
        let mut named = named.into_iter().filter_map(|store| StoreId::new(store.as_deref()?));
        named.next().or_else(|| StoreId::of_person(&self.id))
    }

    /// Whether the attribute is there, or, as `name=value`, has this value among its own.
    pub(super) fn has_attribute(&self, wanted: &str) -> bool {
        match wanted.split_once('=') {
            Some((name, value)) => self.values(name).any(|found| found == value),
            None => self.values(wanted).any(|found| !found.is_empty()),
        }
    }

    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let values = self.attributes.as_ref().and_then(|attributes| attributes.get(name));
        values.into_iter().flatten().filter_map(|value| value.as_deref())
    }

    /// Takes what a login needs.
    pub(super) fn into_person(self, address: Username, config: &Config, state: AccountState) -> Person {
        let meets_attribute =
            config.required_attribute.as_deref().is_none_or(|wanted| self.has_attribute(wanted));
        let mut attributes = self.attributes.unwrap_or_default();
        let passwords = attributes.remove(&config.password_attribute).unwrap_or_default();
        let templates = attributes.remove(&config.template_attribute).unwrap_or_default();
        let template = first_value(templates).unwrap_or_default();
        let mark = attributes.remove(&config.mark_attribute).unwrap_or_default();
        // Of several values nobody knows which one stays.
        let mark = if mark.len() == 1 { first_value(mark).unwrap_or_default() } else { String::new() };
        let attribute = if mark.is_empty() { "" } else { &config.mark_attribute };
        let (first_name, last_name) =
            (self.first_name.unwrap_or_default(), self.last_name.unwrap_or_default());
        let source = config.name.as_deref().unwrap_or_default();
        let password_values = u32::try_from(passwords.len()).unwrap_or(u32::MAX);
        Person {
            texts: Texts::new([&self.id, source, &template, &first_name, &last_name, attribute, &mark]),
            address,
            state,
            email_verified: self.email_verified,
            password: first_value(passwords).map(|value| Secret::from(stored_part(&value))),
            password_hidden: None,
            password_values,
            meets_attribute,
        }
    }
}

/// As in mailcow: only the first value counts, and empty or `0` is no value.
fn first_value(values: Vec<Option<String>>) -> Option<String> {
    let first = values.into_iter().next().flatten()?;
    let value = first.trim();
    (!value.is_empty() && value != "0").then_some(first)
}

/// The `{SCHEME}` string in a value: no white space before it, no line end behind it. A blank behind it belongs to a
/// password that stands there as it is, and to no hash.
fn stored_part(value: &str) -> &str {
    let text = value.trim_start().trim_end_matches(['\r', '\n']);
    let label = text.strip_prefix('{').and_then(|rest| Some(rest.split_once('}')?.0)).unwrap_or_default();
    let is_as_it_is = ["PLAIN", "CLEAR", "CLEARTEXT"].iter().any(|plain| label.eq_ignore_ascii_case(plain));
    if is_as_it_is { text } else { text.trim_end() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(attributes: &str) -> Person {
        let json = format!(
            r#"{{"id":"1","username":"a","email":"A@Example.org","enabled":true,"attributes":{attributes},"x":[1]}}"#
        );
        let config: Config = Config { name: Some("example".to_owned()), ..Config::default() };
        let user: UserRepresentation = serde_json::from_str(&json).unwrap();
        let address = Username::parse(b"a@example.org").unwrap();
        assert!(user.answers_to(&address, &config));
        user.into_person(address, &config, AccountState::Enabled)
    }

    #[test]
    fn the_first_value_counts_without_the_space_around_it() {
        let person =
            person(r#"{"mailcow_password":["\n {SSHA}x \r\n","{SSHA}y"],"mailcow_template":["default"]}"#);
        assert!(person.password.as_ref().unwrap().matches(b"{SSHA}x"));
        assert_eq!((person.password_values, person.template()), (2, Some("default")));
        assert_eq!((person.address.as_str(), person.source()), ("a@example.org", "example"));
    }

    #[test]
    fn a_mark_is_one_value_that_is_there() {
        let of =
            |attributes| person(attributes).mark().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mark = of(r#"{"LDAP_ID":["3f-1"],"mailcow_template":["x"]}"#);
        assert_eq!(mark, Some(("LDAP_ID".to_owned(), "3f-1".to_owned())));
        for attributes in [r#"{"LDAP_ID":["a","b"]}"#, r#"{"LDAP_ID":[""]}"#, r#"{"ldap_id":["a"]}"#, "{}"] {
            assert_eq!(of(attributes), None, "{attributes}");
        }
    }

    #[test]
    fn a_blank_at_the_end_of_a_plain_password_belongs_to_it() {
        for (value, expected) in [
            ("{PLAIN}pw ", "{PLAIN}pw "),
            (" {plain}pw \t\r\n", "{plain}pw \t"),
            ("{CLEARTEXT} pw", "{CLEARTEXT} pw"),
            ("{PLAIN}\u{a0}", "{PLAIN}\u{a0}"),
            ("{SSHA}x \n", "{SSHA}x"),
            ("{PLAIN.b64}cHc= ", "{PLAIN.b64}cHc="),
            ("{BLF-CRYPT}x \n ", "{BLF-CRYPT}x"),
        ] {
            let found = person(&serde_json::json!({ "mailcow_password": [value] }).to_string());
            assert!(found.password.unwrap().matches(expected.as_bytes()), "{value:?}");
        }
    }

    #[test]
    fn empty_values_are_no_values() {
        for attributes in [
            "{}",
            "null",
            r#"{"mailcow_password":[]}"#,
            r#"{"mailcow_password":[""]}"#,
            r#"{"mailcow_password":["0"]}"#,
            r#"{"mailcow_password":[null]}"#,
            r#"{"mailcow_password":[" \n"]}"#,
            r#"{"Mailcow_Password":["{SSHA}x"]}"#,
        ] {
            assert!(person(attributes).password.is_none(), "{attributes}");
        }
    }

    #[test]
    fn a_person_without_an_enabled_flag_is_no_person() {
        assert!(serde_json::from_str::<UserRepresentation>(r#"{"id":"1","email":"a@example.org"}"#).is_err());
    }

    #[test]
    fn a_person_is_shown_without_the_hash() {
        let shown = format!("{:?}", person(r#"{"mailcow_password":["{SSHA}marker"]}"#));
        assert!(!shown.contains("marker"), "{shown}");
    }
}
