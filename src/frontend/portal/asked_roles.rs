//! What Keycloak said a moment ago about administrators.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

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
    pub(super) fn recall(&self, whose: &(String, String), now: Instant) -> Option<bool> {
        let asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, answer) = asked.get(whose)?;
        (now.saturating_duration_since(*at) < SERVES_PAGES).then_some(*answer)
    }

    pub(super) fn note(&self, whose: (String, String), answer: bool, now: Instant) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, (at, _)| now.saturating_duration_since(*at) < SERVES_PAGES);
        asked.insert(whose, (now, answer));
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
