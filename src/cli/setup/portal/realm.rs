//! The portal's client in Keycloak, as places with states.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::super::super::storage::Failure;
use super::super::change::{Change, Phase, Place, State};
use super::super::realm::{CLIENT, Realm, client_part, elsewhere, text};
use super::super::wanted::{pick, put};
use super::roles::REALM_ROLE;
use super::wishes::Wishes;

const SCOPES: &str = "the client scopes";
const MAPPERS: &str = "the mappers of the portal's client";
/// Whether somebody can sign in by the code flow and in no other way.
const FIELDS: [&str; 9] = [
    "enabled",
    "publicClient",
    "standardFlowEnabled",
    "implicitFlowEnabled",
    "directAccessGrantsEnabled",
    "serviceAccountsEnabled",
    "fullScopeAllowed",
    "frontchannelLogout",
    "redirectUris",
];
const ATTRIBUTES: [&str; 4] = [
    "pkce.code.challenge.method",
    "post.logout.redirect.uris",
    "backchannel.logout.url",
    "backchannel.logout.session.required",
];
/// They bring `sub` and `auth_time`, `acr`, and the address. Before Keycloak 25 the first ones are in tokens by themselves.
const NEEDED_SCOPES: [&str; 3] = ["basic", "acr", "email"];
const MAPPER: &str = "roles of the portal";
const MAPPER_KIND: &str = "oidc-usermodel-client-role-mapper";
const CLAIM: &str = "resource_access.${client_id}.roles";

/// What the client is to be: one way in, with PKCE, to exactly these addresses.
fn wanted_client(wishes: &Wishes) -> State {
    let url = &wishes.public_url;
    State::Json(json!({
        "enabled": true,
        "publicClient": false,
        "standardFlowEnabled": true,
        "implicitFlowEnabled": false,
        "directAccessGrantsEnabled": false,
        "serviceAccountsEnabled": false,
        "fullScopeAllowed": false,
        "frontchannelLogout": false,
        "redirectUris": [format!("{url}/sign-in/done")],
        "attributes": {
            "pkce.code.challenge.method": "S256",
            "post.logout.redirect.uris": format!("{url}/signed-out"),
            "backchannel.logout.url": format!("{url}/back-channel-logout"),
            "backchannel.logout.session.required": "true",
        },
    }))
}

/// The roles of this client, in ID tokens only.
fn wanted_mapper(client: &str) -> Value {
    json!({
        "name": MAPPER,
        "protocol": "openid-connect",
        "protocolMapper": MAPPER_KIND,
        "config": {
            "usermodel.clientRoleMapping.clientId": client,
            "claim.name": CLAIM,
            "jsonType.label": "String",
            "multivalued": "true",
            "id.token.claim": "true",
            "access.token.claim": "false",
        },
    })
}

/// Whether a mapper of any name does what the portal needs.
fn does_it(mapper: &Value, client: &str) -> bool {
    let config = |name: &str| mapper["config"][name].as_str().unwrap_or_default();
    mapper["protocolMapper"] == MAPPER_KIND
        && config("claim.name") == CLAIM
        && config("id.token.claim") == "true"
        && ["", client].contains(&config("usermodel.clientRoleMapping.clientId"))
}

