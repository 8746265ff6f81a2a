//! Realms without people that stand ready under other names. Keycloak takes most of a second to make a realm, and hardly
//! anything to rename one.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};

/// How the names of such realms begin, in `tests/versions/keycloak.sh`.
pub(crate) const BLANK: &str = "blank-";
/// What an import of people into a realm that is there makes of them as the import of a whole realm does.
const OF_PEOPLE: [&str; 9] = [
    "username",
    "email",
    "enabled",
    "emailVerified",
    "firstName",
    "lastName",
    "attributes",
    "credentials",
    "requiredActions",
];
/// More come quicker with a realm that is made.
const MOST_PEOPLE: usize = 100;
/// Where the user profile is among a realm's components.
const PROFILE: &str = "/org.keycloak.userprofile.UserProfileProvider/0/config/kc.user.profile.config/0";

/// Those that nobody has taken.
pub(crate) struct Blanks {
    names: Mutex<Vec<String>>,
    /// What they are, as it was imported; admin events are off until somebody takes one, so that none tells of its making.
    pattern: Value,
}

/// What is to be done to one, so that it becomes another realm.
pub(crate) struct Blank {
    /// Its name before.
    pub(crate) name: String,
    pub(crate) settings: Map<String, Value>,
    pub(crate) profile: Option<Value>,
    pub(crate) people: Vec<Value>,
}

impl Blanks {
    /// `pattern` may have people; the realms have only those that belong to clients.
    pub(crate) fn new(names: Vec<String>, pattern: &Value) -> Self {
        Self { names: Mutex::new(names), pattern: pattern.clone() }
    }

    /// Takes one that can become this realm. None if none is left, or if the realm differs in more than people and simple
    /// settings: then it has to be made.
    pub(crate) fn take(&self, realm: &Value) -> Option<Blank> {
        let without_name = changes(&self.pattern, realm)?;
        let name = self.names.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        Some(Blank { name, ..without_name })
    }
}

fn changes(pattern: &Value, realm: &Value) -> Option<Blank> {
    let (pattern, realm) = (pattern.as_object()?, realm.as_object()?);
    if pattern.keys().any(|key| !realm.contains_key(key)) {
        return None;
    }
    let mut settings = Map::new();
    for key in ["realm", "adminEventsEnabled"] {
        settings.insert(key.to_owned(), realm.get(key)?.clone());
    }
    let mut profile = None;
    for (key, value) in realm {
        let own = pattern.get(key);
        match key.as_str() {
            "realm" | "users" => {}
            // People with one address can only be made where they already may have it.
            "duplicateEmailsAllowed" if own != Some(value) => return None,
            "components" => profile = other_profile(own?, value)?,
            _ if own == Some(value) => {}
            _ if value.is_object() || value.is_array() => return None,
            _ => drop(settings.insert(key.clone(), value.clone())),
        }
    }
    let people = other_people(pattern.get("users")?, realm.get("users")?)?;
    Some(Blank { name: String::new(), settings, profile, people })
}

/// The profile, if it differs. Nothing else may.
fn other_profile(pattern: &Value, components: &Value) -> Option<Option<Value>> {
    if pattern == components {
        return Some(None);
    }
    let mut with = pattern.clone();
    let (place, text) = (with.pointer_mut(PROFILE)?, components.pointer(PROFILE)?);
    *place = text.clone();
    let profile = serde_json::from_str(text.as_str()?).ok()?;
    (&with == components).then_some(Some(profile))
}

/// The people that belong to no client. Those that do must be the same, and nobody may have somebody else's names.
fn other_people(pattern: &Value, users: &Value) -> Option<Vec<Value>> {
    let of_client = |user: &&Value| !user["serviceAccountClientId"].is_null();
    let (pattern, users) = (pattern.as_array()?, users.as_array()?);
    let own: Vec<_> = pattern.iter().filter(of_client).collect();
    let theirs: Vec<_> = users.iter().filter(of_client).collect();
    let people: Vec<_> = users.iter().filter(|user| !of_client(user)).cloned().collect();
    if own != theirs || people.len() > MOST_PEOPLE {
        return None;
    }
    let mut names = BTreeSet::new();
    for person in &people {
        let simple = person.as_object()?.keys().all(|key| OF_PEOPLE.contains(&key.as_str()));
        let (name, email) = (person["username"].as_str()?.to_lowercase(), person["email"].as_str());
        let email = email.map(str::to_lowercase).filter(|email| *email != name);
        let is_new = [Some(name), email].into_iter().flatten().all(|name| names.insert(name));
        if !simple || !is_new {
            return None;
        }
    }
    Some(people)
}
