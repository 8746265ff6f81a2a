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
pub mod hook;
pub mod http_login;
mod input;
mod json_lines;
pub mod operations;
pub mod portal;
pub mod postfix;
mod question;
pub mod sasl;

use std::time::{Duration, Instant};

use crate::login::service::EndedEarly;

pub use input::{Framing, Line, LineBuffer};
pub use json_lines::{JsonLines, JsonWords};
pub use question::{Answer, Forget, ListUsers, Question, Questions, Ticket, Ticketed};

/// A protocol of the line kind, without I/O and without a clock.
pub trait Protocol {
    /// Its questions: [`Ticketed`] where it has one kind, else an enum of its own.
    type Asked: Questions;

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
    fn receive(
        &mut self,
        line: Line<'_>,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Result<Received<Self::Asked>, ProtocolError>;

    /// Takes the answer to a question; one whose ticket is no longer known is ignored.
    fn answer(
        &mut self,
        answer: <Self::Asked as Questions>::Answers,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Next<Self::Asked>;

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

/// What a line led to.
#[derive(Debug)]
pub enum Received<Q> {
    /// Nothing to ask.
    Nothing,
    /// A question for the decision.
    Question(Q),
    /// An attempt that the protocol has refused by itself, for the log.
    Ended(EndedEarly),
}

/// What becomes of the connection after an answer.
#[derive(Debug)]
pub enum Next<Q> {
    /// It goes on.
    Open,
    /// One more question.
    Ask(Q),
    /// It takes no more requests, answers those it has, and ends.
    Close,
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
