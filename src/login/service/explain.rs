//! A login explained: how it would end now, and how the last ones did.

use std::net::IpAddr;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::timeout;

use super::{Arrival, LoginService};
use crate::auth::{AuthRequest, Credential, Mechanism, Origin, Secret, Service};
use crate::backend::sql::PastLogin;
use crate::login::decision::Explanation;
use crate::observe::RecentAttempt;

/// As many of each kind as one looks at.
const SHOWN: usize = 10;

/// A login that an administrator wants explained.
#[derive(Debug)]
pub struct ExplainRequest {
    /// The name.
    pub user: String,
    /// The service.
    pub service: String,
    /// The mail client's address, where the answer depends on it.
    pub remote: Option<IpAddr>,
    /// The password, to be tried out.
    pub password: Option<Secret>,
}

impl ExplainRequest {
    /// The login, and whether it has a password. Without one its credential does not matter.
    fn into_login(self) -> (AuthRequest, bool) {
        let has_password = self.password.is_some();
        let request = AuthRequest {
            authcid: self.user.as_bytes().into(),
            authzid: Vec::new(),
            credential: Credential::Password(self.password.unwrap_or_else(|| Secret::from(""))),
            // No mail server can name the portal; an administrator asks about people who come with Keycloak's word.
            service: match &*self.service {
                "portal" if !has_password => Service::Portal,
                name => Service::parse(name),
            },
            service_name: self.service.into(),
            mechanism: Some(Mechanism::Plain),
            origin: Origin { remote: self.remote, secured: true, session: None },
            wants_fields: false,
        };
        (request, has_password)
    }
}

/// How a login would end, and how the last ones did.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// How it would end now, step by step.
    pub explanation: Explanation,
    /// Attempts that were not accepted since keydove started, the last first.
    pub failures: Vec<PastAttempt>,
    /// The login history, the last first; `None` where it cannot be read.
    pub logins: Option<Vec<PastAttempt>>,
}

/// One attempt of the past.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastAttempt {
    /// When: for failures in UTC (RFC 3339), for the login history by the clock of the database.
    pub at: String,
    /// The service.
    pub service: String,
    /// The mail client's address, if it is known.
    pub remote: Option<String>,
    /// `accept`, `refuse` or `cannot_tell`.
    pub verdict: String,
    /// The reason code; for `accept` which password it was.
    pub reason: String,
}

impl LoginService {
    /// How this login would end now, by the same steps, and how the last ones of this user did.
    pub async fn explain(&self, request: ExplainRequest, arrival: Arrival) -> Explained {
        let (mut request, has_password) = request.into_login();
        self.naming.read_login(&mut request);
        let user = request.authcid.parse().ok();
        let explanation = self.decision.explain(&request, has_password, self.moment(arrival), self.deadline);
        let mut explanation = explanation.await;
        if let Some(named) = request.named_service() {
            named.name().clone_into(&mut explanation.service);
        }
        let failures = user.as_ref().map(|user| self.recent.of(user, SHOWN)).unwrap_or_default();
        let logins = match &user {
            Some(user) => timeout(self.deadline, self.decision.database().last_logins(user)).await,
            None => Ok(Ok(Vec::new())),
        };
        let logins = logins.ok().and_then(Result::ok).map(|logins| logins.into_iter().map(login).collect());
        Explained { explanation, failures: failures.into_iter().map(failure).collect(), logins }
    }
}

fn failure(attempt: RecentAttempt) -> PastAttempt {
    PastAttempt {
        at: utc(attempt.at),
        service: attempt.service.name().to_owned(),
        remote: attempt.remote.map(|remote| remote.to_string()),
        verdict: attempt.verdict.to_owned(),
        reason: attempt.reason.to_owned(),
    }
}

fn login(login: PastLogin) -> PastAttempt {
    let reason = match login.app_password {
        0 => "main password".to_owned(),
        id => format!("app password {id}"),
    };
    let (verdict, remote) = ("accept".to_owned(), Some(login.remote));
    PastAttempt { at: login.at, service: login.service, remote, verdict, reason }
}

/// To the second.
fn utc(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default()
}
