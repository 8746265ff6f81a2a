//! Questions without a password, each under the deadline: where mail lives, who is there, who may send, what stands in a
//! lookup table, and what is to be forgotten.

use std::time::Duration;

use tokio::time::timeout;

use super::{Arrival, LoginService};
use crate::auth::{
    MailHost, MapRequest, SenderRequest, SenderVerdict, TempFail, TempFailReason, UserFields, UserMask,
    UserRequest, Username,
};
use crate::login::decision::too_late;
use crate::observe;

/// Where a user's mail lives.
#[derive(Debug)]
pub enum UserAnswer {
    /// The mailbox, where its mail is stored, and where a proxy finds it, where that is another machine.
    Found(Username, UserFields, Option<Box<MailHost>>),
    /// There is no such user.
    NotFound,
    /// A temporary failure with this reason code.
    CannotTell(&'static str),
}

/// What stands in a lookup table.
#[derive(Debug)]
pub enum MapAnswer {
    /// The value of the key, as Postfix wants it.
    Found(String),
    /// Nothing.
    NotFound,
    /// A temporary failure with this reason code.
    CannotTell(&'static str),
}

/// One page of the user list.
#[derive(Debug, Default)]
pub struct UserPage {
    /// Some users, in order.
    pub users: Vec<Username>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<String>,
}

impl LoginService {
    /// Where a user's mail lives.
    pub async fn find_user(&self, mut request: UserRequest) -> UserAnswer {
        self.naming.read_user(&mut request);
        match within(self.deadline, self.decision.find_user(&request)).await {
            Ok(Some(found)) => UserAnswer::Found(found.user, found.fields, found.host.map(Box::new)),
            Ok(None) => UserAnswer::NotFound,
            Err(trouble) => {
                let (reason, detail) = (trouble.reason.code(), &*trouble.detail);
                let service = request.service.name();
                tracing::warn!(service, reason, detail, "a user lookup could not be answered");
                UserAnswer::CannotTell(reason)
            }
        }
    }

    /// One page of all users, those after a name; `None` when it cannot be read, and the log says why.
    pub async fn list_users(&self, after: Option<&str>) -> Option<UserPage> {
        match within(self.deadline, self.decision.list_users(after)).await {
            Ok(page) => Some(UserPage { users: page.users, next: page.next }),
            Err(trouble) => {
                let (reason, detail) = (trouble.reason.code(), &*trouble.detail);
                tracing::warn!(reason, detail, "the user list could not be read");
                None
            }
        }
    }

    /// Whether somebody may send under an address. Writes a line unless they simply may.
    pub async fn judge_sender(&self, mut request: SenderRequest, arrival: Arrival) -> SenderVerdict {
        self.naming.read_sender(&mut request);
        let judging = self.decision.judge_sender(&request, self.moment(arrival));
        let judged = timeout(self.deadline, judging).await;
        let verdict = judged.unwrap_or_else(|_| SenderVerdict::CannotTell(too_late(self.deadline)));
        write_line(&request, &verdict);
        verdict
    }

    /// What stands in a lookup table of Postfix.
    pub async fn look_up(&self, request: &MapRequest, arrival: Arrival) -> MapAnswer {
        match within(self.deadline, self.decision.look_up(request, arrival.wall)).await {
            Ok(Some(value)) => MapAnswer::Found(value),
            Ok(None) => MapAnswer::NotFound,
            Err(trouble) => {
                let (reason, detail) = (trouble.reason.code(), &*trouble.detail);
                tracing::warn!(map = %request.map.name(), %reason, detail, "a lookup table could not be answered");
                MapAnswer::CannotTell(reason)
            }
        }
    }

    /// Forgets the users whom these masks mean, all where there are none. Returns how many entries were known.
    pub fn forget(&self, masks: &[UserMask]) -> usize {
        let forgotten = self.decision.forget_matching(masks);
        let entries = forgotten.people + forgotten.mailboxes + forgotten.comparisons;
        tracing::info!(masks = masks.len(), entries, "forgotten at doveadm's request");
        entries
    }
}

async fn within<T>(
    deadline: Duration,
    answer: impl Future<Output = Result<T, TempFail>>,
) -> Result<T, TempFail> {
    timeout(deadline, answer).await.unwrap_or_else(|_| {
        let detail = format!("no answer within {} ms", deadline.as_millis());
        Err(TempFail::new(TempFailReason::Deadline, detail))
    })
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
