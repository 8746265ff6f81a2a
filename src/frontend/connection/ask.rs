//! One question put to the decision, with its deadline, its log line and its failure delay.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::time::timeout;

use super::arrival::{Arrival, now};
use super::explain::explain;
use super::probe::probe;
use super::{Context, mail};
use crate::auth::{
    AuthRequest, Credential, Denial, Grant, SenderVerdict, Source, TempFail, TempFailReason, UserMask,
    UserRequest, Username, Verdict,
};
use crate::frontend::{Answer, EndedEarly, MapAnswer, Question, Status, Ticket, UserAnswer, UserPage};
use crate::jobs::bookkeeping::{AcceptedLogin, Note, RefusedLogin};
use crate::login::decision::{Judgement, Moment, Path, Purpose, too_late};
use crate::login::throttle::{RefusedGuess, Word};
use crate::observe::{LoginRecord, SentText};

/// What a call of a backend should find left of the deadline when it begins.
const LAST_CALL: Duration = Duration::from_secs(1);

/// An answer on its way back to the protocol.
pub(super) struct Reply {
    pub(super) ticket: Ticket,
    pub(super) answer: Answer,
    /// When it was found.
    pub(super) at: Instant,
    /// A refusal is held back until then.
    pub(super) not_before: Option<Instant>,
}

/// What kind of answer a question wants.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Login,
    User,
    List,
    Explanation,
    Status,
    Probe,
    Sender,
    Map,
    Forget,
}

impl Kind {
    pub(super) fn of(question: &Question) -> Self {
        match question {
            Question::Authenticate(_) => Self::Login,
            Question::FindUser(_) => Self::User,
            Question::ListUsers(_) => Self::List,
            Question::Explain(_) => Self::Explanation,
            Question::Status => Self::Status,
            Question::Probe => Self::Probe,
            Question::JudgeSender(_) => Self::Sender,
            Question::LookUp(_) => Self::Map,
            Question::Forget(_) => Self::Forget,
        }
    }

    /// The answer that is given when there is no time left for a true one.
    pub(super) fn stopping(self) -> Answer {
        let reason = TempFailReason::Stopping;
        let trouble = || TempFail::new(reason, "keydove is stopping");
        match self {
            Self::Login => Answer::Verdict(Verdict::CannotTell(trouble())),
            Self::User => Answer::User(UserAnswer::CannotTell(reason.code())),
            Self::List => Answer::Users(None),
            Self::Explanation => Answer::Explained(None),
            Self::Status => Answer::Status(None),
            Self::Probe => Answer::Probed(None),
            Self::Sender => Answer::Sender(SenderVerdict::CannotTell(trouble())),
            Self::Map => Answer::Map(MapAnswer::CannotTell(reason.code())),
            // What keydove knows ends with it.
            Self::Forget => Answer::Forgotten(0),
        }
    }
}

/// Puts a question to the decision and waits for its answer, no longer than the deadline.
pub(super) async fn ask(context: &Context, ticket: Ticket, question: Question, arrival: Arrival) -> Reply {
    let (answer, at, not_before) = match question {
        Question::Authenticate(request) => {
            let (verdict, ended) = authenticate(context, request, arrival).await;
            let not_before = not_before(context, &verdict, arrival);
            (Answer::Verdict(verdict), ended, not_before)
        }
        Question::FindUser(request) => {
            (Answer::User(Box::pin(find_user(context, &request)).await), now(), None)
        }
        Question::ListUsers(after) => {
            (Answer::Users(Box::pin(list_users(context, after.as_deref())).await), now(), None)
        }
        Question::Explain(request) => {
            (Answer::Explained(Some(Box::pin(explain(context, *request, arrival)).await)), now(), None)
        }
        Question::Status => {
            let status = Status::collect(context, arrival.monotonic);
            (Answer::Status(Some(Box::new(status))), now(), None)
        }
        Question::Probe => (Answer::Probed(Some(Box::pin(probe(context)).await)), now(), None),
        Question::JudgeSender(request) => {
            (Answer::Sender(Box::pin(mail::judge_sender(context, &request, arrival)).await), now(), None)
        }
        Question::LookUp(request) => {
            (Answer::Map(Box::pin(mail::look_up(context, &request, arrival)).await), now(), None)
        }
        Question::Forget(masks) => (Answer::Forgotten(forget(context, &masks)), now(), None),
    };
    Reply { ticket, answer, at, not_before }
}

/// Until when an answer is held back that would tell who exists if it came sooner.
fn not_before(context: &Context, verdict: &Verdict, arrival: Arrival) -> Option<Instant> {
    verdict.waits().then(|| arrival.monotonic + context.failure_delay)
}

