//! The login service: one login from its request to its verdict, with deadline, log line, counters and history.
//!
//! * [`LoginService::log_in`]: the decision under a deadline, then `conclude.rs`: the one log line, the counters, and
//!   what is to be written down.
//! * [`DecidedLogin`]: the same in two steps, for a protocol that must answer by other means; [`LoginService::shadow`] for
//!   a login that somebody else decides.
//! * `lookups.rs`: the questions without a password: users, lists, senders, mail maps, forgetting.
//! * `explain.rs`: how a login would end now, and how the last ones did.
//! * `status.rs`: how things stand, and whether the backends answer.
//! * [`Naming`]: what the names that programs send stand for here.
//! * [`Arrival`]: the clock of logins. It is read there and nowhere else; everybody else is told.
//!
//! It belongs to no socket: whoever has a request asks it.

mod arrival;
mod conclude;
mod config;
mod decided;
mod explain;
mod lookups;
mod naming;
mod status;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::time::timeout;

use super::decision::{Decision, Judgement, Moment, Path, Purpose, too_late};
use crate::auth::{AuthRequest, Denial, Mechanism, Origin, Service, Verdict};
use crate::jobs::bookkeeping::Bookkeeper;
use crate::observe::{LoginMetrics, RecentAttempts};

pub use arrival::{Arrival, now};
pub use config::Config;
pub use decided::DecidedLogin;
pub use explain::{ExplainRequest, Explained, PastAttempt};
pub use lookups::{MapAnswer, UserAnswer, UserPage};
pub use naming::Naming;
pub use status::{Backend, CacheStatus, Logins, NodeStatus, Status, SyncStatus, Timed};

/// What a call of a backend should find left of the deadline when it begins.
const LAST_CALL: Duration = Duration::from_secs(1);

/// Decides logins, and tells how they ended.
#[derive(Debug)]
pub struct LoginService {
    /// Who decides.
    pub decision: Arc<Decision>,
    /// Writes down how it ended.
    pub bookkeeper: Bookkeeper,
    /// Counts logins.
    pub logins: Arc<LoginMetrics>,
    /// Remembers the last attempts that were not accepted.
    pub recent: Arc<RecentAttempts>,
    /// What names stand for here.
    pub naming: Naming,
    /// A refusal leaves no sooner than this after its request.
    pub failure_delay: Duration,
    /// A login without a verdict after this is answered with a temporary failure.
    pub deadline: Duration,
}

/// By which listener a login came.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    /// Its kind, for the log.
    pub protocol: &'static str,
    /// Which server asks, for the log, where the kind has roles.
    pub role: Option<&'static str>,
    /// The mail server behind it reports refused logins to ban tools by itself.
    pub peer_reports_refusals: bool,
}

/// How a login ended.
#[derive(Debug)]
pub struct Concluded {
    /// The verdict, which is logged and counted already.
    pub verdict: Verdict,
    /// When it was found.
    pub ended: Instant,
    /// When it may be answered, where that is not at once.
    pub not_before: Option<Instant>,
}

/// An attempt that ended before the decision was asked: the protocol refused it by itself.
#[derive(Debug)]
pub struct EndedEarly {
    /// The name, as it was sent.
    pub authcid: Vec<u8>,
    /// The service that the program named.
    pub service: Service,
    /// The mechanism, if keydove knows it.
    pub mechanism: Option<Mechanism>,
    /// The mail client's address and session.
    pub origin: Origin,
    /// Why it ended.
    pub denial: Denial,
}

impl LoginService {
    /// Decides a login, no longer than the deadline; writes its line, counts it, and notes what is to be written down.
    pub async fn log_in(&self, listener: &Listener, mut request: AuthRequest, arrival: Arrival) -> Concluded {
        let judgement = self.decide(&mut request, arrival, Purpose::Answer).await;
        let ended = now();
        let verdict = self.conclude(listener, &request, judgement, (arrival, ended));
        let not_before = self.not_before(&verdict, arrival);
        Concluded { verdict, ended, not_before }
    }

    /// The same at once, where somebody known is let in. `None`: it is to be [logged in](Self::log_in).
    pub fn log_in_at_once(
        &self,
        listener: &Listener,
        request: &mut AuthRequest,
        arrival: Arrival,
    ) -> Option<Concluded> {
        let judgement = self.let_in_at_once(request, arrival)?;
        let ended = now();
        let verdict = self.conclude(listener, request, judgement, (arrival, ended));
        Some(Concluded { verdict, ended, not_before: None })
    }

    fn let_in_at_once(&self, request: &mut AuthRequest, arrival: Arrival) -> Option<Judgement> {
        self.naming.read_login(request);
        self.decision.let_in_at_once(request, self.moment(arrival))
    }

    /// How a login would end. Nothing is logged, counted, written down or made; the names of the request are read as for a
    /// login.
    pub async fn rehearse(&self, request: &mut AuthRequest) -> Verdict {
        self.decide(request, Arrival::now(), Purpose::Rehearsal).await.verdict
    }

    /// How a login would end that somebody else decides. Nothing is logged, written down or made, and guesses are counted, so
    /// that it ends as it would if keydove decided; the names of the request are read as for a login.
    pub async fn shadow(&self, request: &mut AuthRequest) -> Verdict {
        self.decide(request, Arrival::now(), Purpose::Shadow).await.verdict
    }

    /// Every way to a verdict leads through here, so that names mean the same at each. A known user is decided at once;
    /// only a login that has to wait needs an alarm.
    async fn decide(&self, request: &mut AuthRequest, arrival: Arrival, purpose: Purpose) -> Judgement {
        self.naming.read_login(request);
        let mut decision = pin!(self.decision.decide(request, self.moment(arrival), purpose));
        if let Some(judgement) = decision.as_mut().now_or_never() {
            return judgement;
        }
        timeout(self.deadline, decision).await.unwrap_or_else(|_| Judgement {
            verdict: Verdict::CannotTell(too_late(self.deadline)),
            path: Path::Cold,
            target: None,
        })
    }

    /// Until when an answer is held back that would tell who exists if it came sooner.
    fn not_before(&self, verdict: &Verdict, arrival: Arrival) -> Option<Instant> {
        verdict.waits().then(|| arrival.monotonic + self.failure_delay)
    }

    fn moment(&self, arrival: Arrival) -> Moment {
        let monotonic = arrival.monotonic.into();
        Moment { monotonic, wall: arrival.wall, until: monotonic + self.deadline.saturating_sub(LAST_CALL) }
    }
}
