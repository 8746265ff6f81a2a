//! What keydove needs in Keycloak, as places with states: the client, its roles, the user profile, the events.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::super::storage::Failure;
use super::change::{Change, Phase, Place, State};
use super::wanted::{
    merged_client, merged_events, merged_password, merged_template, pick, put, without_users,
};
use super::wishes::Wishes;
use crate::backend::keycloak::{Admin, Error, encode};
use crate::settings::Period;

pub(super) const CLIENT: &str = "the client";
const ROLES: &str = "the roles of realm-management";
const PROFILE: &str = "the user profile";
const REALM: &str = "the realm";
const COMPONENT: &str = "the user profile's component";
const COMPONENTS: &str = "components?type=org.keycloak.userprofile.UserProfileProvider";
const SECRET: &str = "the client secret";
const ACCOUNT: &str = "the service account";
/// The client that holds the realm's roles for administrators.
const MANAGEMENT: &str = "realm-management";
/// What makes a client a service account; of a new one, and of one that was found.
const CLIENT_FIELDS: [&str; 5] =
    ["enabled", "publicClient", "serviceAccountsEnabled", "standardFlowEnabled", "directAccessGrantsEnabled"];
const EVENT_FIELDS: [&str; 6] = [
    "adminEventsEnabled",
    "adminEventsDetailsEnabled",
    "eventsEnabled",
    "eventsExpiration",
    "enabledEventTypes",
    "attributes.adminEventsExpiration",
];
/// Administrators wait longer than logins do.
const PATIENCE: Period = Period::from_secs(60);

/// The connection's settings for an administrator.
pub(super) fn patient(ca_file: Option<&std::path::Path>) -> crate::backend::keycloak::Config {
    crate::backend::keycloak::Config {
        ca_file: ca_file.map(std::path::Path::to_owned),
        connect_timeout: Period::from_secs(10),
        request_timeout: PATIENCE,
        ..Default::default()
    }
}

/// An administrator's view of the realm.
pub(super) struct Realm<'a> {
    pub(super) admin: &'a Admin,
    pub(super) reactor: &'a Runtime,
}

