//! Keycloak's admin interface, as far as cases change people: made, changed, disabled, deleted.

mod groups;
mod lockouts;
mod making;
mod organizations;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::blanks::Blanks;
use crate::http::{FORM, escape, send};
use crate::names::Names;
use crate::realm_changes::RealmChanges;
use crate::{Failure, Result};

pub use organizations::Organization;

/// A token of the master realm lives for a minute.
const TOKEN_LIFE: Duration = Duration::from_secs(30);

/// People in one request.
const IMPORTED_AT_ONCE: usize = 50;

/// The bootstrap administrator at one server, or a service account of one realm.
pub struct KeycloakAdmin {
    /// `host:port` of the server.
    address: String,
    /// `host:port` where people log in.
    door: String,
    /// The realm's name in a path.
    realm: String,
    names: Names,
    /// Who wants to know of changes in which realm.
    changes: Option<(String, Arc<RealmChanges>)>,
    token: Arc<Token>,
    /// Realms that need not be made.
    blanks: Option<Arc<Blanks>>,
    /// Id and secret of the client whose service account this is.
    client: Option<(String, String)>,
}

/// The administrator's token at one server, while it is good.
#[derive(Default)]
pub(crate) struct Token(Mutex<Option<(Instant, String)>>);

impl KeycloakAdmin {
    /// Prepares for a realm of a server by its real name; nothing is sent yet.
    pub(crate) fn at(address: &str, realm: &str, token: &Arc<Token>) -> Self {
        let (address, realm, token) = (address.to_owned(), realm.to_owned(), Arc::clone(token));
        Self {
            door: address.clone(),
            address,
            realm,
            names: Names::default(),
            changes: None,
            token,
            blanks: None,
            client: None,
        }
    }

    /// Takes blank realms where there are some, in place of making new ones.
    pub(crate) fn with_blanks(self, blanks: &Arc<Blanks>) -> Self {
        Self { blanks: Some(Arc::clone(blanks)), ..self }
    }

    /// The same for the system that a realm is lent to: by the names that its cases use, and through its own door (`host:port`).
    pub(crate) fn lent(self, names: Names, door: &str, changes: &Arc<RealmChanges>) -> Self {
        let changes = Some((format!("/admin/realms/{}/", self.realm), Arc::clone(changes)));
        Self { names, door: door.to_owned(), changes, ..self }
    }

    /// Asks what a login asks: the first answers of a server, and of a realm, take longer than a login may.
    pub(crate) fn warm_up(&self) -> Result<()> {
        let path = format!("/realms/{}/protocol/openid-connect/token", self.realm);
        let form = "grant_type=client_credentials&client_id=mailcow&client_secret=s3cret";
        let answer = send(&self.address, &format!("POST {path}"), FORM, form)?;
        let tokens: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let token = tokens["access_token"].as_str().unwrap_or_default();
        let search = "exact=true&briefRepresentation=false&email=alice%40example.org";
        let search = format!("GET /admin/realms/{}/users?{search}", self.realm);
        let found = send(&self.address, &search, &format!("Authorization: Bearer {token}\r\n"), "")?;
        match (answer.status, found.status) {
            (200, 200) => Ok(()),
            _ => {
                Err(Failure(format!("realm {} does not answer: {} {}", self.realm, answer.body, found.body)))
            }
        }
    }

    /// Has the administrator's logins cost the server little: its passwords are hashed once instead of slowly, and the
    /// tokens are signed with a key that both sides have. An RSA signature takes 20 ms of a Java that compiles quickly.
    pub(crate) fn make_logins_cheap(&self) -> Result<()> {
        let policy = json!({ "passwordPolicy": "hashAlgorithm(pbkdf2-sha512) and hashIterations(1)" });
        self.call("PUT", "/admin/realms/master", &policy)?;
        let mut client = self.read("/admin/realms/master/clients?clientId=admin-cli")?[0].take();
        client["attributes"]["access.token.signed.response.alg"] = "HS512".into();
        self.call("PUT", &format!("/admin/realms/master/clients/{}", id_of(&client)), &client).map(drop)
    }

    /// The names of all realms.
    pub(crate) fn realms(&self) -> Result<Vec<String>> {
        let realms = self.read("/admin/realms?briefRepresentation=true")?;
        let names = realms.as_array().into_iter().flatten().filter_map(|realm| realm["realm"].as_str());
        Ok(names.map(str::to_owned).collect())
    }

    /// Everybody in the realm.
    pub(crate) fn people(&self) -> Result<Vec<Value>> {
        let people = self.read(&format!("/admin/realms/{}/users?max=100000", self.realm))?;
        people.as_array().cloned().ok_or_else(|| Failure(format!("Keycloak lists no people: {people}")))
    }

    /// Deletes the person with this id.
    pub(crate) fn delete_id(&self, id: &str) -> Result<()> {
        self.call("DELETE", &format!("/admin/realms/{}/users/{id}", self.realm), &Value::Null).map(drop)
    }

    /// Makes people, or replaces those that are there, past the checks of forms: as old data and imports come.
    pub fn import(&self, users: &[Value]) -> Result<()> {
        // Keycloak looks at all of one import again with each of them.
        users.chunks(IMPORTED_AT_ONCE).try_for_each(|users| self.import_at_once(users))
    }

