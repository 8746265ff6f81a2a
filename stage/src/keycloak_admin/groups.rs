//! Groups, roles, and what a client may see.

use serde_json::{Value, json};

use super::{KeycloakAdmin, id_of};
use crate::{Failure, Result};

/// Those that `keydove setup --portal` makes.
const PORTAL_ROLE: &str = "administrator";
const PORTAL_REALM_ROLE: &str = "keydove-portal-administrator";

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

    /// Ends that.
    pub fn leave_group(&self, email: &str, group: &str) -> Result<()> {
        let path =
            format!("/admin/realms/{}/users/{}/groups/{}", self.realm, self.id(email)?, self.group(group)?);
        self.call("DELETE", &path, &Value::Null).map(drop)
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

    /// Makes somebody an administrator of the web portal, or takes that away. The roles are those that `keydove setup
    /// --portal` makes: one of the client, and in it one of the realm.
    pub fn let_administrate_portal(&self, email: &str, may: bool) -> Result<()> {
        let path = format!("/admin/realms/{}/users/{}", self.realm, self.id(email)?);
        self.map_portal_role(&path, may)
    }

    /// The same for everybody of a group.
    pub fn let_group_administrate_portal(&self, group: &str, may: bool) -> Result<()> {
        let path = format!("/admin/realms/{}/groups/{}", self.realm, self.group(group)?);
        self.map_portal_role(&path, may)
    }

    fn map_portal_role(&self, of: &str, may: bool) -> Result<()> {
        let realm = format!("/admin/realms/{}", self.realm);
        let found = self.read(&format!("{realm}/clients?clientId=keydove-portal"))?;
        let client = found[0]["id"].as_str();
        let client = client.ok_or_else(|| Failure(format!("Keycloak has no such client: {found}")))?;
        let roles = format!("{realm}/clients/{client}/roles");
        if self.read(&roles)?.as_array().into_iter().flatten().all(|known| known["name"] != PORTAL_ROLE) {
            self.call("POST", &roles, &json!({ "name": PORTAL_ROLE }))?;
            self.call("POST", &format!("{realm}/roles"), &json!({ "name": PORTAL_REALM_ROLE }))?;
            let inside = self.read(&format!("{realm}/roles/{PORTAL_REALM_ROLE}"))?;
            self.call("POST", &format!("{roles}/{PORTAL_ROLE}/composites"), &json!([inside]))?;
        }
        let role = self.read(&format!("{roles}/{PORTAL_ROLE}"))?;
        let path = format!("{of}/role-mappings/clients/{client}");
        self.call(if may { "POST" } else { "DELETE" }, &path, &json!([role])).map(drop)
    }

    fn group(&self, name: &str) -> Result<String> {
        let found = self.read(&format!("/admin/realms/{}/groups?exact=true&search={name}", self.realm))?;
        let id = found[0]["id"].as_str();
        id.map(str::to_owned).ok_or_else(|| Failure(format!("Keycloak has no group {name}")))
    }
}
