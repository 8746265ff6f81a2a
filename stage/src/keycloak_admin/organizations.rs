//! Organizations, and people whom they manage: those who came by a login at the organization's own identity provider.

use serde_json::{Value, json};

use super::KeycloakAdmin;
use crate::browser::Browser;
use crate::http::escape;
use crate::{Failure, Result};

/// The identity provider, as the realm calls it, and the realm, as the identity provider calls it.
const PROVIDER: &str = "home";
const CLIENT: &str = "broker";
const SECRET: &str = "s3cret";

/// An organization of a realm whose people live in another realm.
pub struct Organization {
    admin: KeycloakAdmin,
    id: String,
}

impl KeycloakAdmin {
    /// Makes a realm that is somebody's identity provider, with these people in it.
    pub fn make_home(&self, name: &str, users: &[Value]) -> Result<Self> {
        let client = json!({ "clientId": CLIENT, "secret": SECRET, "redirectUris": ["*"] });
        self.make_realm(&json!({ "realm": name, "enabled": true, "clients": [client], "users": users }))?;
        Ok(self.in_realm(name))
    }

    /// Makes an organization whose people log in at the realm `home`.
    pub fn make_organization(self, name: &str, domain: &str, home: &Self) -> Result<Organization> {
        let realm = format!("/admin/realms/{}", self.realm);
        let endpoint = |name: &str| {
            format!("http://{}/realms/{}/protocol/openid-connect/{name}", home.address, home.realm)
        };
        let config = json!({
            "authorizationUrl": endpoint("auth"), "tokenUrl": endpoint("token"), "clientId": CLIENT,
            "clientSecret": SECRET, "clientAuthMethod": "client_secret_post", "defaultScope": "openid profile email",
        });
        let provider = json!({
            "alias": PROVIDER, "providerId": "oidc", "enabled": true, "trustEmail": true, "config": config,
        });
        self.call("POST", &format!("{realm}/identity-provider/instances"), &provider)?;
        let organization = json!({
            "name": name, "alias": name, "enabled": true, "domains": [{ "name": domain, "verified": true }],
        });
        self.call("POST", &format!("{realm}/organizations"), &organization)?;
        let found = self.read(&format!("{realm}/organizations?exact=true&search={name}"))?;
        let id = found[0]["id"].as_str().map(str::to_owned);
        let id = id.ok_or_else(|| Failure(format!("Keycloak has no organization {name}")))?;
        self.call("POST", &format!("{realm}/organizations/{id}/identity-providers"), &PROVIDER.into())?;
        Ok(Organization { admin: self, id })
    }
}

impl Organization {
    /// Somebody of the identity provider logs in to the realm in a browser for the first time, and is managed by the
    /// organization from now on.
    pub fn admit(&self, username: &str, password: &str) -> Result<()> {
        let KeycloakAdmin { address, realm, .. } = &self.admin;
        let account = format!("/realms/{realm}/account/");
        let back = escape(&format!("http://{address}{account}"));
        let mut browser = Browser::new(address);
        let form = browser.open(&format!(
            "/realms/{realm}/protocol/openid-connect/auth?client_id=account&response_type=code&scope=openid\
             &redirect_uri={back}&kc_idp_hint={PROVIDER}"
        ))?;
        browser.submit(&form, &[("username", username), ("password", password)])?;
        let members = self.admin.read(&format!("{}/members?max=100", self.path()))?;
        let mut members = members.as_array().into_iter().flatten();
        match members.any(|member| member["username"] == username && member["membershipType"] == "MANAGED") {
            true => Ok(()),
            false => Err(Failure(format!("the organization does not manage {username}"))),
        }
    }

    /// Makes somebody of the realm a member, whom the organization does not manage.
    pub fn invite(&self, email: &str) -> Result<()> {
        let id = self.admin.id(email)?;
        self.admin.call("POST", &format!("{}/members", self.path()), &id.into()).map(drop)
    }

    /// Switches the organization on or off.
    pub fn switch(&self, is_on: bool) -> Result<()> {
        let mut organization = self.admin.read(&self.path())?;
        organization["enabled"] = is_on.into();
        self.admin.call("PUT", &self.path(), &organization).map(drop)
    }

    fn path(&self) -> String {
        format!("/admin/realms/{}/organizations/{}", self.admin.realm, self.id)
    }
}
