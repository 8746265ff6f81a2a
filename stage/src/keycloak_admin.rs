//! Keycloak's admin interface, as far as cases change people: made, changed, disabled, deleted.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::keycloak::{Keycloak, REALM};
use crate::names::Names;
use crate::realm_keys;
use crate::realms::Changes;
use crate::{Failure, Result};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
/// Making a realm takes a busy machine a while.
const LIMIT: Duration = Duration::from_secs(180);

/// A token of the master realm lives for a minute.
const TOKEN_LIFE: Duration = Duration::from_secs(30);

/// The bootstrap administrator at one server.
pub struct KeycloakAdmin {
    /// `host:port` of the server.
    address: String,
    /// `host:port` where people log in.
    door: String,
    /// The realm's name in a path.
    realm: String,
    names: Names,
    /// Who wants to know of changes in which realm.
    changes: Option<(String, Arc<Changes>)>,
    token: Arc<Token>,
}

/// The administrator's token at one server, while it is good.
#[derive(Default)]
pub(crate) struct Token(Mutex<Option<(Instant, String)>>);

/// What the server said.
struct Answer {
    status: u16,
    body: String,
}

impl KeycloakAdmin {
    /// Prepares for a server; nothing is sent yet.
    pub fn new(keycloak: &Keycloak) -> Self {
        let names = keycloak.names();
        let realm = names.realm(REALM);
        let lease = keycloak.lease();
        Self {
            address: keycloak.server().address(),
            door: keycloak.url().trim_start_matches("http://").to_owned(),
            changes: lease.map(|lease| (format!("/admin/realms/{realm}/"), Arc::clone(lease.changes()))),
            token: lease.map(|lease| Arc::clone(lease.token())).unwrap_or_default(),
            realm,
            names,
        }
    }

    /// The same for a realm of a server by its real name.
    pub(crate) fn at(address: &str, realm: &str, token: &Arc<Token>) -> Self {
        let (address, realm, token) = (address.to_owned(), realm.to_owned(), Arc::clone(token));
        Self { door: address.clone(), address, realm, names: Names::default(), changes: None, token }
    }

