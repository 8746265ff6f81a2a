//! The auth client protocol, server side: AUTH, CONT, CANCEL → OK, FAIL, CONT.
//!
//! Spoken by Dovecot's login processes (2.3 and 2.4), Postfix's `smtpd` (`smtpd_sasl_type = dovecot`), doveadm,
//! Exim. Version 1.2 is announced and the whole handshake is sent at once: every client takes that, and Exim
//! waits for it before it speaks.

mod auth;
mod exchange;
mod replies;
mod requests;
#[cfg(test)]
mod tests;

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::HashMap;

use self::replies::{fail, succeed};
use self::requests::{REQUEST_LIFETIME, Request, end_early, id_of, request_user};
use super::line::{Fields, parse_number};
use super::{Cookie, PendingLogin, PendingLogins, ServerId};
use crate::auth::{AuthRequest, Denial, Grant, Mechanism, Verdict};
use crate::frontend::sasl::ErrorChallenges;
use crate::frontend::{self, Answer, Line, Next, Protocol, ProtocolError, Ticketed};
use crate::login::service::EndedEarly;

pub(in crate::frontend) use auth::{read_address, read_service, read_text};

/// The one kind of question here is a login.
type Received = frontend::Received<Ticketed<AuthRequest>>;

/// Longest line from a client, as in Dovecot's own server.
const MAX_LINE: usize = 16_384;

/// Dovecot 2.3 tells a user "wrong password" when the connection closes under a login. Its login processes connect
/// when a mail client does, which then logs in at once; one that has been silent for so long is most likely a spare.
const SILENCE_BEFORE_CLOSE: Duration = Duration::from_secs(1);

/// When we stop, a success that nobody has come for counts as one that nobody will come for: a mail process comes within
/// milliseconds, and on a machine out of breath within this.
const REDEEMED_IN_TIME: Duration = Duration::from_secs(4);
/// The same while no mail process has ever come: whoever logs in then is most likely a program that opens no mailbox.
const REDEEMED_AT_ONCE: Duration = Duration::from_millis(300);

/// Who connects to this socket, and so how "cannot tell" must be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Dovecot's login processes and everybody else: `FAIL … code=temp_fail`.
    Dovecot,
    /// Postfix, which turns every FAIL into a permanent 535: the connection is closed, which it reports as 454.
    Postfix,
    /// Exim, which does the same and reports a closed connection as 435.
    Exim,
}

impl Role {
    /// Whether a mail process will come for a success.
    fn opens_mailboxes(self) -> bool {
        match self {
            Self::Dovecot => true,
            Self::Postfix | Self::Exim => false,
        }
    }
}

/// One client connection.
#[derive(Debug)]
pub struct AuthClient {
    role: Role,
    server: ServerId,
    cuid: u32,
    cookie: Cookie,
    pending: PendingLogins,
    handshake: Handshake,
    requests: HashMap<u32, Request>,
    /// Makes tickets differ that are about requests of one id.
    next_serial: u32,
    /// No request is too old before this moment.
    look_at: Option<Instant>,
    closing: bool,
    /// What a refused token is told; without it no mechanism that carries tokens is offered.
    challenges: Option<Arc<ErrorChallenges>>,
}

#[derive(Clone, Copy, Debug)]
enum Handshake {
    Version,
    Cpid { minor: u32 },
    Done { minor: u32, cpid: u32 },
}

impl AuthClient {
    /// A new connection. `cuid` is unique in this server process, `cookie` random.
    #[must_use]
    pub fn new(role: Role, server: ServerId, cuid: u32, cookie: Cookie, pending: PendingLogins) -> Self {
        Self {
            role,
            server,
            cuid,
            cookie,
            pending,
            handshake: Handshake::Version,
            requests: HashMap::default(),
            next_serial: 0,
            look_at: None,
            closing: false,
            challenges: None,
        }
    }

    /// Offers mechanisms that carry tokens, and says this about tokens that are refused.
    #[must_use]
    pub fn with_tokens(mut self, challenges: Option<Arc<ErrorChallenges>>) -> Self {
        self.challenges = challenges;
        self
    }

    fn offers(&self, mechanism: Mechanism) -> bool {
        !mechanism.carries_token() || self.challenges.is_some()
    }

