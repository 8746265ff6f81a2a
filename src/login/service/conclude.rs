//! The end of a login: its one log line, its counters, and what is noted for the history and for ban tools.

use std::time::{Duration, Instant};

use super::{Arrival, EndedEarly, Listener, LoginService, now};
use crate::auth::{AuthRequest, Credential, Denial, Grant, Source, Username, Verdict};
use crate::jobs::bookkeeping::{AcceptedLogin, Note, RefusedLogin};
use crate::login::decision::{Judgement, Path};
use crate::login::throttle::{RefusedGuess, Word};
use crate::observe::{LoginRecord, SentText};

impl LoginService {
    /// Writes the one line of a login, counts it, and notes what is to be written down.
    pub(super) fn conclude(
        &self,
        listener: &Listener,
        request: &AuthRequest,
        judgement: Judgement,
        (arrival, ended): (Arrival, Instant),
    ) -> Verdict {
        let Judgement { verdict, path, target } = judgement;
        let took = ended - arrival.monotonic;
        let alias = target.as_ref().and_then(|_| request.authcid.parse().ok());
        let parsed;
        let normal = match &verdict {
            Verdict::Accept(grant) => Some(&grant.user),
            Verdict::Refuse(_) | Verdict::CannotTell(_) => {
                parsed = target.or_else(|| request.authcid.parse().ok());
                parsed.as_ref()
            }
        };
        let named = request.named_service();
        let guess = match &verdict {
            Verdict::Refuse(denial) if denial.is_guess() && may_be_guess(request) => {
                Some(refused_guess(request, normal, ended))
            }
            Verdict::Accept(_) | Verdict::Refuse(_) | Verdict::CannotTell(_) => None,
        };
        let throttle = self.decision.throttle();
        let repeated = guess.as_ref().is_some_and(|guess| throttle.has_told(guess));
        // Once is enough: Postfix logs a refused login by itself, in words that mailcow's ban daemon counts.
        let publishes = !listener.peer_reports_refusals
            && guess.is_some_and(|guess| !throttle.has_told(&RefusedGuess { word: Word::Channel, ..guess }));
        if guess.is_some() {
            self.logins.count_guess(repeated);
        }
        LoginRecord {
            protocol: listener.protocol,
            role: listener.role,
            user: SentText::of_name(&request.authcid),
            normal,
            service: named.as_ref().unwrap_or(&request.service),
            counts_as: named.as_ref().map(|_| &request.service),
            mechanism: request.mechanism,
            origin: &request.origin,
            verdict: &verdict,
            repeated,
            stale: matches!(path, Path::Stale(_)),
            duration: took,
        }
        .write();
        self.logins.count(&request.service, &verdict, path, (took, ended));
        // An administrator who has a login explained asks by the one name or the other.
        for user in normal.into_iter().chain(&alias) {
            let service = named.as_ref().unwrap_or(&request.service);
            self.recent.note(user, service, request.origin.remote, (&verdict, arrival.wall));
        }
        match &verdict {
            Verdict::Accept(grant) => self.note_accepted(request, grant, ended),
            Verdict::Refuse(denial) if publishes => self.note_refused(request, *denial),
            Verdict::Refuse(_) | Verdict::CannotTell(_) => {}
        }
        verdict
    }

    /// Writes the line of an attempt that the protocol refused by itself.
    pub fn log_ended(&self, listener: &Listener, attempt: &EndedEarly) {
        let verdict = Verdict::Refuse(attempt.denial);
        LoginRecord {
            protocol: listener.protocol,
            role: listener.role,
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
        self.logins.count(&attempt.service, &verdict, Path::Hit, (Duration::ZERO, now()));
    }

    /// The login history names the webmail as mailcow does: by itself, or by no service at all where it came with the
    /// person's own password.
    fn note_accepted(&self, request: &AuthRequest, grant: &Grant, now: Instant) {
        // It is not the person who was there.
        if grant.master_user.is_some() {
            return;
        }
        let service = match (grant.through_webmail, grant.source) {
            (false, _) => &*request.service_name,
            (true, Source::AppPassword(_) | Source::SingleSignOn) => "SOGO",
            (true, Source::Keycloak | Source::Mailbox | Source::Token | Source::MasterUser) => "NONE",
        };
        let (remote, app_password) = (request.origin.remote, grant.source.app_password());
        if self.bookkeeper.has_noted((&grant.user, service, remote), app_password, now) {
            return;
        }
        self.bookkeeper.note(Note::Accepted(AcceptedLogin {
            user: grant.user.clone(),
            service: service.into(),
            remote,
            app_password,
        }));
    }

    /// The ban channel is told of guesses only.
    fn note_refused(&self, request: &AuthRequest, denial: Denial) {
        let Some(guess) = denial.guess() else { return };
        self.bookkeeper.note(Note::Refused(RefusedLogin {
            user: (*request.authcid).into(),
            remote: request.origin.remote,
            session: request.origin.session.clone(),
            guess,
        }));
    }
}

/// Whoever comes with Keycloak's word has guessed nothing.
fn may_be_guess(request: &AuthRequest) -> bool {
    !matches!(request.credential, Credential::Identity(_))
}

/// What was refused, as it is told to ban tools.
fn refused_guess<'a>(
    request: &'a AuthRequest,
    normal: Option<&'a Username>,
    now: Instant,
) -> RefusedGuess<'a> {
    let secret = match &request.credential {
        Credential::Password(secret) | Credential::Token(secret) => secret.expose(),
        Credential::Identity(identity) => identity.subject.as_bytes(),
    };
    let name = normal.map_or(&*request.authcid, |normal| normal.as_str().as_bytes());
    RefusedGuess { name, secret, remote: request.origin.remote, now, word: Word::LogLine }
}
