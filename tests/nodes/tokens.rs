//! Access tokens: who has one, and from whom.

use serde_json::json;

use crate::cluster::PASSWORD;
use crate::configuration::PUBLIC;
use crate::stage::keycloak_admin::KeycloakAdmin;
use crate::stage::{Failure, Result};

/// Where tokens open mailboxes.
pub const SETTINGS: &str = "[oauth]\naudiences = [\"mailcow\"]\n\n";
/// One in so many residents has one,
const ONE_IN: usize = 3;
/// and not more than so many: Keycloak takes its time for each.
const MOST: usize = 12;
/// Who gives tokens for passwords.
const CLIENT: &str = "tokens";
/// How long they are good for, in seconds: longer than any run.
const LIFE: &str = "3600";

/// Somebody's access token.
#[derive(Clone, Debug)]
pub struct Token {
    /// Whose.
    pub user: String,
    /// What is presented.
    pub text: String,
}

/// Who has one.
pub fn holders(residents: &[String]) -> impl Iterator<Item = &String> {
    residents.iter().step_by(ONE_IN).take(MOST)
}

/// Gets them, from a realm that calls itself by the address that people know.
///
/// # Errors
/// Keycloak gives none.
pub fn make(admin: &KeycloakAdmin, residents: &[String]) -> Result<Vec<Token>> {
    admin.change_realm(&json!({ "attributes": { "frontendUrl": PUBLIC } }))?;
    admin.make_client(&json!({
        "clientId": CLIENT, "publicClient": true, "directAccessGrantsEnabled": true, "standardFlowEnabled": false,
        "attributes": { "access.token.lifespan": LIFE },
        "protocolMappers": [{
            "name": "audience", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper",
            "config": { "included.client.audience": "mailcow", "access.token.claim": "true" },
        }],
    }))?;
    let token = |user: &String| {
        let answer = admin.tokens(CLIENT, user, PASSWORD)?;
        let text = answer["access_token"].as_str().ok_or_else(|| Failure(format!("no token: {answer}")))?;
        Ok(Token { user: user.clone(), text: text.to_owned() })
    };
    holders(residents).map(token).collect()
}