impl Realm<'_> {
    /// All changes that the realm needs.
    pub(super) fn plan(&self, wishes: &Wishes) -> Result<Vec<Change>, Failure> {
        self.must_be_there()?;
        let client = &wishes.client_id;
        let mut wanted = vec![(Place::Client(client.clone()), merged_client as fn(&State) -> State)];
        let roles: &[&str] = if wishes.events { &["view-users", "view-events"] } else { &["view-users"] };
        for role in roles {
            let place = Place::Role { client: client.clone(), role: (*role).to_owned() };
            wanted.push((place, |_| State::Json(true.into())));
        }
        wanted.push((Place::Attribute("mailcow_password".to_owned()), merged_password));
        wanted.push((Place::Attribute("mailcow_template".to_owned()), merged_template));
        wanted.push((Place::AttributeEditors("email".to_owned()), without_users));
        if wishes.events {
            wanted.push((Place::Events, merged_events));
        }
        let mut changes = Vec::new();
        for (place, wish) in wanted {
            let before = self.read(&place)?;
            let after = wish(&before);
            changes.extend(Change::new(Phase::Keycloak, place, before, after));
        }
        let of_profile =
            |change: &Change| matches!(change.place, Place::Attribute(_) | Place::AttributeEditors(_));
        if let Some(first) = changes.iter().position(of_profile)
            && self.read(&Place::StoredProfile)? == State::Absent
        {
            let after = State::Json(self.profile()?);
            let change = Change::new(Phase::Keycloak, Place::StoredProfile, State::Absent, after);
            changes.splice(first..first, change);
        }
        Ok(changes)
    }

    pub(super) fn must_be_there(&self) -> Result<(), Failure> {
        match self.get(REALM, "")? {
            Some(_) => Ok(()),
            None => Err(self.no_realm()),
        }
    }

    pub(super) fn no_realm(&self) -> Failure {
        Failure::Data(format!("Keycloak has no realm `{}`; letter case counts", self.admin.realm().as_str()))
    }

    pub(super) fn read(&self, place: &Place) -> Result<State, Failure> {
        match place {
            Place::Client(id) => Ok(match self.client(id)? {
                None => State::Absent,
                Some(client) => State::Json(pick(&client, &CLIENT_FIELDS)),
            }),
            Place::Role { client, role } => Ok(State::Json(self.has_role(client, role)?.into())),
            Place::StoredProfile => Ok(match self.component()? {
                None => State::Absent,
                Some(_) => State::Json(self.profile()?),
            }),
            Place::Attribute(name) => Ok(match self.attribute(name)? {
                None => State::Absent,
                Some(attribute) => State::Json(attribute),
            }),
            Place::AttributeEditors(name) => Ok(match self.attribute(name)? {
                None => State::Absent,
                Some(attribute) => State::Json(attribute["permissions"]["edit"].clone()),
            }),
            Place::Events => {
                let mut realm = self.get(REALM, "")?.unwrap_or_default();
                // A set; Keycloak shows it in any order.
                if let Some(types) = realm["enabledEventTypes"].as_array_mut() {
                    types.sort_by_key(ToString::to_string);
                }
                Ok(State::Json(pick(&realm, &EVENT_FIELDS)))
            }
            _ => self.read_of_portal(place),
        }
    }

    pub(super) fn write(&self, place: &Place, state: &State) -> Result<(), Failure> {
        match (place, state) {
            (Place::Client(id), State::Absent) => match self.client(id)? {
                Some(client) => self.send(CLIENT, Method::DELETE, &client_part(&client), None),
                None => Ok(()),
            },
            (Place::Client(id), State::Json(settings)) => match self.client(id)? {
                Some(mut client) => {
                    put(&mut client, settings);
                    self.send(CLIENT, Method::PUT, &client_part(&client), Some(&client))
                }
                None => {
                    let mut client = json!({
                        "clientId": id, "protocol": "openid-connect", "clientAuthenticatorType": "client-secret",
                        "description": "keydove, which answers mail logins; made by `keydove setup`",
                    });
                    put(&mut client, settings);
                    self.send(CLIENT, Method::POST, "clients", Some(&client))
                }
            },
            (Place::Role { client, role }, State::Json(wanted)) => {
                self.set_role(client, role, *wanted == true)
            }
            (Place::StoredProfile, State::Json(profile)) => {
                self.send(PROFILE, Method::PUT, "users/profile", Some(profile))
            }
            (Place::StoredProfile, State::Absent) => match self.component()? {
                Some(id) => self.send(COMPONENT, Method::DELETE, &format!("components/{id}"), None),
                None => Ok(()),
            },
            (Place::Attribute(name), state) => self.change_profile(|attributes| {
                let at = attributes.iter().position(|attribute| attribute["name"] == **name);
                match (state, at) {
                    (State::Json(new), Some(at)) => attributes[at] = new.clone(),
                    (State::Json(new), None) => attributes.push(new.clone()),
                    (_, Some(at)) => drop(attributes.remove(at)),
                    (_, None) => {}
                }
            }),
            (Place::AttributeEditors(name), State::Json(editors)) => self.change_profile(|attributes| {
                for attribute in attributes.iter_mut().filter(|attribute| attribute["name"] == **name) {
                    attribute["permissions"]["edit"] = editors.clone();
                }
            }),
            (Place::Events, State::Json(settings)) => {
                let mut realm = json!({});
                put(&mut realm, settings);
                // Attributes are replaced as a whole.
                if let Some(expiration) = realm["attributes"].as_object().cloned() {
                    let now = self.get(REALM, "")?.unwrap_or_default();
                    let mut attributes = now["attributes"].as_object().cloned().unwrap_or_default();
                    attributes.extend(expiration);
                    attributes.retain(|_, value| !value.is_null());
                    realm["attributes"] = attributes.into();
                }
                self.send(REALM, Method::PUT, "", Some(&realm))
            }
            _ => self.write_of_portal(place, state),
        }
    }

    /// The client's secret.
    pub(super) fn secret(&self, client_id: &str) -> Result<String, Failure> {
        let client = self.client(client_id)?.unwrap_or_default();
        let part = format!("{}/client-secret", client_part(&client));
        let answer = self.get(SECRET, &part)?.unwrap_or_default();
        match answer["value"].as_str() {
            Some(secret) if !secret.is_empty() => Ok(secret.to_owned()),
            _ => Err(Failure::Data(format!(
                "the client {client_id} has no secret: in its tab Credentials choose `Client Id and Secret`"
            ))),
        }
    }

    pub(super) fn client(&self, id: &str) -> Result<Option<Value>, Failure> {
        let found = self.get(CLIENT, &format!("clients?clientId={}", encode(id)))?.unwrap_or_default();
        Ok(found
            .as_array()
            .and_then(|clients| clients.iter().find(|client| client["clientId"] == *id))
            .cloned())
    }

    /// Where the service account's roles of `realm-management` are; `None` without a service account.
    fn roles_part(&self, client_id: &str) -> Result<Option<(String, String)>, Failure> {
        let Some(client) = self.client(client_id)? else { return Ok(None) };
        if client["serviceAccountsEnabled"] != true {
            return Ok(None);
        }
        let part = format!("{}/service-account-user", client_part(&client));
        let Some(account) = self.get(ACCOUNT, &part)? else { return Ok(None) };
        let management = self.client(MANAGEMENT)?.unwrap_or_default();
        let (account, management) = (text(&account["id"]), text(&management["id"]));
        Ok(Some((format!("users/{account}/role-mappings/clients/{management}"), management)))
    }

    fn has_role(&self, client: &str, role: &str) -> Result<bool, Failure> {
        let Some((part, _)) = self.roles_part(client)? else { return Ok(false) };
        let held = self.get(ROLES, &part)?.unwrap_or_default();
        Ok(held.as_array().is_some_and(|held| held.iter().any(|held| held["name"] == *role)))
    }

    fn set_role(&self, client: &str, role: &str, wanted: bool) -> Result<(), Failure> {
        let Some((part, management)) = self.roles_part(client)? else { return Ok(()) };
        let Some(role) = self.get(ROLES, &format!("clients/{management}/roles/{role}"))? else {
            return Err(Failure::Data(format!("{MANAGEMENT} of this Keycloak has no role {role}")));
        };
        let method = if wanted { Method::POST } else { Method::DELETE };
        self.send(ROLES, method, &part, Some(&json!([role])))
    }

    fn profile(&self) -> Result<Value, Failure> {
        Ok(self.get(PROFILE, "users/profile")?.unwrap_or_default())
    }

    /// The id of what stores the user profile.
    fn component(&self) -> Result<Option<String>, Failure> {
        let found = self.get(COMPONENT, COMPONENTS)?.unwrap_or_default();
        Ok(found.as_array().and_then(|all| all.first()).map(|component| text(&component["id"])))
    }

    fn attribute(&self, name: &str) -> Result<Option<Value>, Failure> {
        let profile = self.profile()?;
        let attributes = profile["attributes"].as_array();
        Ok(attributes.and_then(|all| all.iter().find(|attribute| attribute["name"] == *name)).cloned())
    }

    fn change_profile(&self, change: impl FnOnce(&mut Vec<Value>)) -> Result<(), Failure> {
        let mut profile = self.profile()?;
        let Some(attributes) = profile["attributes"].as_array_mut() else {
            return Err(Failure::Data(
                "this Keycloak shows no user profile: it must be 24 or later".to_owned(),
            ));
        };
        change(attributes);
        self.send(PROFILE, Method::PUT, "users/profile", Some(&profile))
    }

    pub(super) fn get(&self, call: &'static str, part: &str) -> Result<Option<Value>, Failure> {
        self.ask(self.admin.get(call, part))
    }

    /// Waits for an answer of Keycloak's.
    pub(super) fn ask<T>(&self, question: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
        self.reactor.block_on(question).map_err(|error| explain(error, self.admin.server()))
    }

    pub(super) fn send(
        &self,
        call: &'static str,
        method: Method,
        part: &str,
        body: Option<&Value>,
    ) -> Result<(), Failure> {
        self.ask(self.admin.send(call, method, part, body))
    }
}

fn explain(error: Error, server: &str) -> Failure {
    Failure::System(match error {
        Error::Unauthorized { call, error } if error == "invalid_grant" => format!(
            "{call} at {server} was refused: the name or the password is wrong, or the administrator must enter a second \
             factor; for setup make one for a day without it, with the realm's roles manage-realm, manage-clients and \
             manage-users"
        ),
        Error::Forbidden { call } => format!(
            "{call} was answered 403: this administrator may not do it; needed are manage-realm, manage-clients and \
             manage-users of the realm"
        ),
        error => format!("Keycloak at {server}: {error}"),
    })
}

pub(super) fn elsewhere(place: &Place) -> Failure {
    Failure::System(format!("{place} cannot be such a thing"))
}

pub(super) fn client_part(client: &Value) -> String {
    format!("clients/{}", text(&client["id"]))
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
