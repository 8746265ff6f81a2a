//! A login explained: how it would end now, and how the last ones did.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::timeout;

use super::Context;
use super::arrival::Arrival;
use super::ask::moment;
use crate::auth::Username;
use crate::backend::sql::PastLogin;
use crate::frontend::{Attempt, ExplainRequest, Explained};
use crate::login::decision::{Decision, Explanation};
use crate::observe::RecentAttempt;

/// As many of each kind as one looks at.
const SHOWN: usize = 10;

pub(super) async fn explain(context: &Context, request: ExplainRequest, arrival: Arrival) -> Box<Explained> {
    let (request, has_password) = context.naming.read_explained(request);
    let user = Username::parse(&request.authcid).ok();
    let moment = moment(arrival, context.deadline);
    let explanation = context.decision.explain(&request, has_password, moment, context.deadline);
    let mut explanation = explanation.await;
    if let Some(named) = request.named_service() {
        named.name().clone_into(&mut explanation.service);
    }
    let failures = user.as_ref().map(|user| context.recent.of(user, SHOWN)).unwrap_or_default();
    let logins = match &user {
        Some(user) => timeout(context.deadline, context.decision.parts().database.last_logins(user)).await,
        None => Ok(Ok(Vec::new())),
    };
    let logins = logins.ok().and_then(Result::ok).map(|logins| logins.into_iter().map(login).collect());
    Box::new(Explained { explanation, failures: failures.into_iter().map(failure).collect(), logins })
}

/// How a login would end now, for a command that has a decision of its own.
pub async fn explain_now(decision: &Decision, request: ExplainRequest, deadline: Duration) -> Explanation {
    let (request, has_password) = request.into_login();
    decision.explain(&request, has_password, moment(Arrival::now(), deadline), deadline).await
}

fn failure(attempt: RecentAttempt) -> Attempt {
    Attempt {
        at: utc(attempt.at),
        service: attempt.service.name().to_owned(),
        remote: attempt.remote.map(|remote| remote.to_string()),
        verdict: attempt.verdict.to_owned(),
        reason: attempt.reason.to_owned(),
    }
}

fn login(login: PastLogin) -> Attempt {
    let reason = match login.app_password {
        0 => "main password".to_owned(),
        id => format!("app password {id}"),
    };
    let (verdict, remote) = ("accept".to_owned(), Some(login.remote));
    Attempt { at: login.at, service: login.service, remote, verdict, reason }
}

/// To the second.
fn utc(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default()
}