impl Realm<'_> {
    /// What the realm calls itself in its tokens.
    pub(super) fn issuer(&self) -> Result<String, Failure> {
        match self.ask(self.admin.issuer())? {
            Some(issuer) => Ok(issuer),
            None => Err(self.no_realm()),
        }
    }

    /// All changes that the portal needs.
    pub(super) fn plan_portal(&self, wishes: &Wishes) -> Result<Vec<Change>, Failure> {
        self.must_be_there()?;
        let id = &wishes.client_id;
        let mut changes = Vec::new();
        let mut want = |place: Place, after: State| -> Result<(), Failure> {
            let before = self.read(&place)?;
            changes.extend(Change::new(Phase::Keycloak, place, before, after));
            Ok(())
        };
        let scopes = self.needed_scopes()?;
        want(Place::SignInClient(id.clone()), wanted_client(wishes))?;
        if let Some(client) = self.client(id)? {
            for (scope, _) in scopes.iter().filter(|(scope, _)| !has_scope(&client, scope)) {
                let place = Place::ClientScope { client: id.clone(), scope: scope.clone() };
                want(place, State::Json(true.into()))?;
            }
        }
        let role = wishes.role.to_owned();
        want(Place::ClientRole { client: id.clone(), role: role.clone() }, State::Json(true.into()))?;
        want(Place::RealmRole(REALM_ROLE.to_owned()), State::Json(true.into()))?;
        let realm_role = REALM_ROLE.to_owned();
        want(
            Place::RoleInside { client: id.clone(), role: role.clone(), realm_role },
            State::Json(true.into()),
        )?;
        let place = Place::RoleMapper(id.clone());
        if self.read(&place)? == State::Absent {
            want(place, State::Json(wanted_mapper(id)))?;
        }
        for person in &wishes.administrators {
            if self.person(person)?.is_none() {
                return Err(Failure::Data(format!(
                    "--administrator {person}: nobody in the realm {} has this address",
                    self.admin.realm().as_str()
                )));
            }
            let place = Place::PersonsRole { client: id.clone(), role: role.clone(), person: person.clone() };
            want(place, State::Json(true.into()))?;
        }
        Ok(changes)
    }

    /// What is at a place of the portal's.
    pub(in super::super) fn read_of_portal(&self, place: &Place) -> Result<State, Failure> {
        let absent_or = |value: Option<Value>| value.map_or(State::Absent, State::Json);
        match place {
            Place::SignInClient(id) => Ok(absent_or(self.client(id)?.map(|client| seen(&client)))),
            Place::ClientScope { client, scope } => {
                let client = self.client(client)?.unwrap_or_default();
                Ok(State::Json(has_scope(&client, scope).into()))
            }
            Place::ClientRole { client, role } => {
                let found = self.role(client, role)?;
                Ok(absent_or(found.map(|_| true.into())))
            }
            Place::RealmRole(role) => Ok(absent_or(self.realm_role(role)?.map(|_| true.into()))),
            Place::RoleInside { client, role, realm_role } => {
                Ok(State::Json(self.is_inside(realm_role, client, role)?.into()))
            }
            Place::RoleMapper(id) => {
                let client = self.client(id)?.unwrap_or_default();
                let mut mappers = client["protocolMappers"].as_array().into_iter().flatten();
                let found = mappers.find(|mapper| does_it(mapper, id));
                Ok(absent_or(
                    found.map(|mapper| pick(mapper, &["name", "protocol", "protocolMapper", "config"])),
                ))
            }
            Place::PersonsRole { client, role, person } => {
                Ok(State::Json(self.has_persons_role(client, role, person)?.into()))
            }
            _ => Err(elsewhere(place)),
        }
    }

    /// Puts something at a place of the portal's.
    pub(in super::super) fn write_of_portal(&self, place: &Place, state: &State) -> Result<(), Failure> {
        match (place, state) {
            (Place::SignInClient(id), State::Absent) => match self.client(id)? {
                Some(client) => self.send(CLIENT, Method::DELETE, &client_part(&client), None),
                None => Ok(()),
            },
            (Place::SignInClient(id), State::Json(settings)) => match self.client(id)? {
                Some(client) => {
                    let changed = with_settings(client, settings);
                    self.send(CLIENT, Method::PUT, &client_part(&changed), Some(&changed))
                }
                None => {
                    let scopes = self.needed_scopes()?;
                    let new = json!({
                        "clientId": id, "protocol": "openid-connect", "clientAuthenticatorType": "client-secret",
                        "description": "keydove's web portal; made by `keydove setup --portal`",
                        "defaultClientScopes": scopes.iter().map(|(name, _)| name).collect::<Vec<_>>(),
                        "optionalClientScopes": [],
                    });
                    self.send(CLIENT, Method::POST, "clients", Some(&with_settings(new, settings)))
                }
            },
            (Place::ClientScope { client, scope }, State::Json(wanted)) => {
                let scopes = self.needed_scopes()?;
                let found = scopes.iter().find(|(name, _)| name == scope);
                let (Some(client), Some((_, scope))) = (self.client(client)?, found) else { return Ok(()) };
                let method = if *wanted == true { Method::PUT } else { Method::DELETE };
                let part = format!("{}/default-client-scopes/{scope}", client_part(&client));
                self.send(SCOPES, method, &part, None)
            }
            (Place::ClientRole { client, role }, state) => self.write_role(client, role, state),
            (Place::RealmRole(role), state) => self.write_realm_role(role, state),
            (Place::RoleInside { client, role, realm_role }, State::Json(wanted)) => {
                self.put_inside(realm_role, (client, role), *wanted == true)
            }
            (Place::RoleMapper(id), state) => self.write_mapper(id, state),
            (Place::PersonsRole { client, role, person }, State::Json(wanted)) => {
                self.give_role((client, role), person, *wanted == true)
            }
            _ => Err(elsewhere(place)),
        }
    }

    fn write_mapper(&self, id: &str, state: &State) -> Result<(), Failure> {
        let Some(client) = self.client(id)? else { return Ok(()) };
        let part = format!("{}/protocol-mappers/models", client_part(&client));
        if let State::Json(mapper) = state {
            return self.send(MAPPERS, Method::POST, &part, Some(mapper));
        }
        let mut mappers = client["protocolMappers"].as_array().into_iter().flatten();
        match mappers.find(|mapper| does_it(mapper, id)) {
            Some(mapper) => {
                self.send(MAPPERS, Method::DELETE, &format!("{part}/{}", text(&mapper["id"])), None)
            }
            None => Ok(()),
        }
    }

    /// The scopes that the client needs, as far as this Keycloak has them, with their ids.
    fn needed_scopes(&self) -> Result<Vec<(String, String)>, Failure> {
        let all = self.get(SCOPES, "client-scopes")?.unwrap_or_default();
        let id = |name: &&str| {
            let mut scopes = all.as_array().into_iter().flatten();
            let found = scopes.find(|scope| scope["name"] == **name)?;
            Some(((*name).to_owned(), text(&found["id"])))
        };
        let found: Vec<_> = NEEDED_SCOPES.iter().filter_map(id).collect();
        match found.iter().any(|(name, _)| name == "email") {
            true => Ok(found),
            false => Err(Failure::Data(
                "the realm has no client scope `email`, by which ID tokens name the address: make it in Keycloak under Client scopes, \
                 with the predefined mapper email"
                    .to_owned(),
            )),
        }
    }
}

