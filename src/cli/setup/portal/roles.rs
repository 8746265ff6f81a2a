//! The roles by which Keycloak says who is an administrator of the portal, and who has them.
//!
//! There are two. The client's role is what administrators of Keycloak give, and what ID tokens tell of. It contains one of
//! the realm, because keydove's service account may read a person's roles of the realm, and not those of a client.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::super::storage::Failure;
use super::super::change::State;
use super::super::realm::{Realm, client_part, text};
use crate::backend::keycloak::encode;

/// The realm's role, as `[portal] administrator_realm_role` names it.
pub(super) const REALM_ROLE: &str = "keydove-portal-administrator";

const ROLES: &str = "the roles of the portal's client";
const REALM_ROLES: &str = "the roles of the realm";
const PEOPLE: &str = "the users";
const PERSONS_ROLES: &str = "the roles of a user";

impl Realm<'_> {
    pub(super) fn write_role(&self, client: &str, role: &str, state: &State) -> Result<(), Failure> {
        let Some(found) = self.client(client)? else { return Ok(()) };
        let part = format!("{}/roles", client_part(&found));
        if *state == State::Absent {
            return match self.role(client, role)? {
                Some(_) => self.send(ROLES, Method::DELETE, &format!("{part}/{}", encode(role)), None),
                None => Ok(()),
            };
        }
        let new =
            json!({ "name": role, "description": "sees the administrators' pages of keydove's web portal" });
        self.send(ROLES, Method::POST, &part, Some(&new))
    }

    /// A role of the realm.
    pub(super) fn realm_role(&self, role: &str) -> Result<Option<Value>, Failure> {
        self.get(REALM_ROLES, &format!("roles/{}", encode(role)))
    }

    pub(super) fn write_realm_role(&self, role: &str, state: &State) -> Result<(), Failure> {
        if *state == State::Absent {
            return match self.realm_role(role)? {
                Some(_) => self.send(REALM_ROLES, Method::DELETE, &format!("roles/{}", encode(role)), None),
                None => Ok(()),
            };
        }
        let description =
            "whoever has the administrators' role of keydove's web portal; not to be given by itself";
        let new = json!({ "name": role, "description": description });
        self.send(REALM_ROLES, Method::POST, "roles", Some(&new))
    }

    fn inside(&self, client: &str, role: &str) -> Result<Option<String>, Failure> {
        let Some(client) = self.client(client)? else { return Ok(None) };
        Ok(Some(format!("{}/roles/{}/composites", client_part(&client), encode(role))))
    }

    /// Whether the client's role contains the realm's.
    pub(super) fn is_inside(&self, realm_role: &str, client: &str, role: &str) -> Result<bool, Failure> {
        let Some(part) = self.inside(client, role)? else { return Ok(false) };
        let held = self.get(ROLES, &format!("{part}/realm"))?.unwrap_or_default();
        Ok(held.as_array().is_some_and(|held| held.iter().any(|held| held["name"] == *realm_role)))
    }

    pub(super) fn put_inside(
        &self,
        realm_role: &str,
        (client, role): (&str, &str),
        wanted: bool,
    ) -> Result<(), Failure> {
        let (part, realm_role) = (self.inside(client, role)?, self.realm_role(realm_role)?);
        let Some((part, realm_role)) = part.zip(realm_role) else { return Ok(()) };
        let method = if wanted { Method::POST } else { Method::DELETE };
        self.send(ROLES, method, &part, Some(&json!([realm_role])))
    }

    pub(super) fn role(&self, client: &str, role: &str) -> Result<Option<Value>, Failure> {
        match self.client(client)? {
            Some(client) => self.get(ROLES, &format!("{}/roles/{}", client_part(&client), encode(role))),
            None => Ok(None),
        }
    }

    /// The id of the one user with this address.
    pub(super) fn person(&self, address: &str) -> Result<Option<String>, Failure> {
        let part = format!("users?exact=true&briefRepresentation=true&email={}", encode(address));
        let found = self.get(PEOPLE, &part)?.unwrap_or_default();
        match found.as_array().map(Vec::as_slice) {
            Some([person]) => Ok(Some(text(&person["id"]))),
            Some([_, _, ..]) => {
                Err(Failure::Data(format!("--administrator {address}: several users have this address")))
            }
            _ => Ok(None),
        }
    }

    fn persons_roles(&self, client: &str, person: &str) -> Result<Option<String>, Failure> {
        let (client, person) = (self.client(client)?, self.person(person)?);
        let part = |(client, person): (Value, String)| {
            format!("users/{person}/role-mappings/{}", client_part(&client))
        };
        Ok(client.zip(person).map(part))
    }

    pub(super) fn has_persons_role(&self, client: &str, role: &str, person: &str) -> Result<bool, Failure> {
        let Some(part) = self.persons_roles(client, person)? else { return Ok(false) };
        let held = self.get(PERSONS_ROLES, &part)?.unwrap_or_default();
        Ok(held.as_array().is_some_and(|held| held.iter().any(|held| held["name"] == *role)))
    }

    pub(super) fn give_role(
        &self,
        (client, role): (&str, &str),
        person: &str,
        wanted: bool,
    ) -> Result<(), Failure> {
        let Some(part) = self.persons_roles(client, person)? else { return Ok(()) };
        let Some(role) = self.role(client, role)? else { return Ok(()) };
        let method = if wanted { Method::POST } else { Method::DELETE };
        self.send(PERSONS_ROLES, method, &part, Some(&json!([role])))
    }
}
