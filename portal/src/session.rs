//! Proofs of who asks. A handler that takes one cannot be reached without.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use keydove_words::portal::{NoSession, RECENT, Session, SessionKey};

use crate::app::App;
use crate::cookie;
use crate::problem::Problem;

/// Somebody is signed in, and was still enabled when this request came.
#[derive(Clone, Debug)]
pub struct SignedIn {
    key: SessionKey,
    session: Session,
}

/// They have proven who they are within the last five minutes.
#[derive(Clone, Debug)]
pub struct RecentlySignedIn(pub SignedIn);

/// They had the administrators' role when they signed in. Others are refused.
#[derive(Clone, Debug)]
pub struct Administrator(SignedIn);

/// An administrator who has proven who they are, and that they have the role, within the last five minutes. Others are
/// sent to Keycloak, and their form waits.
#[derive(Clone, Debug)]
pub struct RecentAdministrator(Administrator);

impl SignedIn {
    /// What the daemon knows the session by.
    #[must_use]
    pub fn key(&self) -> SessionKey {
        self.key.clone()
    }

    /// The mailbox.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.session.user
    }

    /// Keycloak's id of the person.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.session.subject
    }

    /// Whether they are an administrator.
    #[must_use]
    pub fn is_administrator(&self) -> bool {
        self.session.administrator
    }

    /// What makes their form wait until they have proven who they are.
    #[must_use]
    pub fn stale(&self) -> Problem {
        Problem::Stale { subject: self.session.subject.clone() }
    }

    /// Proves that it was not long ago that they proved who they are.
    #[must_use]
    pub fn recently(self, now: u64) -> Option<RecentlySignedIn> {
        is_recent(self.session.auth_time, now).then_some(RecentlySignedIn(self))
    }
}

/// Whether a proof of identity is young enough to show a secret.
#[must_use]
pub fn is_recent(auth_time: u64, now: u64) -> bool {
    now <= auth_time.saturating_add(RECENT)
}

impl FromRequestParts<Arc<App>> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let value = cookie::find(&parts.headers, cookie::SESSION).filter(|value| !value.is_empty());
        let key = cookie::session_key(value.ok_or(Problem::NoSession(NoSession::Unknown))?);
        let session = app.daemon.session(key.clone()).await?;
        Ok(Self { key, session })
    }
}

impl Administrator {
    /// As somebody who is signed in.
    #[must_use]
    pub fn who(&self) -> &SignedIn {
        &self.0
    }
}

impl RecentAdministrator {
    /// The same for what needs no recent proof.
    #[must_use]
    pub fn administrator(&self) -> &Administrator {
        &self.0
    }
}

impl FromRequestParts<Arc<App>> for Administrator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let who = SignedIn::from_request_parts(parts, app).await?;
        if who.is_administrator() { Ok(Self(who)) } else { Err(Problem::NotAdministrator) }
    }
}

impl FromRequestParts<Arc<App>> for RecentAdministrator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let who = Administrator::from_request_parts(parts, app).await?;
        if is_recent(who.0.session.auth_time, app.clock.now()) { Ok(Self(who)) } else { Err(who.0.stale()) }
    }
}

#[cfg(test)]
mod tests {
    use super::is_recent;

    #[test]
    fn a_proof_is_recent_for_five_minutes() {
        assert!(is_recent(1000, 1000) && is_recent(1000, 1300));
        assert!(!is_recent(1000, 1301) && !is_recent(0, 1301));
        assert!(is_recent(u64::MAX, 1000));
    }
}
