//! Postfix's questions about senders and addresses, put to the decision with a deadline.

use tokio::time::timeout;

use super::Context;
use super::arrival::Arrival;
use super::ask::moment;
use crate::auth::{MapRequest, SenderRequest, SenderVerdict, TempFail, TempFailReason};
use crate::frontend::MapAnswer;
use crate::observe;

/// Asks whether somebody may send under an address, and writes a line unless they simply may.
pub(super) async fn judge_sender(
    context: &Context,
    request: &SenderRequest,
    arrival: Arrival,
) -> SenderVerdict {
    let now = moment(arrival, context.deadline);
    let judged = timeout(context.deadline, context.decision.judge_sender(request, now)).await;
    let verdict = judged.unwrap_or_else(|_| SenderVerdict::CannotTell(too_late(context)));
    write_line(request, &verdict);
    verdict
}

fn write_line(request: &SenderRequest, verdict: &SenderVerdict) {
    let login = String::from_utf8_lossy(&request.login);
    let sender = String::from_utf8_lossy(&request.sender);
    let (user, sender, service) = (&*login, &*sender, request.service.name());
    let remote = observe::remote_field(request.remote);
    let reason = verdict.reason().code();
    match verdict {
        SenderVerdict::Pass => {}
        SenderVerdict::Refuse(_) | SenderVerdict::NotOwner => {
            tracing::info!(verdict = %"refuse", %reason, user, sender, %service, remote, "policy");
        }
        SenderVerdict::Throttled => {
            tracing::info!(verdict = %"defer", %reason, user, sender, %service, remote, "policy");
        }
        SenderVerdict::PassUnchecked(trouble) => {
            let detail = &*trouble.detail;
            tracing::warn!(verdict = %"pass", %reason, user, sender, %service, remote, detail, "policy");
        }
        SenderVerdict::CannotTell(trouble) => {
            let detail = &*trouble.detail;
            tracing::warn!(verdict = %"defer", %reason, user, sender, %service, remote, detail, "policy");
        }
    }
}

/// Asks a lookup table.
pub(super) async fn look_up(context: &Context, request: &MapRequest, arrival: Arrival) -> MapAnswer {
    let asked = timeout(context.deadline, context.decision.look_up(request, arrival.wall)).await;
    match asked.unwrap_or_else(|_| Err(too_late(context))) {
        Ok(Some(value)) => MapAnswer::Found(value),
        Ok(None) => MapAnswer::NotFound,
        Err(trouble) => {
            let (reason, detail) = (trouble.reason.code(), &*trouble.detail);
            tracing::warn!(map = %request.map.name(), %reason, detail, "a lookup table could not be answered");
            MapAnswer::CannotTell(reason)
        }
    }
}

fn too_late(context: &Context) -> TempFail {
    let detail = format!("no answer within {} ms", context.deadline.as_millis());
    TempFail::new(TempFailReason::Deadline, detail)
}