fn has_scope(client: &Value, scope: &str) -> bool {
    client["defaultClientScopes"].as_array().is_some_and(|scopes| scopes.iter().any(|own| *own == *scope))
}

/// What setup looks at of a client. Names of attributes have dots.
fn seen(client: &Value) -> Value {
    let attribute = |name: &&str| ((*name).to_owned(), client["attributes"][*name].clone());
    let mut state = pick(client, &FIELDS);
    state["attributes"] = ATTRIBUTES.iter().map(attribute).collect::<Map<_, _>>().into();
    state
}

/// The other way round. Keycloak takes an attribute out where its value is empty.
fn with_settings(mut client: Value, settings: &Value) -> Value {
    let mut fields = settings.clone();
    let attributes = fields.as_object_mut().and_then(|fields| fields.remove("attributes"));
    put(&mut client, &fields);
    for (name, value) in attributes.iter().filter_map(Value::as_object).flatten() {
        client["attributes"][name] = if value.is_null() { "".into() } else { value.clone() };
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_found_client_keeps_what_else_it_is_for_and_gets_its_attributes_back() {
        let found = json!({ "id": "1", "enabled": true, "redirectUris": ["*"], "name": "mine",
            "attributes": { "logo": "x", "backchannel.logout.url": "old" } });
        let before = seen(&found);
        assert!(before.get("name").is_none() && before["attributes"]["pkce.code.challenge.method"].is_null());
        let wanted = json!({ "redirectUris": ["https://a/sign-in/done"],
            "attributes": { "backchannel.logout.url": "new", "pkce.code.challenge.method": "S256" } });
        let changed = with_settings(found, &wanted);
        assert_eq!((&changed["name"], &changed["attributes"]["logo"]), (&json!("mine"), &json!("x")));
        assert_eq!(changed["attributes"]["pkce.code.challenge.method"], "S256");
        let back = with_settings(changed, &before);
        assert_eq!(back["attributes"]["backchannel.logout.url"], "old");
        assert_eq!(back["attributes"]["pkce.code.challenge.method"], "");
        assert_eq!(back["redirectUris"], json!(["*"]));
    }

    #[test]
    fn a_mapper_of_another_name_serves_as_well() {
        let mut mapper = wanted_mapper("keydove-portal");
        assert!(does_it(&mapper, "keydove-portal"));
        mapper["name"] = "mine".into();
        mapper["config"]["usermodel.clientRoleMapping.clientId"] = Value::Null;
        assert!(does_it(&mapper, "keydove-portal"));
        mapper["config"]["id.token.claim"] = "false".into();
        assert!(!does_it(&mapper, "keydove-portal"));
        assert!(!does_it(&wanted_mapper("another"), "keydove-portal"));
    }
}
