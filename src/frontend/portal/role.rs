//! Whether somebody is an administrator of the portal now.
//!
//! The ID token of their sign-in says so for as long as the session lasts. A role that is taken away meanwhile must count,
//! so Keycloak is asked again where the settings name the role of the realm that tells of it: keydove's service account
//! may read a person's roles of the realm, but not those of another client.

use tokio::time::Instant;

use super::asked_roles::For;
use super::service::{PortalService, SignedIn, unavailable};
use crate::auth::NotAccepted;
use crate::portal::Response;

impl PortalService {
    /// Whether somebody is an administrator, as Keycloak says now.
    ///
    /// # Errors
    /// Keycloak cannot be asked.
    pub(super) async fn is_administrator(&self, asked: &SignedIn, purpose: For) -> Result<bool, Response> {
        let session = &asked.session;
        if !(session.administrator && self.config.administrators) {
            return Ok(false);
        }
        let Some(role) = &self.config.administrator_realm_role else { return Ok(true) };
        let whose = (session.issuer.clone(), session.subject.clone());
        let known = self.roles.recall(&whose, Instant::now());
        if let (Some(answer), For::Reading) = (known, purpose) {
            return Ok(answer);
        }
        // The rehearsal of this session's sign-in has found that this Keycloak is the session's issuer.
        let sources = self.service.decision.people().sources();
        let client = match sources.client_for(&asked.user) {
            Ok(client) => client,
            Err(NotAccepted::Refused(_)) => return Ok(false),
            Err(NotAccepted::CannotTell(trouble)) => return Err(unavailable(&trouble)),
        };
        let answer = client.has_realm_role(&session.subject, role).await;
        let answer = answer.map_err(|error| unavailable(&error.temp_fail()))?;
        self.roles.note(whose, answer, Instant::now());
        Ok(answer)
    }
}