    fn import_at_once(&self, users: &[Value]) -> Result<()> {
        let body = json!({ "ifResourceExists": "OVERWRITE", "users": users });
        // Two imports at one moment can be in each other's way; a second one finds the first one's people.
        let path = format!("/admin/realms/{}/partialImport", self.realm);
        let import = || self.call("POST", &path, &body);
        let answer = import().or_else(|_| import())?;
        let report: Value = serde_json::from_str(&answer).unwrap_or_default();
        let done = report["added"].as_u64().unwrap_or(0) + report["overwritten"].as_u64().unwrap_or(0);
        if done == users.len() as u64 {
            return Ok(());
        }
        Err(Failure(format!("Keycloak imported {done} of {} people: {answer}", users.len())))
    }

    /// Changes a person: the whole object, as it is, goes through `change` and back.
    pub fn update(&self, email: &str, change: impl FnOnce(&mut Value)) -> Result<()> {
        let mut user = self.find(email)?;
        change(&mut user);
        self.call("PUT", &format!("/admin/realms/{}/users/{}", self.realm, id_of(&user)), &user).map(drop)
    }

    /// Deletes a person.
    pub fn delete(&self, email: &str) -> Result<()> {
        let user = self.find(email)?;
        self.call("DELETE", &format!("/admin/realms/{}/users/{}", self.realm, id_of(&user)), &Value::Null)
            .map(drop)
    }

    /// The id of the one person with this address.
    pub fn id(&self, email: &str) -> Result<String> {
        Ok(id_of(&self.find(email)?).to_owned())
    }

    fn read(&self, path: &str) -> Result<Value> {
        serde_json::from_str(&self.call("GET", path, &Value::Null)?)
            .map_err(|error| Failure(format!("read {path}: {error}")))
    }

    /// All that the server says of the realm: its settings, clients and roles, and its user profile. Lists are sorted, as the
    /// server shows them in any order; numbers of rows are left out.
    pub fn export(&self) -> Result<Value> {
        let realm = &self.realm;
        let path =
            format!("/admin/realms/{realm}/partial-export?exportClients=true&exportGroupsAndRoles=true");
        let mut realm_and_profile = json!({
            "realm": serde_json::from_str::<Value>(&self.call("POST", &path, &Value::Null)?).unwrap_or_default(),
            "profile": self.read(&format!("/admin/realms/{realm}/users/profile"))?,
            "people": self.read(&format!("/admin/realms/{realm}/users?max=1000"))?,
        });
        sort(&mut realm_and_profile);
        Ok(realm_and_profile)
    }

    /// Makes a client.
    pub fn make_client(&self, client: &Value) -> Result<()> {
        self.call("POST", &format!("/admin/realms/{}/clients", self.realm), client).map(drop)
    }

    /// Logs in at Keycloak itself for tokens, by a client that may do so (`directAccessGrantsEnabled`).
    pub fn tokens(&self, client: &str, email: &str, password: &str) -> Result<Value> {
        let path = format!("/realms/{}/protocol/openid-connect/token", self.realm);
        let form = format!(
            "grant_type=password&client_id={client}&scope=openid&username={}&password={}",
            escape(email),
            escape(password)
        );
        let answer = send(&self.door, &format!("POST {path}"), FORM, &form)?;
        match (answer.status, serde_json::from_str(&answer.body)) {
            (200, Ok(tokens)) => Ok(tokens),
            _ => Err(Failure(format!("tokens of {email} at Keycloak: {} {}", answer.status, answer.body))),
        }
    }

    /// Adds a component, such as a provider of people, to the realm or to another component; returns its id.
    pub fn add_component(&self, component: &Value) -> Result<String> {
        let path = format!("/admin/realms/{}/components", self.realm);
        let mut component = component.clone();
        if component["parentId"].is_null() {
            component["parentId"] = self.read(&format!("/admin/realms/{}", self.realm))?["id"].clone();
        }
        self.call("POST", &path, &component)?;
        let text = |key: &str| component[key].as_str().unwrap_or_default().to_owned();
        let found =
            self.read(&format!("{path}?parent={}&name={}", text("parentId"), escape(&text("name"))))?;
        let id = found[0]["id"].as_str();
        id.map(str::to_owned).ok_or_else(|| Failure(format!("Keycloak has no component {}", text("name"))))
    }

    /// Changes a component: the whole object, as it is, goes through `change` and back.
    pub fn change_component(&self, id: &str, change: impl FnOnce(&mut Value)) -> Result<()> {
        let path = format!("/admin/realms/{}/components/{id}", self.realm);
        let mut component = self.read(&path)?;
        change(&mut component);
        self.call("PUT", &path, &component).map(drop)
    }

    /// Deletes the copies of everybody of a provider.
    pub fn remove_imported(&self, id: &str) -> Result<()> {
        let path = format!("/admin/realms/{}/user-storage/{id}/remove-imported-users", self.realm);
        self.call("POST", &path, &Value::Null).map(drop)
    }