/// Returns the verdict, and when it was found.
async fn authenticate(context: &Context, request: AuthRequest, arrival: Arrival) -> (Verdict, Instant) {
    let judgement = decide(context, &request, arrival, Purpose::Answer).await;
    let ended = now();
    (conclude(context, request, judgement, (arrival, ended)), ended)
}

/// Writes the one line of a login, counts it, and notes what is to be written down.
fn conclude(
    context: &Context,
    request: AuthRequest,
    judgement: Judgement,
    (arrival, ended): (Arrival, Instant),
) -> Verdict {
    let Judgement { verdict, path, target } = judgement;
    let took = ended - arrival.monotonic;
    let alias = target.as_ref().and_then(|_| Username::parse(&request.authcid).ok());
    let parsed;
    let normal = match &verdict {
        Verdict::Accept(grant) => Some(&grant.user),
        Verdict::Refuse(_) | Verdict::CannotTell(_) => {
            parsed = target.or_else(|| Username::parse(&request.authcid).ok());
            parsed.as_ref()
        }
    };
    let named = request.named_service();
    let guess = match &verdict {
        Verdict::Refuse(denial) if denial.is_guess() => Some(refused_guess(&request, normal, ended)),
        Verdict::Accept(_) | Verdict::Refuse(_) | Verdict::CannotTell(_) => None,
    };
    let throttle = &context.decision.parts().throttle;
    let repeated = guess.as_ref().is_some_and(|guess| throttle.has_told(guess));
    // Once is enough: Postfix logs a refused login by itself, in words that mailcow's ban daemon counts.
    let publishes = !context.peer_reports_refusals
        && guess.is_some_and(|guess| !throttle.has_told(&RefusedGuess { word: Word::Channel, ..guess }));
    if guess.is_some() {
        context.logins.count_guess(repeated);
    }
    LoginRecord {
        door: context.door,
        role: context.role,
        user: SentText::new(&request.authcid),
        normal,
        service: named.as_ref().unwrap_or(&request.service),
        counts_as: named.as_ref().map(|_| &request.service),
        mechanism: Some(request.mechanism),
        origin: &request.origin,
        verdict: &verdict,
        repeated,
        stale: matches!(path, Path::Stale(_)),
        duration: took,
    }
    .write();
    context.logins.count(&request.service, &verdict, path, (took, ended));
    // Whoever explains a login asks by the one name or the other.
    for user in normal.into_iter().chain(&alias) {
        let service = named.as_ref().unwrap_or(&request.service);
        context.recent.note(user, service, request.origin.remote, (&verdict, arrival.wall));
    }
    match &verdict {
        Verdict::Accept(grant) => note_accepted(context, request, grant, ended),
        Verdict::Refuse(denial) if publishes => note_refused(context, &request, *denial),
        Verdict::Refuse(_) | Verdict::CannotTell(_) => {}
    }
    verdict
}

/// A login of a door that has no lines: decided, and not yet told to anybody.
#[derive(Debug)]
pub struct DecidedLogin {
    request: AuthRequest,
    judgement: Judgement,
    arrival: Arrival,
    ended: Instant,
}

impl DecidedLogin {
    /// Decides a login that has just come in, within the deadline. Whoever asks must not drop this half-way: hanging
    /// up would be a way to try a password unseen.
    pub async fn decide(context: &Context, request: AuthRequest) -> Self {
        let arrival = Arrival::now();
        let judgement = decide(context, &request, arrival, Purpose::Answer).await;
        Self { request, judgement, arrival, ended: now() }
    }

    /// What was asked.
    #[must_use]
    pub fn request(&self) -> &AuthRequest {
        &self.request
    }

    /// How it ended.
    pub fn verdict(&self) -> &Verdict {
        &self.judgement.verdict
    }

    /// When it ended.
    #[must_use]
    pub fn ended(&self) -> Instant {
        self.ended
    }

    /// When it may be answered, where that is not at once.
    #[must_use]
    pub fn not_before(&self, context: &Context) -> Option<Instant> {
        not_before(context, self.verdict(), self.arrival)
    }

    /// Logs and counts it, and has written down what is to be, as for every other door.
    pub fn conclude(self, context: &Context) -> Verdict {
        conclude(context, self.request, self.judgement, (self.arrival, self.ended))
    }
}

/// How a login would end that somebody else decides. Nothing is logged, counted, written down or made.
pub async fn rehearse(context: &Context, request: &AuthRequest) -> Verdict {
    decide(context, request, Arrival::now(), Purpose::Rehearsal).await.verdict
}

/// Whoever is known is decided at once; only who has to wait needs an alarm.
async fn decide(context: &Context, request: &AuthRequest, arrival: Arrival, purpose: Purpose) -> Judgement {
    let moment = moment(arrival, context.deadline);
    let mut decision = pin!(context.decision.decide(request, moment, purpose));
    if let Some(judgement) = decision.as_mut().now_or_never() {
        return judgement;
    }
    timeout(context.deadline, decision).await.unwrap_or_else(|_| Judgement {
        verdict: Verdict::CannotTell(too_late(context.deadline)),
        path: Path::Cold,
        target: None,
    })
}

