//! What administrators ask the running daemon: what it remembers, counts and holds, how things stand, and why a login
//! would end as it would.

use std::sync::Arc;
use std::time::Instant;

use super::{InUse, Reply, Request, SentPassword};
use crate::auth::Username;
use crate::backend::kick::Kicker;
use crate::backend::mail_hosts::MailHosts;
use crate::jobs::sync;
use crate::login::LoginService;
use crate::login::service::{Arrival, ExplainRequest};
use crate::login::throttle::Target;

/// Entries that one answer names; with names at their longest it stays below what the command reads.
const MAX_LISTED: usize = 1000;

/// Answers administrators.
#[derive(Debug)]
pub struct Administration {
    /// Whom logins ask.
    pub service: Arc<LoginService>,
    /// What the daemon runs with.
    pub in_use: Arc<InUse>,
    /// How runs of the sync end, where this process does it.
    pub sync: Option<Arc<sync::RunStatus>>,
}

impl Administration {
    /// Answers. What may wait for a backend waits no longer than a login.
    pub async fn answer(&self, request: Request, arrival: Arrival) -> Reply {
        let (decision, now) = (&self.service.decision, arrival.monotonic);
        match request {
            Request::CacheCounts => Reply::Counts(decision.counts()),
            Request::CacheShow { user } => {
                with_name(&user, |user| Reply::Known(Box::new(decision.known(user, now.into()))))
            }
            Request::CacheForget { user } => with_name(&user, |user| {
                tracing::info!(user = user.as_str(), "forgotten on request");
                Reply::Forgotten(decision.forget(user))
            }),
            Request::CacheFlush => {
                tracing::info!("everything is forgotten on request");
                Reply::Forgotten(decision.flush())
            }
            Request::Status => Reply::Status(Box::new(self.service.status(self.sync.as_deref(), now))),
            Request::Probe => Reply::Probed(Box::pin(self.service.probe()).await),
            Request::Compare { with } => Reply::Differs(self.in_use.differences(&with)),
            Request::Explain { user, service, remote, password } => {
                let Ok(password) = password.as_ref().map(SentPassword::read).transpose() else {
                    return Reply::Error("the password is not base64".to_owned());
                };
                let request = ExplainRequest { user, service, remote, password };
                Reply::Explained(Box::new(Box::pin(self.service.explain(request, arrival)).await))
            }
            Request::ThrottleList => {
                let (first, total) = cut(decision.throttle().list(now));
                Reply::Throttled { first, total }
            }
            Request::ThrottleClear { target } => match Target::parse(&target) {
                Some(target) => {
                    tracing::info!("what is counted against guessing is forgotten on request");
                    Reply::Cleared(decision.throttle().clear(&target))
                }
                None => Reply::Error("this is no mail address, IP address or network".to_owned()),
            },
            Request::Backends => {
                Reply::Backends(decision.mail_hosts().map(MailHosts::states).unwrap_or_default())
            }
            Request::KickList => self.with_kicker(|kicker| {
                let (first, total) = cut(kicker.held());
                Reply::Held { first, total }
            }),
            Request::KickRelease { user } => self.with_kicker(|kicker| self.settle(kicker, user, true, now)),
            Request::KickSpare { user } => self.with_kicker(|kicker| self.settle(kicker, user, false, now)),
        }
    }

    fn with_kicker(&self, reply: impl FnOnce(&Kicker) -> Reply) -> Reply {
        match self.service.decision.kicker() {
            Some(kicker) => reply(kicker),
            None => Reply::Error("the configuration has no [kick]: no session is ever ended".to_owned()),
        }
    }

    /// Ends sessions that are held, or lets them go on. keydove kicks nobody who may log in again.
    fn settle(&self, kicker: &Kicker, user: Option<String>, release: bool, now: Instant) -> Reply {
        let chosen = kicker.held().into_iter().map(|held| held.user);
        let wanted = user.map(|user| user.trim().to_ascii_lowercase());
        let people = self.service.decision.people();
        let (mut kicked, mut spared) = (0, 0);
        for user in chosen.filter(|user| wanted.as_ref().is_none_or(|wanted| wanted == user)) {
            let is_back =
                Username::parse(user.as_bytes()).is_ok_and(|user| people.is_entitled(&user, now.into()));
            if release && !is_back {
                kicked += usize::from(kicker.release(&user));
            } else {
                spared += usize::from(kicker.spare(&user));
            }
        }
        if kicked + spared > 0 {
            tracing::info!(kicked, spared, "sessions that were held are settled on request");
        }
        Reply::NoLongerHeld { kicked, spared }
    }
}

/// The first entries, and how many there are in all.
fn cut<T>(mut entries: Vec<T>) -> (Vec<T>, usize) {
    let total = entries.len();
    entries.truncate(MAX_LISTED);
    (entries, total)
}

fn with_name(text: &str, reply: impl FnOnce(&Username) -> Reply) -> Reply {
    match Username::parse(text.as_bytes()) {
        Ok(user) => reply(&user),
        Err(error) => Reply::Error(error.to_string()),
    }
}