    /// Asks what a login asks: the first answers of a server, and of a realm, take longer than a login may.
    pub(crate) fn warm_up(&self) -> Result<()> {
        let path = format!("/realms/{}/protocol/openid-connect/token", self.realm);
        let form = "grant_type=client_credentials&client_id=mailcow&client_secret=s3cret";
        let answer = Self::send(&self.address, &format!("POST {path}"), FORM, form)?;
        let tokens: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let token = tokens["access_token"].as_str().unwrap_or_default();
        let search = "exact=true&briefRepresentation=false&email=alice%40example.org";
        let search = format!("GET /admin/realms/{}/users?{search}", self.realm);
        let found = Self::send(&self.address, &search, &format!("Authorization: Bearer {token}\r\n"), "")?;
        match (answer.status, found.status) {
            (200, 200) => Ok(()),
            _ => {
                Err(Failure(format!("realm {} does not answer: {} {}", self.realm, answer.body, found.body)))
            }
        }
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

    /// Makes a realm role.
    pub fn make_role(&self, name: &str) -> Result<()> {
        self.call("POST", &format!("/admin/realms/{}/roles", self.realm), &json!({ "name": name })).map(drop)
    }

    /// Makes a group below the root.
    pub fn make_group(&self, name: &str) -> Result<()> {
        self.call("POST", &format!("/admin/realms/{}/groups", self.realm), &json!({ "name": name })).map(drop)
    }

    /// Makes a person a member of a group.
    pub fn join_group(&self, email: &str, group: &str) -> Result<()> {
        let path =
            format!("/admin/realms/{}/users/{}/groups/{}", self.realm, self.id(email)?, self.group(group)?);
        self.call("PUT", &path, &Value::Null).map(drop)
    }

    /// Gives a realm role to all members of a group, or takes it away.
    pub fn map_role(&self, group: &str, role: &str, has_it: bool) -> Result<()> {
        let role = self.read(&format!("/admin/realms/{}/roles/{role}", self.realm))?;
        let path = format!("/admin/realms/{}/groups/{}/role-mappings/realm", self.realm, self.group(group)?);
        self.call(if has_it { "POST" } else { "DELETE" }, &path, &json!([role])).map(drop)
    }

    fn group(&self, name: &str) -> Result<String> {
        let found = self.read(&format!("/admin/realms/{}/groups?exact=true&search={name}", self.realm))?;
        let id = found[0]["id"].as_str();
        id.map(str::to_owned).ok_or_else(|| Failure(format!("Keycloak has no group {name}")))
    }

    fn read(&self, path: &str) -> Result<Value> {
        serde_json::from_str(&self.call("GET", path, &Value::Null)?)
            .map_err(|error| Failure(format!("read {path}: {error}")))
    }

    /// Makes a realm of its own with everything in it, and with keys of its own.
    pub fn make_realm(&self, realm: &Value) -> Result<()> {
        let mut realm = realm.clone();
        realm["components"]["org.keycloak.keys.KeyProvider"] = realm_keys::components()?;
        realm["realm"] = self.names.realm(realm["realm"].as_str().unwrap_or_default()).into();
        self.call("POST", "/admin/realms", &realm).map(drop)
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
        let answer = Self::send(&self.door, &format!("POST {path}"), FORM, &form)?;
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
            realm: self.names.realm(realm),
            names: self.names.clone(),
            changes: self.changes.clone(),
            token: Arc::clone(&self.token),
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

    /// What Keycloak's protection against guessing knows of a person.
    pub fn lockout(&self, email: &str) -> Result<Value> {
        let path = self.lockout_path(email)?;
        serde_json::from_str(&self.call("GET", &path, &Value::Null)?)
            .map_err(|error| Failure(format!("read {path}: {error}")))
    }

    /// Ends a lockout for a while.
    pub fn unlock(&self, email: &str) -> Result<()> {
        self.call("DELETE", &self.lockout_path(email)?, &Value::Null).map(drop)
    }

    /// Logs in at Keycloak itself with a wrong password, so often.
    pub fn fail_to_log_in(&self, email: &str, times: usize) -> Result<()> {
        let path = format!("/realms/{}/protocol/openid-connect/token", self.realm);
        let name = escape(email);
        let form = format!("grant_type=password&client_id=admin-cli&username={name}&password=wrong");
        for _ in 0..times {
            let answer = Self::send(&self.door, &format!("POST {path}"), FORM, &form)?;
            if !matches!(answer.status, 400 | 401) {
                return Err(Failure(format!(
                    "a wrong password at Keycloak: {} {}",
                    answer.status, answer.body
                )));
            }
        }
        Ok(())
    }

    fn lockout_path(&self, email: &str) -> Result<String> {
        Ok(format!("/admin/realms/{}/attack-detection/brute-force/users/{}", self.realm, self.id(email)?))
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
        let answer = Self::send(&self.address, &format!("{method} {path}"), &headers, &body)?;
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
        let form = "grant_type=password&client_id=admin-cli&username=admin&password=admin";
        let path = "/realms/master/protocol/openid-connect/token";
        let answer = Self::send(&self.address, &format!("POST {path}"), FORM, form)?;
        let parsed: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let token = parsed["access_token"].as_str().map(str::to_owned);
        let token = token.ok_or_else(|| {
            Failure(format!("no token of Keycloak's administrator: {} {}", answer.status, answer.body))
        })?;
        *known = Some((Instant::now(), token.clone()));
        Ok(token)
    }

    /// One request on a connection of its own. HTTP/1.0, so that the answer comes in one piece.
    fn send(address: &str, request: &str, headers: &str, body: &str) -> Result<Answer> {
        let exchange = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(LIMIT))?;
            let length = body.len();
            let head =
                format!("{request} HTTP/1.0\r\nHost: {address}\r\n{headers}Content-Length: {length}\r\n\r\n");
            stream.write_all((head + body).as_bytes())?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        let failed = |error| Failure(format!("{request} at Keycloak: {error}"));
        let answer = exchange().map_err(|error| failed(error.to_string()))?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| failed(answer.clone()))?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| failed(head.to_owned()))?;
        Ok(Answer { status, body: body.to_owned() })
    }
}

fn id_of(user: &Value) -> &str {
    user["id"].as_str().unwrap_or_default()
}

/// A text as a value of a query.
fn escape(text: &str) -> String {
    let escaped = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escaped).collect()
}