/// The login history names the webmail as mailcow does: by itself, or by no service at all where it came with the
/// person's own password.
fn note_accepted(context: &Context, request: AuthRequest, grant: &Grant, now: Instant) {
    // It is not the person who was there.
    if grant.master_user.is_some() {
        return;
    }
    let service = match (grant.through_webmail, grant.source) {
        (false, _) => request.service_name,
        (true, Source::AppPassword(_) | Source::SingleSignOn) => "SOGO".into(),
        (true, Source::Keycloak | Source::Mailbox | Source::Token | Source::MasterUser) => "NONE".into(),
    };
    let (remote, app_password) = (request.origin.remote, grant.source.app_password());
    if context.bookkeeper.has_noted((&grant.user, &service, remote), app_password, now) {
        return;
    }
    context.bookkeeper.note(Note::Accepted(AcceptedLogin {
        user: grant.user.clone(),
        service: service.into(),
        remote,
        app_password,
    }));
}

/// What was refused, as it is told to ban tools.
fn refused_guess<'a>(
    request: &'a AuthRequest,
    normal: Option<&'a Username>,
    now: Instant,
) -> RefusedGuess<'a> {
    let secret = match &request.credential {
        Credential::Password(secret) | Credential::Token(secret) => secret.expose(),
    };
    let name = normal.map_or(&*request.authcid, |normal| normal.as_str().as_bytes());
    RefusedGuess { name, secret, remote: request.origin.remote, now, word: Word::LogLine }
}

/// The ban channel is told of guesses only.
fn note_refused(context: &Context, request: &AuthRequest, denial: Denial) {
    let Some(guess) = denial.guess() else { return };
    context.bookkeeper.note(Note::Refused(RefusedLogin {
        user: (*request.authcid).into(),
        remote: request.origin.remote,
        session: request.origin.session.clone(),
        guess,
    }));
}

pub(super) fn moment(arrival: Arrival, deadline: Duration) -> Moment {
    let monotonic = arrival.monotonic.into();
    Moment { monotonic, wall: arrival.wall, until: monotonic + deadline.saturating_sub(LAST_CALL) }
}

/// Writes the line of an attempt that the protocol refused by itself.
pub(super) fn log_ended(attempt: &EndedEarly, context: &Context) {
    let verdict = Verdict::Refuse(attempt.denial);
    LoginRecord {
        door: context.door,
        role: context.role,
        user: SentText::new(&attempt.authcid),
        normal: None,
        service: &attempt.service,
        counts_as: None,
        mechanism: attempt.mechanism,
        origin: &attempt.origin,
        verdict: &verdict,
        // What a protocol refuses by itself is of no form that could be a guess.
        repeated: false,
        stale: false,
        duration: Duration::ZERO,
    }
    .write();
    context.logins.count(&attempt.service, &verdict, Path::Hit, (Duration::ZERO, now()));
}

async fn find_user(context: &Context, request: &UserRequest) -> UserAnswer {
    match timeout(context.deadline, context.decision.find_user(request)).await {
        Ok(Ok(Some(found))) => UserAnswer::Found(found.user, found.fields),
        Ok(Ok(None)) => UserAnswer::NotFound,
        Ok(Err(trouble)) => {
            tracing::warn!(
                service = request.service.name(),
                reason = trouble.reason.code(),
                detail = trouble.detail,
                "a user lookup could not be answered"
            );
            UserAnswer::CannotTell(trouble.reason.code())
        }
        Err(_) => {
            let reason = TempFailReason::Deadline.code();
            tracing::warn!(service = request.service.name(), reason, "a user lookup could not be answered");
            UserAnswer::CannotTell(reason)
        }
    }
}

fn forget(context: &Context, masks: &[UserMask]) -> usize {
    let forgotten = context.decision.forget_matching(masks);
    let entries = forgotten.people + forgotten.mailboxes + forgotten.comparisons;
    tracing::info!(masks = masks.len(), entries, "forgotten at doveadm's request");
    entries
}

async fn list_users(context: &Context, after: Option<&str>) -> Option<UserPage> {
    match timeout(context.deadline, context.decision.list_users(after)).await {
        Ok(Ok(page)) => Some(UserPage { users: page.users, next: page.next }),
        Ok(Err(trouble)) => {
            let (reason, detail) = (trouble.reason.code(), trouble.detail);
            tracing::warn!(reason, detail, "the user list could not be read");
            None
        }
        Err(_) => {
            let reason = TempFailReason::Deadline.code();
            tracing::warn!(reason, "the user list could not be read");
            None
        }
    }
}
