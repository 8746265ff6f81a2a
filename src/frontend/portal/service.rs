//! Answers the portal. Each request leads through [`PortalService::signed_in`]: whose session is it, is it still one, and
//! may its person still log in?

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tokio::time::timeout;

use super::Config;
use super::admin::AdminParts;
use super::asked_roles::{AskedRoles, For};
use crate::auth::{AuthRequest, Credential, Origin, ProvenIdentity, Service, TempFail, Username, Verdict};
use crate::backend::sql::{Error, Followed, MailLogin, OwnAppPasswords, SessionEnd, StoredSession};
use crate::login::LoginService;
use crate::login::decision::too_late;
use crate::login::service::{Arrival, Listener};
use crate::observe::RecentAttempt;
use crate::portal::{
    Device, MailSignIn, NoSession, RECENT, RefusedSignIn, Request, Response, Session, SessionKey,
};

/// As many refused sign-ins as one looks at.
const REFUSED_SHOWN: usize = 20;
/// How long an answer waits until every node has followed: a little longer than nodes that follow need.
const FOLLOWED_WITHIN: Duration = Duration::from_millis(2500);
/// What an app password can open, and a mailbox switch on and off.
pub(super) const SERVICES: [Service; 6] =
    [Service::Imap, Service::Pop3, Service::Smtp, Service::Sieve, Service::Dav, Service::Eas];

/// Answers the portal.
#[derive(Debug)]
pub struct PortalService {
    pub(super) service: Arc<LoginService>,
    pub(super) config: Config,
    /// After how many seconds every node refuses what was revoked.
    pub(super) holds_within: u64,
    pub(super) admin: AdminParts,
    pub(super) roles: AskedRoles,
}

/// Somebody whose session it is.
pub(super) struct SignedIn {
    pub(super) user: Username,
    pub(super) session: StoredSession,
}

impl PortalService {
    /// Takes what it asks. `holds_within` is the age, in seconds, up to which another node goes by what it remembers of a
    /// mailbox.
    #[must_use]
    pub fn new(service: Arc<LoginService>, config: Config, holds_within: u64) -> Self {
        Self { service, config, holds_within, admin: AdminParts::default(), roles: AskedRoles::default() }
    }

    /// The same with what administrators ask about beside logins.
    #[must_use]
    pub fn with_administration(self, admin: AdminParts) -> Self {
        Self { admin, ..self }
    }

    /// Answers, no later than a login would be.
    pub async fn answer(&self, request: Request, listener: &Listener, arrival: Arrival) -> Response {
        let deadline = self.service.deadline;
        match timeout(deadline, Box::pin(self.find_answer(request, listener, arrival))).await {
            Ok(Ok(response) | Err(response)) => response,
            Err(_) => unavailable(&too_late(deadline)),
        }
    }

    /// What keeps from an answer is one, too.
    async fn find_answer(
        &self,
        request: Request,
        listener: &Listener,
        arrival: Arrival,
    ) -> Result<Response, Response> {
        let now = seconds(arrival);
        match request {
            // The protocol has taken it.
            Request::Hello { .. } => Err(Response::Error { detail: "`hello` is said once".to_owned() }),
            Request::SignIn(sign_in) => self.sign_in(*sign_in, listener, arrival).await,
            Request::Session { session } => {
                let asked = self.signed_in(&session, now).await?;
                Ok(Response::Session(Box::new(self.shown(asked).await)))
            }
            Request::EndSession { session } => self.end(SessionEnd::One(session.0)).await,
            Request::EndOther { session, id } => {
                let StoredSession { issuer, subject, .. } = self.signed_in(&session, now).await?.session;
                self.end(SessionEnd::Number { id, issuer, subject }).await
            }
            Request::EndAll { session } => {
                let StoredSession { issuer, subject, .. } = self.signed_in(&session, now).await?.session;
                self.end(SessionEnd::Person { issuer, subject }).await
            }
            Request::BackChannel { issuer, subject, sid } => self.end_by_keycloak(issuer, subject, sid).await,
            Request::Sessions { session } => {
                let asked = self.signed_in(&session, now).await?;
                self.list_sessions(&asked, now).await
            }
            Request::Device { session } => {
                let asked = self.signed_in(&session, now).await?;
                self.device(&asked).await
            }
            Request::AppPasswords { session } => {
                let asked = self.signed_in(&session, now).await?;
                self.list_app_passwords(&asked).await
            }
            Request::MakeAppPassword { session, new, remote } => {
                let asked = self.signed_in(&session, now).await?;
                self.make_app_password(&asked, new, (remote, now)).await
            }
            Request::RevokeAppPassword { session, id, remote } => {
                let asked = self.signed_in(&session, now).await?;
                self.revoke(&asked, Some(id), remote).await
            }
            Request::RevokeAllAppPasswords { session, remote } => {
                let asked = self.signed_in(&session, now).await?;
                self.revoke(&asked, None, remote).await
            }
            Request::SignIns { session } => {
                let asked = self.signed_in(&session, now).await?;
                self.list_sign_ins(&asked).await
            }
            Request::Administrate { session, what, remote } => {
                let asked = self.signed_in(&session, now).await?;
                self.administrate(&asked, what, (remote, arrival)).await
            }
        }
    }