    /// Gives the realm a new key, with which it signs from now on.
    pub fn rotate_key(&self, name: &str) -> Result<()> {
        let component = json!({
            "name": name, "providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider",
            "config": { "priority": ["500"], "enabled": ["true"], "active": ["true"], "algorithm": ["RS256"] },
        });
        self.call("POST", &format!("/admin/realms/{}/components", self.realm), &component).map(drop)
    }

    /// Ends all sessions of a person.
    pub fn log_out(&self, email: &str) -> Result<()> {
        let path = format!("/admin/realms/{}/users/{}/logout", self.realm, self.id(email)?);
        self.call("POST", &path, &Value::Null).map(drop)
    }

    /// The realm's user profile: which attributes there are, and who sees them.
    pub fn profile(&self) -> Result<Value> {
        let text = self.call("GET", &format!("/admin/realms/{}/users/profile", self.realm), &Value::Null)?;
        serde_json::from_str(&text).map_err(|error| Failure(format!("read the user profile: {error}")))
    }

    /// Replaces the user profile.
    pub fn set_profile(&self, profile: &Value) -> Result<()> {
        self.call("PUT", &format!("/admin/realms/{}/users/profile", self.realm), profile).map(drop)
    }

    /// Makes all tokens of the realm that were issued before now worthless.
    pub fn revoke_tokens(&self) -> Result<()> {
        self.call("POST", &format!("/admin/realms/{}/logout-all", self.realm), &Value::Null).map(drop)
    }

    /// The same in another realm.
    pub fn in_realm(&self, realm: &str) -> Self {
        Self {
            address: self.address.clone(),
            door: self.door.clone(),
            realm: escape(&self.names.realm(realm)),
            names: self.names.clone(),
            changes: self.changes.clone(),
            token: Arc::clone(&self.token),
            blanks: self.blanks.clone(),
            client: self.client.clone(),
        }
    }

    /// A client's service account in place of the administrator: it sees what the client may, in the way it does. Keycloak
    /// answers a token without a session otherwise than one that came of a login.
    pub fn service_account(&self, client: &str, secret: &str) -> Self {
        let client = Some((client.to_owned(), secret.to_owned()));
        Self {
            address: self.address.clone(),
            door: self.door.clone(),
            realm: self.realm.clone(),
            names: self.names.clone(),
            changes: None,
            token: Arc::default(),
            blanks: None,
            client,
        }
    }

    /// Changes settings of the realm.
    pub fn change_realm(&self, settings: &Value) -> Result<()> {
        self.call("PUT", &format!("/admin/realms/{}", self.realm), settings).map(drop)
    }

    /// Whether a person's account is enabled, as the search says it.
    pub fn is_enabled(&self, email: &str) -> Result<bool> {
        Ok(self.find(email)?["enabled"] == true)
    }

    fn find(&self, email: &str) -> Result<Value> {
        let path = format!("/admin/realms/{}/users?exact=true&email={}", self.realm, escape(email));
        let found: Vec<Value> = serde_json::from_str(&self.call("GET", &path, &Value::Null)?)
            .map_err(|error| Failure(format!("find {email} in Keycloak: {error}")))?;
        match <[Value; 1]>::try_from(found) {
            Ok([user]) => Ok(user),
            Err(found) => {
                Err(Failure(format!("Keycloak has {} people with the address {email}", found.len())))
            }
        }
    }

    /// Calls the admin interface.
    fn call(&self, method: &str, path: &str, body: &Value) -> Result<String> {
        if let Some((own, changes)) = &self.changes
            && method != "GET"
            && path.starts_with(own)
        {
            changes.note(path);
        }
        let token = self.token()?;
        let headers = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = send(&self.address, &format!("{method} {path}"), &headers, &body)?;
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        Err(Failure(format!("{method} {path} at Keycloak: {} {}", answer.status, answer.body)))
    }

    fn token(&self) -> Result<String> {
        let mut known = self.token.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, token)) = &*known
            && since.elapsed() < TOKEN_LIFE
        {
            return Ok(token.clone());
        }
        let (realm, form) = match &self.client {
            None => {
                ("master", "grant_type=password&client_id=admin-cli&username=admin&password=admin".to_owned())
            }
            Some((id, secret)) => (
                self.realm.as_str(),
                format!("grant_type=client_credentials&client_id={id}&client_secret={secret}"),
            ),
        };
        let request = format!("POST /realms/{realm}/protocol/openid-connect/token");
        let answer = send(&self.address, &request, FORM, &form)?;
        let parsed: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let token = parsed["access_token"].as_str().map(str::to_owned);
        let token = token
            .ok_or_else(|| Failure(format!("no token of Keycloak: {} {}", answer.status, answer.body)))?;
        *known = Some((Instant::now(), token.clone()));
        Ok(token)
    }
}

fn sort(value: &mut Value) {
    match value {
        Value::Array(values) => {
            values.iter_mut().for_each(sort);
            values.sort_by_key(ToString::to_string);
        }
        Value::Object(fields) => fields.values_mut().for_each(sort),
        _ => {}
    }
}

fn id_of(user: &Value) -> &str {
    user["id"].as_str().unwrap_or_default()
}
