//! Groups, roles, and what a client may see.

use serde_json::{Value, json};

use super::{KeycloakAdmin, id_of};
use crate::{Failure, Result};

impl KeycloakAdmin {
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

    /// Gives the service account of a client the right to see people, or takes it away.
    pub fn let_see_people(&self, client: &str, may: bool) -> Result<()> {
        let realm = format!("/admin/realms/{}", self.realm);
        let id = |name: &str| -> Result<String> {
            let found = self.read(&format!("{realm}/clients?clientId={name}"))?;
            let id = found[0]["id"].as_str();
            id.map(str::to_owned).ok_or_else(|| Failure(format!("Keycloak has no client {name}")))
        };
        let account = self.read(&format!("{realm}/clients/{}/service-account-user", id(client)?))?;
        let management = id("realm-management")?;
        let role = self.read(&format!("{realm}/clients/{management}/roles/view-users"))?;
        let path = format!("{realm}/users/{}/role-mappings/clients/{management}", id_of(&account));
        self.call(if may { "POST" } else { "DELETE" }, &path, &json!([role])).map(drop)
    }

    /// Makes a role of a client, unless it is there, and gives it to a person, or takes it away.
    pub fn let_have_client_role(&self, email: &str, client: &str, role: &str, has_it: bool) -> Result<()> {
        let realm = format!("/admin/realms/{}", self.realm);
        let found = self.read(&format!("{realm}/clients?clientId={client}"))?;
        let client = found[0]["id"].as_str();
        let client = client.ok_or_else(|| Failure(format!("Keycloak has no such client: {found}")))?;
        let roles = self.read(&format!("{realm}/clients/{client}/roles"))?;
        if !roles.as_array().into_iter().flatten().any(|known| known["name"] == role) {
            self.call("POST", &format!("{realm}/clients/{client}/roles"), &json!({ "name": role }))?;
        }
        let role = self.read(&format!("{realm}/clients/{client}/roles/{role}"))?;
        let path = format!("{realm}/users/{}/role-mappings/clients/{client}", self.id(email)?);
        self.call(if has_it { "POST" } else { "DELETE" }, &path, &json!([role])).map(drop)
    }

    fn group(&self, name: &str) -> Result<String> {
        let found = self.read(&format!("/admin/realms/{}/groups?exact=true&search={name}", self.realm))?;
        let id = found[0]["id"].as_str();
        id.map(str::to_owned).ok_or_else(|| Failure(format!("Keycloak has no group {name}")))
    }
}
