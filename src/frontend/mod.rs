//! Protocols on sockets: bytes in, questions out; answers in, bytes out.
//!
//! Each protocol is a pure object behind the one trait [`Protocol`]; [`connection`] is the one loop that gives
//! it a socket, a clock and the decision.
//!
//! The duties of a protocol:
//! * exactly one final reply per request id, whatever comes in;
//! * whatever an end user can cause gets a failure reply; only broken framing ends a connection;
//! * nothing of the reason reaches the client.

pub mod connection;
pub mod control;
pub mod dovecot;
mod explain;
pub mod hook;
pub mod http_login;
mod in_use;
mod input;
mod naming;
pub mod operations;
pub mod postfix;
pub mod sasl;
mod status;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::auth::{
    AuthRequest, Denial, MapRequest, Mechanism, Origin, SenderRequest, SenderVerdict, Service, UserFields,
    UserMask, UserRequest, Username, Verdict,
};

use crate::settings::Period;

pub use explain::{Attempt, ExplainRequest, Explained};
pub use input::{Framing, Line, LineBuffer};
pub use naming::Naming;
pub use status::{Backend, CacheStatus, Logins, Status, SyncStatus, Timed};

/// Names, and how long logins and refusals take.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long after its request a refusal leaves at the earliest, at every door; less than 10 s. So unknown,
    /// disabled and wrong look alike, and guessing is slow. Default `"2s"`.
    pub failure_delay: Period,
    /// How long a login may take; then the answer is a temporary failure. More than 0, less than 10 s, because
    /// Postfix waits 10 s. Default `"5s"`.
    pub deadline: Period,
    /// Further service names that programs send, each with the service whose switches count: `xmpp = "imap"`,
    /// `radicale = "dav"`. Letter case does not matter. The log shows the name that was sent (`service=xmpp …
    /// counts_as=imap`), metrics the service that counts. keydove refuses all other unknown names
    /// (`service_unknown`).
    pub services: BTreeMap<String, String>,
    /// The domain of names without an `@`, at logins, user lookups and in `explain`; in `user*master` the mailbox
    /// gets it. Default: keydove refuses such names (`name_invalid`).
    pub default_domain: Option<String>,
    /// Whether a name in an active alias domain opens the mailbox of the same name in the domain that it stands
    /// for: docs/mailboxes.md. Default `false`.
    pub alias_domains: bool,
    /// Whether an active alias that leads to exactly one mailbox here opens it; never a catch-all, a list or an
    /// address with `+tag`. Default `false`.
    pub aliases: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            failure_delay: Period::from_secs(2),
            deadline: Period::from_secs(5),
            services: BTreeMap::new(),
            default_domain: None,
            alias_domains: false,
            aliases: false,
        }
    }
}

/// A protocol of the line kind, without I/O and without a clock.
pub trait Protocol {
    /// Longest line that a peer may send, in bytes without the LF; or what a netstring may hold.
    const MAX_LINE: usize;

    /// How the peer marks the ends of its requests.
    const FRAMING: Framing = Framing::Lines;

    /// What the server says first; nothing where the peer does.
    fn greet(&mut self, _out: &mut Vec<u8>) {}