    /// Whose session it is. One that was idle, is over, or whose person may not log in any more, ends here.
    pub(super) async fn signed_in(&self, key: &SessionKey, now: i64) -> Result<SignedIn, Response> {
        let database = self.service.decision.database();
        let found = database.find_session(&key.0).await.map_err(|error| out_of_reach(&error))?;
        let session = found.ok_or(Response::NoSession { why: NoSession::Unknown })?;
        let (idle, _) = self.config.session_limits(session.administrator);
        let why = if now >= session.ends {
            Some(NoSession::Expired)
        } else if now >= session.used.saturating_add(idle) {
            Some(NoSession::Idle)
        } else {
            None
        };
        if let Some(why) = why {
            return Err(self.turn_out(session, why).await);
        }
        let identity = ProvenIdentity { issuer: session.issuer.clone(), subject: session.subject.clone() };
        let mut request = login(&session.mailbox, identity, None);
        match self.service.rehearse(&mut request).await {
            Verdict::Accept(grant) => {
                self.note_used(&session, now).await;
                Ok(SignedIn { user: grant.user, session })
            }
            Verdict::Refuse(denial) => {
                tracing::info!(
                    user = session.mailbox,
                    reason = denial.code(),
                    "a session of the portal has ended"
                );
                Err(self.turn_out(session, NoSession::Disabled).await)
            }
            Verdict::CannotTell(trouble) => Err(unavailable(&trouble)),
        }
    }

    async fn turn_out(&self, session: StoredSession, why: NoSession) -> Response {
        // What cannot be deleted now counts as little the next time.
        let ended = self.service.decision.database().end_sessions(SessionEnd::One(session.session)).await;
        if let Err(error) = ended {
            tracing::warn!(%error, "a session of the portal is over and could not be deleted");
        }
        Response::NoSession { why }
    }

    /// To the minute: a page is many requests.
    async fn note_used(&self, session: &StoredSession, now: i64) {
        if now < session.used.saturating_add(60) {
            return;
        }
        if let Err(error) = self.service.decision.database().touch_session(session.id, now).await {
            tracing::warn!(%error, "that a session of the portal was used could not be noted");
        }
    }

    async fn device(&self, asked: &SignedIn) -> Result<Response, Response> {
        let decision = &self.service.decision;
        let known = decision.mailboxes().find(&asked.user).await.map_err(|trouble| unavailable(&trouble))?;
        let mailbox = known.record.hosting.mailbox.as_ref();
        let allows = |service: &Service| mailbox.is_some_and(|mailbox| mailbox.access.allows(service));
        let authsource = mailbox.and_then(|mailbox| mailbox.authsource);
        let stored = decision.database().mailbox_name(&asked.user).await;
        Ok(Response::Device(Box::new(Device {
            user: asked.user.as_str().to_owned(),
            display_name: stored.map_err(|error| out_of_reach(&error))?,
            services: SERVICES.iter().filter(|service| allows(service)).map(name_of).collect(),
            main_password: decision.passdb().check_main_password_counts(&asked.user, authsource).is_ok(),
            oauth: decision.passdb().takes_tokens(),
        })))
    }

