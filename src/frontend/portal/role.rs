//! Whether somebody is an administrator of the portal now.
//!
//! The ID token of their sign-in says so for as long as the session lasts. A role that is taken away meanwhile must count,
//! so Keycloak is asked again where the settings name the role of the realm that tells of it: keydove's service account
//! may read a person's roles of the realm, but not those of another client.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::service::{PortalService, SignedIn, unavailable};
use crate::auth::NotAccepted;
use crate::portal::Response;

/// So long an answer of Keycloak serves pages, which are several requests each.
const SERVES_PAGES: Duration = Duration::from_secs(5);

/// What somebody wants to do as an administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// Keycloak may have been asked some seconds ago.
    Reading,
    /// Keycloak is asked now.
    Changing,
}

/// What Keycloak said a moment ago of those who asked for administrators' pages, by issuer and subject.
#[derive(Debug, Default)]
pub(super) struct AskedRoles(Mutex<HashMap<(String, String), (Instant, bool)>>);

impl AskedRoles {
    fn recall(&self, whose: &(String, String), now: Instant) -> Option<bool> {
        let asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, answer) = asked.get(whose)?;
        (now.saturating_duration_since(*at) < SERVES_PAGES).then_some(*answer)
    }

    fn note(&self, whose: (String, String), answer: bool, now: Instant) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, (at, _)| now.saturating_duration_since(*at) < SERVES_PAGES);
        asked.insert(whose, (now, answer));
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_serves_for_five_seconds_and_is_forgotten_then() {
        let roles = AskedRoles::default();
        let whose = |subject: &str| ("https://sso/realms/mail".to_owned(), subject.to_owned());
        roles.note(whose("alice"), true, Instant::now());
        assert_eq!(roles.recall(&whose("alice"), Instant::now()), Some(true));
        assert_eq!(roles.recall(&whose("bob"), Instant::now()), None);
        tokio::time::advance(SERVES_PAGES).await;
        assert_eq!(roles.recall(&whose("alice"), Instant::now()), None);
        roles.note(whose("bob"), false, Instant::now());
        assert_eq!(roles.0.lock().unwrap().len(), 1, "what is too old takes no room");
    }
}
