//! Who is signed in to the portal.

use super::service::{PortalService, SignedIn, login, out_of_reach, seconds, unavailable, unsigned};
use crate::auth::{ProvenIdentity, Verdict};
use crate::backend::sql::{NewSession, SessionEnd, StoredSession};
use crate::login::service::{Arrival, Listener};
use crate::observe;
use crate::portal::{Response, Session, SessionKey, SessionRow, SignIn};

/// What the table has room for, in characters.
const LONGEST_BROWSER: usize = 60;
const LONGEST_ID: usize = 255;
const LONGEST_ISSUER: usize = 512;

impl PortalService {
    /// Somebody has proven who they are. It is a login like any other, but for the password: the mailbox is made within
    /// every limit, the template is followed, and there is one log line.
    pub(super) async fn sign_in(
        &self,
        sign_in: SignIn,
        listener: &Listener,
        arrival: Arrival,
    ) -> Result<Response, Response> {
        check_form(&sign_in)?;
        let identity = ProvenIdentity { issuer: sign_in.issuer.clone(), subject: sign_in.subject.clone() };
        let request = login(&sign_in.email, identity, sign_in.remote);
        let grant = match self.service.log_in(listener, request, arrival).await.verdict {
            Verdict::Accept(grant) => grant,
            Verdict::Refuse(denial) => return Ok(Response::Refused { code: denial.code().to_owned() }),
            Verdict::CannotTell(trouble) => return Err(unavailable(&trouble)),
        };
        let now = seconds(arrival);
        let administrator = sign_in.administrator && self.config.administrators;
        let (_, length) = self.config.session_limits(administrator);
        let new = NewSession {
            session: sign_in.session.0.clone(),
            replaces: sign_in.replaces.map(|replaced| replaced.0),
            user: grant.user.clone(),
            issuer: sign_in.issuer,
            subject: sign_in.subject,
            sid: sign_in.sid,
            // Keycloak's clock may be ahead of this one; the proof lasts no longer for it.
            auth_time: i64::try_from(sign_in.auth_time).unwrap_or(0).min(now),
            administrator,
            remote: sign_in.remote.map(|remote| remote.to_string()),
            browser: sign_in.browser.chars().filter(|c| !c.is_control()).take(LONGEST_BROWSER).collect(),
            created: now,
            ends: now.saturating_add(length),
        };
        let session = Session {
            user: grant.user.as_str().to_owned(),
            issuer: new.issuer.clone(),
            subject: new.subject.clone(),
            auth_time: unsigned(new.auth_time),
            administrator: new.administrator,
            ends: unsigned(new.ends),
        };
        self.service.decision.database().begin_session(new).await.map_err(|error| out_of_reach(&error))?;
        tracing::info!(
            user = session.user,
            subject = session.subject,
            administrator = session.administrator,
            remote = observe::remote_field(sign_in.remote),
            "somebody has signed in to the portal"
        );
        Ok(Response::Session(Box::new(session)))
    }

    pub(super) async fn end(&self, which: SessionEnd) -> Result<Response, Response> {
        let ended = self.service.decision.database().end_sessions(which).await;
        ended.map(|sessions| Response::Ended { sessions }).map_err(|error| out_of_reach(&error))
    }

    /// Keycloak says that somebody has signed out. It names one session even where it has ended all of a person's, so
    /// whoever is named loses all.
    pub(super) async fn end_by_keycloak(
        &self,
        issuer: String,
        subject: Option<String>,
        sid: Option<String>,
    ) -> Result<Response, Response> {
        let which = match (subject, sid) {
            (Some(subject), _) => SessionEnd::Person { issuer, subject },
            (None, Some(sid)) => SessionEnd::Keycloak { issuer, sid },
            (None, None) => {
                return Err(Response::Error { detail: "a sign-out names nobody".to_owned() });
            }
        };
        let response = self.end(which.clone()).await?;
        if let Response::Ended { sessions } = &response {
            tracing::info!(sessions, of = ?which, "Keycloak has signed somebody out of the portal");
        }
        Ok(response)
    }

    pub(super) fn is_idle(&self, row: &StoredSession, now: i64) -> bool {
        now >= row.used.saturating_add(self.config.session_limits(row.administrator).0)
    }

    pub(super) async fn list_sessions(&self, asked: &SignedIn, now: i64) -> Result<Response, Response> {
        let StoredSession { issuer, subject, .. } = &asked.session;
        let found = self.service.decision.database().list_sessions(issuer, subject, now).await;
        let rows = found.map_err(|error| out_of_reach(&error))?;
        let rows = rows.into_iter().filter(|row| !self.is_idle(row, now));
        let current = &asked.session.session;
        Ok(Response::Sessions { sessions: rows.map(|row| listed(row, Some(current))).collect() })
    }
}

/// A row of the list, for somebody who has this session.
pub(super) fn listed(row: StoredSession, current: Option<&String>) -> SessionRow {
    SessionRow {
        id: row.id,
        current: Some(&row.session) == current,
        created: unsigned(row.created),
        used: unsigned(row.used),
        remote: row.remote,
        browser: row.browser,
    }
}

/// What the portal says of somebody must fit the table.
fn check_form(sign_in: &SignIn) -> Result<(), Response> {
    let is_key = |key: &SessionKey| {
        key.0.len() == 64 && key.0.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let fits = |text: &str, longest: usize| !text.is_empty() && text.chars().count() <= longest;
    let is_right = is_key(&sign_in.session)
        && sign_in.replaces.as_ref().is_none_or(is_key)
        && fits(&sign_in.issuer, LONGEST_ISSUER)
        && fits(&sign_in.subject, LONGEST_ID)
        && sign_in.sid.as_deref().is_none_or(|sid| fits(sid, LONGEST_ID));
    if is_right { Ok(()) } else { Err(Response::Error { detail: "this is no sign-in".to_owned() }) }
}
