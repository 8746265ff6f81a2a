//! Keycloak's protection against guessing.

use serde_json::Value;

use super::KeycloakAdmin;
use crate::http::{FORM, escape, send};
use crate::{Failure, Result};

impl KeycloakAdmin {
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
            let answer = send(&self.door, &format!("POST {path}"), FORM, &form)?;
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
}
