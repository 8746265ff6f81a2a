//! Making realms: a blank one that becomes the realm that is wanted, or a new one.

use serde_json::Value;

use super::KeycloakAdmin;
use crate::blanks::Blank;
use crate::{Result, realm_keys};

impl KeycloakAdmin {
    /// Makes a realm of its own with everything in it, and with keys of its own.
    pub fn make_realm(&self, realm: &Value) -> Result<()> {
        let mut realm = realm.clone();
        realm["realm"] = self.names.realm(realm["realm"].as_str().unwrap_or_default()).into();
        if let Some(blank) = self.blanks.as_ref().and_then(|blanks| blanks.take(&realm)) {
            return Self::at(&self.address, &blank.name, &self.token).become_realm(blank);
        }
        realm["components"]["org.keycloak.keys.KeyProvider"] = realm_keys::components()?;
        self.call("POST", "/admin/realms", &realm).map(drop)
    }

    fn become_realm(&self, blank: Blank) -> Result<()> {
        if let Some(profile) = blank.profile {
            self.set_profile(&profile)?;
        }
        if !blank.people.is_empty() {
            self.import(&blank.people)?;
        }
        let settings = Value::Object(blank.settings);
        // As two imports, two such changes at one moment can be in each other's way.
        self.change_realm(&settings).or_else(|_| self.change_realm(&settings))
    }
}