    /// Drops the success of a request that was not redeemed.
    fn forget(&mut self, id: u32) {
        if let Some(key) = self.key(id) {
            self.pending.forget(key, self.cookie);
        }
    }

    /// A request that has no final reply yet.
    fn open_request(&self, id: u32) -> Option<&Request> {
        self.requests.get(&id).filter(|request| request.is_open())
    }

    /// The same, taken out.
    fn take_open_request(&mut self, id: u32) -> Option<Request> {
        match self.requests.entry(id) {
            Entry::Occupied(place) if place.get().is_open() => Some(place.remove()),
            Entry::Occupied(_) | Entry::Vacant(_) => None,
        }
    }

    /// The ids of successes for which no mail process has come as far as this connection knows, and until when each waits.
    fn granted(&self) -> impl Iterator<Item = (u32, Instant)> {
        self.requests.iter().filter_map(|(&id, request)| match request {
            Request::Granted { until } => Some((id, *until)),
            Request::Exchanging(_) | Request::Deciding(_) | Request::Refused(_) => None,
        })
    }

    fn has_open_requests(&self) -> bool {
        self.requests.values().any(Request::is_open)
    }

    /// Something ends then, so that nothing need be looked through before.
    fn look_by(&mut self, at: Instant) {
        self.look_at = Some(self.look_at.map_or(at, |known| known.min(at)));
    }

    /// What a mail process will name this request by.
    fn key(&self, id: u32) -> Option<(u32, u32)> {
        match self.handshake {
            Handshake::Done { cpid, .. } => Some((cpid, id)),
            _ => None,
        }
    }
}

impl Protocol for AuthClient {
    type Asked = Ticketed<AuthRequest>;

    const MAX_LINE: usize = MAX_LINE;

