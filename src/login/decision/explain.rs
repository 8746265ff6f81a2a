//! Why can they not log in? The decision itself, with somebody who listens to its steps.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::login::{Asked, Moment, Purpose};
use super::trace::{Step, Trace};
use super::{Decision, words};
use crate::auth::{AuthRequest, Reason, TempFail, TempFailReason};

/// How a login would end now, and why.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The name in normal form; as given where it has none.
    pub user: String,
    /// For which service.
    pub service: String,
    /// What was looked at, in order.
    pub steps: Vec<Step>,
    /// `accept`, `refuse` or `cannot_tell`. Without a password `accept` means: with the right one.
    pub verdict: String,
    /// The reason code of the log line; for `accept` which password opens the mailbox.
    pub reason: String,
    /// For `cannot_tell`: what was attempted, on what, what went wrong.
    pub detail: Option<String>,
}

impl Decision {
    /// Says how a login would end now, within `deadline` as every login.
    ///
    /// Without a password (`has_password`) that of the request does not matter: it is that of whoever has the right one.
    /// Nothing is made, noted or counted; what is remembered may be fetched anew, as by a login.
    pub async fn explain(
        &self,
        request: &AuthRequest,
        has_password: bool,
        now: Moment,
        deadline: Duration,
    ) -> Explanation {
        let asked = match has_password {
            true => Asked::with_credential(request, Purpose::Rehearsal),
            false => Asked::assuming_proof(request),
        };
        let mut trace = Trace::recording();
        let end = timeout(deadline, self.take_steps(asked, now, &mut trace)).await;
        let end = end.unwrap_or_else(|_| Err(too_late(deadline).into())).map(|grant| grant.source);
        let (verdict, reason, detail) = match end {
            Ok(source) => (Reason::Accepted.verdict(), source.name(), None),
            Err(why) => {
                let reason = why.reason();
                (reason.verdict(), reason.code(), why.into_story())
            }
        };
        Explanation {
            user: words::name(request),
            service: request.service.name().to_owned(),
            steps: trace.into_steps(),
            verdict: verdict.to_owned(),
            reason: reason.to_owned(),
            detail,
        }
    }
}

/// What a login is told that has no verdict in time.
#[must_use]
pub fn too_late(deadline: Duration) -> TempFail {
    TempFail::new(TempFailReason::Deadline, format!("no verdict within {} ms", deadline.as_millis()))
}