    /// Takes one line; appends what can be answered at once; returns what must be asked.
    ///
    /// # Errors
    /// Broken framing: the peer is no client of this protocol, and the connection ends.
    fn receive(&mut self, line: Line<'_>, now: Instant, out: &mut Vec<u8>)
    -> Result<Received, ProtocolError>;

    /// Takes the answer to a question; a ticket that is no longer known is ignored.
    fn answer(&mut self, ticket: Ticket, answer: Answer, now: Instant, out: &mut Vec<u8>) -> Next;

    /// Ends what has waited too long for its peer. Says when to come again, if ever: nothing waits where a request is
    /// complete with its line.
    fn expire(&mut self, _now: Instant, _out: &mut Vec<u8>) -> (Vec<EndedEarly>, Option<Instant>) {
        (Vec::new(), None)
    }

    /// Whether the connection may be closed without anybody losing a login.
    fn is_idle(&self) -> bool;

    /// The same while we are stopping: what should long have been fetched, and was not, no longer counts.
    fn may_end(&self, _now: Instant) -> bool {
        self.is_idle()
    }

    /// Answers "cannot tell" to whatever still waits for the peer: we stop now.
    fn stop(&mut self, _out: &mut Vec<u8>) {}

    /// How long the peer must have been silent before we close by ourselves.
    ///
    /// Zero where the peer takes a close for "try again". A peer that takes it for a refusal needs a while: it
    /// may be about to speak, and what crosses our close on the way is lost.
    fn silence_before_close(&self) -> Duration {
        Duration::ZERO
    }
}

/// Names a question of one connection. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What a line led to.
#[derive(Debug)]
pub enum Received {
    /// Nothing to ask.
    Nothing,
    /// A question for the decision.
    Question(Ticket, Question),
    /// An attempt that the protocol has refused by itself, for the log.
    Ended(EndedEarly),
}

/// What a protocol asks.
#[derive(Debug)]
pub enum Question {
    /// May they?
    Authenticate(AuthRequest),
    /// Where does their mail live?
    FindUser(UserRequest),
    /// Who is there, after this name?
    ListUsers(Option<String>),
    /// How would this login end, and why?
    Explain(Box<ExplainRequest>),
    /// How do things stand?
    Status,
    /// Do the backends answer this process?
    Probe,
    /// May they send under this address?
    JudgeSender(SenderRequest),
    /// What stands in this lookup table?
    LookUp(MapRequest),
    /// Forget whom these masks mean; all, where there are none.
    Forget(Vec<UserMask>),
}

/// What a protocol is told.
#[derive(Debug)]
pub enum Answer {
    /// To [`Question::Authenticate`].
    Verdict(Verdict),
    /// To [`Question::FindUser`].
    User(UserAnswer),
    /// To [`Question::ListUsers`]; `None` when the list cannot be had.
    Users(Option<UserPage>),
    /// To [`Question::Explain`]; `None` when there was no time for it.
    Explained(Option<Box<Explained>>),
    /// To [`Question::Status`]; `None` when keydove is stopping.
    Status(Option<Box<Status>>),
    /// To [`Question::Probe`]: what is wrong; `None` when keydove is stopping.
    Probed(Option<Vec<String>>),
    /// To [`Question::JudgeSender`].
    Sender(SenderVerdict),
    /// To [`Question::LookUp`].
    Map(MapAnswer),
    /// To [`Question::Forget`]: how much was known.
    Forgotten(usize),
}

/// Where a user's mail lives.
#[derive(Debug)]
pub enum UserAnswer {
    /// There.
    Found(Username, UserFields),
    /// There is no such user.
    NotFound,
    /// We cannot tell, and this is the reason code.
    CannotTell(&'static str),
}

/// What stands in a lookup table.
#[derive(Debug)]
pub enum MapAnswer {
    /// This.
    Found(String),
    /// Nothing.
    NotFound,
    /// We cannot tell, and this is the reason code.
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

/// What becomes of the connection after an answer.
#[derive(Debug)]
pub enum Next {
    /// It goes on.
    Open,
    /// One more question.
    Ask(Ticket, Question),
    /// It takes no more requests, answers those it has, and ends.
    Close,
}

/// An attempt that ended before the decision was asked.
#[derive(Debug)]
pub struct EndedEarly {
    /// As whom they came, as sent.
    pub authcid: Vec<u8>,
    /// For what.
    pub service: Service,
    /// How, if it was a mechanism we know.
    pub mechanism: Option<Mechanism>,
    /// From where.
    pub origin: Origin,
    /// Why.
    pub denial: Denial,
}

/// The peer breaks the protocol's framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A line that is no request, or not at this point.
    #[error("a line of the peer is no request of this protocol")]
    NotARequest,
    /// Another major version.
    #[error("the peer speaks another major version")]
    Version,
    /// A number that is none, is zero or does not fit.
    #[error("a number of the peer does not fit")]
    Number,
    /// An id that is still in use.
    #[error("the peer uses a request id twice at once")]
    DuplicateId,
    /// A request lacks a parameter, or has one where none may stand.
    #[error("a request of the peer lacks a parameter or has a misplaced one")]
    Parameter,
    /// A line beyond all bounds.
    #[error("a line of the peer never ends")]
    Endless,
    /// No length, one with a leading zero or beyond the bound, or no comma where the text ends.
    #[error("the peer sent no netstring, or a longer one than any request is")]
    Netstring,
    /// More lines than any request has.
    #[error("a request of the peer has too many attributes")]
    TooMany,
}