    fn greet(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"VERSION\t1\t2\n");
        for mechanism in Mechanism::ALL.into_iter().filter(|&mechanism| self.offers(mechanism)) {
            // `plaintext` makes Dovecot hide it on unsecured links and lets Postfix's security options see it.
            out.extend_from_slice(format!("MECH\t{}\tplaintext\n", mechanism.name()).as_bytes());
        }
        // Postfix takes an SPID before the first MECH for a master socket and gives up.
        let (spid, cuid, cookie) = (self.server.0, self.cuid, self.cookie.to_hex());
        out.extend_from_slice(format!("SPID\t{spid}\nCUID\t{cuid}\nCOOKIE\t{cookie}\nDONE\n").as_bytes());
    }

    fn receive(
        &mut self,
        line: Line<'_>,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Result<Received, ProtocolError> {
        let line = match line {
            Line::Whole(line) => line,
            Line::TooLong(beginning) => return self.refuse_too_long(beginning, out),
        };
        let mut fields = Fields::of(line);
        match (self.handshake, fields.next()) {
            (Handshake::Version, Some(b"VERSION")) => {
                let minor = read_version(&mut fields)?;
                self.handshake = Handshake::Cpid { minor };
                Ok(Received::Nothing)
            }
            (Handshake::Cpid { minor }, Some(b"CPID")) => {
                let cpid = fields.next_number().filter(|&cpid| cpid != 0).ok_or(ProtocolError::Number)?;
                self.handshake = Handshake::Done { minor, cpid };
                Ok(Received::Nothing)
            }
            (Handshake::Done { minor, .. }, Some(b"AUTH")) => self.begin(fields, minor, now, out),
            (Handshake::Done { .. }, Some(b"CONT")) => self.continue_exchange(fields, out),
            (Handshake::Done { .. }, Some(b"CANCEL")) => self.cancel(fields, out),
            _ => Err(ProtocolError::NotARequest),
        }
    }

    fn answer(
        &mut self,
        answer: Answer<AuthRequest>,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Next<Ticketed<AuthRequest>> {
        let Answer { ticket, answer: verdict } = answer;
        let id = id_of(ticket);
        let Some(request) = self.requests.get_mut(&id) else { return Next::Open };
        let Request::Deciding(asked) = request else { return Next::Open };
        if asked.ticket != ticket {
            return Next::Open;
        }
        match (verdict, self.handshake) {
            // Kept for the mail process that will redeem it, unless none will: of one that is passed on none comes here.
            (Verdict::Accept(grant), Handshake::Done { cpid, .. })
                if self.role.opens_mailboxes() && !asked.nologin && grant.proxied.is_none() =>
            {
                succeed(id, &grant, out);
                let (mechanism, until) = (asked.mechanism, now + REQUEST_LIFETIME);
                *request = Request::Granted { until };
                let Grant { user, fields, master_user, .. } = grant;
                let login = PendingLogin { user, fields, master_user, mechanism };
                self.pending.remember((cpid, id), self.cookie, login, now);
                self.look_by(until);
            }
            (Verdict::Accept(grant), _) => {
                succeed(id, &grant, out);
                self.requests.remove(&id);
            }
            (verdict, _) => self.answer_unless_accepted(id, verdict.told(), now, out),
        }
        if self.closing { Next::Close } else { Next::Open }
    }

    fn expire(&mut self, now: Instant, out: &mut Vec<u8>) -> (Vec<EndedEarly>, Option<Instant>) {
        if self.look_at.is_none_or(|at| now < at) {
            return (Vec::new(), self.look_at);
        }
        let is_over = |request: &Request| request.ends_at().is_some_and(|end| now >= end);
        let ids: Vec<u32> =
            self.requests.iter().filter(|(_, request)| is_over(request)).map(|(&id, _)| id).collect();
        let mut ended = Vec::new();
        for id in ids {
            let Some(request) = self.requests.remove(&id) else { continue };
            if !request.is_open() {
                self.forget(id);
                continue;
            }
            fail(id, request_user(&request), "reason=Authentication request timed out", out);
            if let Request::Exchanging(open) = request {
                ended.push(end_early(*open, Denial::ExchangeAbandoned));
            }
        }
        self.look_at = self.next_expiry();
        (ended, self.look_at)
    }

    /// The login process tells a client whose exchange ends with a mere close that the password was wrong.
    fn stop(&mut self, out: &mut Vec<u8>) {
        for (&id, request) in self.requests.iter().filter(|(_, request)| request.is_open()) {
            match (self.role, request) {
                (_, Request::Refused(refused)) => fail(id, &refused.authcid, "", out),
                (Role::Dovecot, _) => fail(id, request_user(request), "code=temp_fail", out),
                (Role::Postfix | Role::Exim, _) => {}
            }
        }
        self.requests.retain(|_, request| !request.is_open());
    }

    fn silence_before_close(&self) -> Duration {
        match self.role {
            // Its successes were for nobody: this is no login process of a Dovecot that opens mailboxes.
            Role::Dovecot if !self.pending.is_ever_redeemed() && self.granted().next().is_some() => {
                REDEEMED_AT_ONCE
            }
            Role::Dovecot => SILENCE_BEFORE_CLOSE,
            Role::Postfix | Role::Exim => Duration::ZERO,
        }
    }

    fn may_end(&self, now: Instant) -> bool {
        let patience = if self.pending.is_ever_redeemed() { REDEEMED_IN_TIME } else { REDEEMED_AT_ONCE };
        let is_young = |until: Instant| now + REQUEST_LIFETIME < until + patience;
        let is_there = |id: u32| self.key(id).is_some_and(|key| self.pending.contains(key, self.cookie));
        !self.has_open_requests() && !self.granted().any(|(id, until)| is_young(until) && is_there(id))
    }

    fn is_idle(&self) -> bool {
        let waits = |id: u32| self.key(id).is_some_and(|key| self.pending.contains(key, self.cookie));
        !self.has_open_requests() && !self.granted().any(|(id, _)| waits(id))
    }
}

impl AuthClient {
    fn next_expiry(&self) -> Option<Instant> {
        self.requests.values().filter_map(Request::ends_at).min()
    }
}

impl Drop for AuthClient {
    /// The client has left: nobody may redeem its successes any more.
    fn drop(&mut self) {
        let ids: Vec<u32> = self.granted().map(|(id, _)| id).collect();
        ids.into_iter().for_each(|id| self.forget(id));
    }
}

/// Reads the fields of a VERSION line; the minor version matters to a few replies only.
pub(super) fn read_version(fields: &mut Fields<'_>) -> Result<u32, ProtocolError> {
    let major = fields.next_number().ok_or(ProtocolError::Number)?;
    let minor = fields.next().and_then(parse_number).ok_or(ProtocolError::Number)?;
    if major == 1 { Ok(minor) } else { Err(ProtocolError::Version) }
}