    async fn list_sign_ins(&self, asked: &SignedIn) -> Result<Response, Response> {
        let own = self.service.decision.database().own_app_passwords(&asked.user).await;
        let own = own.map_err(|error| out_of_reach(&error))?;
        let (accepted, refused) = self.sign_ins_of(&asked.user, &own).await?;
        Ok(Response::SignIns { accepted, refused })
    }

    /// Accepted and refused mail logins, the newest first.
    pub(super) async fn sign_ins_of(
        &self,
        user: &Username,
        own: &OwnAppPasswords,
    ) -> Result<(Vec<MailSignIn>, Vec<RefusedSignIn>), Response> {
        let logins = self.service.decision.database().mail_logins(user).await;
        let logins = logins.map_err(|error| out_of_reach(&error))?;
        let name = |id: i64| own.iter().find(|(row, _)| row.id == id).map(|(row, _)| row.name.clone());
        let accepted = logins.into_iter().map(|MailLogin { at, service, remote, app_password }| MailSignIn {
            at: unsigned(at),
            service,
            remote,
            app_password: Some(app_password).filter(|id| *id > 0),
            app_password_name: name(app_password),
        });
        let refused = self.service.recent.of(user, REFUSED_SHOWN);
        Ok((accepted.collect(), refused.into_iter().map(refused_sign_in).collect()))
    }

    /// Waits until every node knows of what was just changed; says after how many seconds it holds everywhere.
    pub(super) async fn holds_within(&self) -> u64 {
        let decision = &self.service.decision;
        // Of every answer's time, half is kept for what comes before.
        let limit = FOLLOWED_WITHIN.min(self.service.deadline / 2);
        match decision.database().wait_until_followed(decision.node(), limit).await {
            Followed::ByAll(_) => 0,
            Followed::NotBy(nodes) => {
                tracing::warn!(
                    nodes = nodes.join(", "),
                    "nodes that do not follow what was changed in the portal"
                );
                self.holds_within
            }
            Followed::NoNodes | Followed::NotKnown => self.holds_within,
        }
    }

    /// A session as the portal sees it.
    async fn shown(&self, asked: SignedIn) -> Session {
        // While Keycloak is away the pages stay in the menu; each of them says why it cannot be shown.
        let administrator = self.is_administrator(&asked, For::Reading).await.unwrap_or(true);
        let session = asked.session;
        Session {
            administrator,
            user: session.mailbox,
            issuer: session.issuer,
            subject: session.subject,
            auth_time: unsigned(session.auth_time),
            ends: unsigned(session.ends),
        }
    }
}

/// Whether a proof of identity is young enough to show a secret or to change something.
pub(super) fn is_recent(session: &StoredSession, now: i64) -> bool {
    now <= session.auth_time.saturating_add(i64::try_from(RECENT).unwrap_or(0))
}

/// A sign-in, as the decision is asked about it.
pub(super) fn login(address: &str, identity: ProvenIdentity, remote: Option<IpAddr>) -> AuthRequest {
    AuthRequest {
        authcid: address.as_bytes().into(),
        authzid: Vec::new(),
        credential: Credential::Identity(identity),
        service: Service::Portal,
        service_name: "portal".into(),
        mechanism: None,
        origin: Origin { remote, secured: true, session: None },
        wants_fields: false,
    }
}

fn refused_sign_in(attempt: RecentAttempt) -> RefusedSignIn {
    RefusedSignIn {
        at: attempt.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        service: attempt.service.name().to_owned(),
        remote: attempt.remote.map(|remote| remote.to_string()),
        code: attempt.reason.to_owned(),
    }
}

pub(super) fn name_of(service: &Service) -> String {
    service.name().to_owned()
}

pub(super) fn unavailable(trouble: &TempFail) -> Response {
    tracing::warn!(reason = trouble.reason.code(), detail = trouble.detail, "the portal got no answer");
    Response::Unavailable { code: trouble.reason.code().to_owned() }
}

pub(super) fn out_of_reach(error: &Error) -> Response {
    tracing::warn!(%error, "the portal got no answer");
    Response::Unavailable { code: error.reason().code().to_owned() }
}

/// Seconds since 1970.
pub(super) fn seconds(arrival: Arrival) -> i64 {
    let since = arrival.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or_default()
}
