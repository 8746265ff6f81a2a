//! The one loop: read, ask, answer, write, stop.
//!
//! It knows no protocol and no kind of question: `ask.rs` puts the questions of each protocol to the login service.

#[cfg(test)]
mod allocations;
mod ask;
mod questions;
mod timer;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{LineBuffer, Next, Protocol, ProtocolError, Questions as _, Received, Ticket};
use crate::login::service::{Arrival, now};
use ask::Replied;
pub use ask::{Desk, Put};
use questions::Questions;
use timer::Timer;

/// Questions under way on one connection; beyond that it is not read from. A login process with thousands of
/// mail clients behind it stays far below.
const MAX_QUESTIONS: usize = 1024;
/// Refusals of one connection that wait for their time, likewise.
const MAX_DELAYED: usize = 65_536;
/// Bytes of the first read: most connections bring one login and go.
const FIRST_READ_BYTES: usize = 1024;
/// Bytes of one read on a connection that brings many.
const MAX_READ_BYTES: usize = 16_384;
/// How often a connection that waits to leave looks whether it may.
const DRAIN_LOOK: Duration = Duration::from_millis(50);
/// A peer that does not take its replies for this long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How connections are told to end.
#[derive(Clone, Debug, Default)]
pub struct StopSignals {
    /// Take no new work once the present work is done.
    pub drain: CancellationToken,
    /// Answer what is open with "cannot tell" and end.
    pub cut: CancellationToken,
}

/// Why a connection ended, when it was not the peer's wish.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The peer is no client of this protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The socket failed.
    #[error("the socket failed: {0}")]
    Socket(#[from] io::Error),
    /// The peer does not take its replies.
    #[error("the peer took no reply for {} s", WRITE_TIMEOUT.as_secs())]
    WriteTimeout,
}

impl ConnectionError {
    /// Whether the peer merely left in the middle of something, as login processes do when they are ended.
    #[must_use]
    pub fn is_departure(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionReset};
        matches!(self, Self::Socket(error) if matches!(error.kind(), BrokenPipe | ConnectionReset))
    }
}

/// Serves one connection to its end.
///
/// Questions already asked when the peer leaves are still decided and logged: hanging up is no way to try a
/// password unseen.
///
/// # Errors
/// Anything but the peer's leaving and our own stopping.
pub async fn serve<S, P>(
    stream: S,
    protocol: P,
    desk: Arc<Desk>,
    stop: StopSignals,
) -> Result<(), ConnectionError>
where
    S: AsyncRead + AsyncWrite + Unpin,
    P: Protocol<Asked: Put>,
{
    let mut connection = Connection::new(stream, protocol, Arc::clone(&desk));
    let mut questions = Questions::new();
    // Made once: each would otherwise join and leave a list of waiters with every batch of logins.
    let mut drain = pin!(stop.drain.cancelled());
    let mut cut = pin!(stop.cut.cancelled());
    let mut timer = pin!(Timer::default());
    connection.protocol.greet(&mut connection.output);
    let end = loop {
        while let Some((question, arrival)) = connection.asked.pop_front() {
            let (ticket, when_stopping) = (question.ticket(), question.when_stopping());
            match questions.put(question.put(&desk, arrival)) {
                Some(reply) => connection.take_reply(reply),
                None => drop(connection.open.insert(ticket, when_stopping)),
            }
        }
        connection.tidy(connection.latest);
        if let Err(error) = connection.write_output().await {
            break Err(error);
        }
        if let Some(end) = connection.end(questions.is_empty()) {
            break end;
        }
        if connection.draining && connection.may_leave(questions.is_empty(), now()) {
            // What has come in at the last moment is still served.
            match connection.stream.read(connection.input.room(connection.read_bytes)).now_or_never() {
                Some(read) => connection.take_input(read),
                None => break Ok(()),
            }
            continue;
        }
        timer.as_mut().set(connection.next_wake());
        tokio::select! {
            // Whatever never stops coming in comes last, so that it holds up nothing else.
            biased;
            () = &mut cut => {
                connection.cut();
                break connection.write_output().await;
            }
            () = &mut drain, if !connection.draining => connection.draining = true,
            () = timer.as_mut() => connection.wake(now()),
            Some(reply) = questions.next(), if !questions.is_empty() => {
                connection.take_reply(reply);
                while let Some(Some(reply)) = questions.next().now_or_never() {
                    connection.take_reply(reply);
                }
            }
            read = connection.stream.read(connection.input.room(connection.read_bytes)), if connection.may_read(questions.len()) => {
                connection.take_input(read);
            }
        }
    };
    // The peer is let go before its questions are decided to the end.
    drop(connection);
    while questions.next().await.is_some() {}
    end
}

/// The answers that a protocol takes.
type Answers<P> = <<P as Protocol>::Asked as super::Questions>::Answers;

/// The state of one connection.
struct Connection<S, P: Protocol> {
    stream: S,
    protocol: P,
    desk: Arc<Desk>,
    input: LineBuffer,
    /// How much is read at once.
    read_bytes: usize,
    output: Vec<u8>,
    /// Questions that the protocol has just put, and that have no answer at once.
    asked: VecDeque<(P::Asked, Arrival)>,
    /// Questions whose answer takes a while, each with what makes its answer when there is no time for a true one.
    open: HashMap<Ticket, fn(Ticket) -> Answers<P>>,
    /// Refusals that wait for their time.
    delayed: BTreeMap<(Instant, Ticket), Answers<P>>,
    /// When the protocol wants to tidy up.
    expiry: Option<Instant>,
    /// The peer has said its last word, or must not say more.
    deaf: bool,
    /// When the peer last said something; at first, when it came.
    last_input: Instant,
    /// The clock when it was last looked at.
    latest: Instant,
    draining: bool,
    error: Option<ConnectionError>,
}

impl<S: AsyncRead + AsyncWrite + Unpin, P: Protocol<Asked: Put>> Connection<S, P> {
    fn new(stream: S, protocol: P, desk: Arc<Desk>) -> Self {
        let now = now();
        Self {
            stream,
            protocol,
            desk,
            input: LineBuffer::new(P::MAX_LINE),
            read_bytes: FIRST_READ_BYTES,
            output: Vec::new(),
            asked: VecDeque::new(),
            open: HashMap::new(),
            delayed: BTreeMap::new(),
            expiry: None,
            deaf: false,
            last_input: now,
            latest: now,
            draining: false,
            error: None,
        }
    }

    fn may_read(&self, questions: usize) -> bool {
        !self.deaf && questions < MAX_QUESTIONS && self.delayed.len() < MAX_DELAYED
    }

    /// Whether it is over: nothing more may come in and nothing is left to answer.
    fn end(&mut self, no_questions: bool) -> Option<Result<(), ConnectionError>> {
        if let Some(error) = self.error.take() {
            return Some(Err(error));
        }
        (self.deaf && no_questions && self.delayed.is_empty()).then_some(Ok(()))
    }

    /// Whether we may close when we are stopping: all is answered, and the peer has been silent long enough.
    fn may_leave(&self, no_questions: bool, now: Instant) -> bool {
        let answered = no_questions && self.delayed.is_empty() && self.input.is_empty();
        answered && self.protocol.may_end(now) && now >= self.silent_enough()
    }

    fn silent_enough(&self) -> Instant {
        self.last_input + self.protocol.silence_before_close()
    }

    fn take_input(&mut self, read: io::Result<usize>) {
        let length = match read {
            Ok(0) => return self.deaf = true,
            Ok(length) => length,
            Err(error) => return self.fail(error.into()),
        };
        self.input.filled(length);
        if length == self.read_bytes && length < MAX_READ_BYTES {
            self.read_bytes *= 2;
        }
        let arrival = Arrival::now();
        let now = arrival.monotonic;
        (self.last_input, self.latest) = (now, now);
        loop {
            let line = match self.input.next_request(P::FRAMING) {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(error) => return self.fail(error.into()),
            };
            match self.protocol.receive(line, now, &mut self.output) {
                Ok(Received::Nothing) => {}
                Ok(Received::Question(mut question)) => match question.put_at_once(&self.desk, arrival) {
                    Some(reply) => self.take_reply(reply),
                    None => self.asked.push_back((question, arrival)),
                },
                Ok(Received::Ended(attempt)) => self.desk.service.log_ended(&self.desk.listener, &attempt),
                Err(error) => return self.fail(error.into()),
            }
        }
        self.input.wipe_read();
        if self.input.is_endless() {
            self.fail(ProtocolError::Endless.into());
        }
        self.tidy(now);
    }

    fn take_reply(&mut self, reply: Replied<Answers<P>>) {
        self.latest = reply.at;
        match reply.not_before {
            Some(due) if due > reply.at => {
                self.delayed.insert((due, reply.ticket), reply.answer);
            }
            _ => self.answer(reply.ticket, reply.answer, reply.at),
        }
    }

    fn answer(&mut self, ticket: Ticket, answer: Answers<P>, now: Instant) {
        if !self.open.is_empty() {
            self.open.remove(&ticket);
        }
        match self.protocol.answer(answer, now, &mut self.output) {
            Next::Open => {}
            Next::Ask(question) => self.asked.push_back((question, Arrival::now())),
            Next::Close => self.deaf = true,
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        let delayed = self.delayed.first_key_value().map(|((due, _), _)| *due);
        // A login is redeemed on another connection, so while we want to leave we have to look again.
        let look = self.draining.then(|| now() + DRAIN_LOOK);
        delayed.into_iter().chain(self.expiry).chain(look).min()
    }

    /// Does what its time has come for.
    fn wake(&mut self, now: Instant) {
        self.latest = now;
        while let Some(entry) = self.delayed.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((_, ticket), answer) = entry.remove_entry();
            self.answer(ticket, answer, now);
        }
        self.tidy(now);
    }

    fn tidy(&mut self, now: Instant) {
        let (ended, expiry) = self.protocol.expire(now, &mut self.output);
        self.expiry = expiry;
        ended.iter().for_each(|attempt| self.desk.service.log_ended(&self.desk.listener, attempt));
    }

    /// Answers everything at once: what is decided as decided, the rest as "cannot tell".
    fn cut(&mut self) {
        let now = now();
        while let Some(((_, ticket), answer)) = self.delayed.pop_first() {
            self.answer(ticket, answer, now);
        }
        let open: Vec<_> = self.open.drain().collect();
        let asked: Vec<_> =
            self.asked.drain(..).map(|(asked, _)| (asked.ticket(), asked.when_stopping())).collect();
        for (ticket, when_stopping) in open.into_iter().chain(asked) {
            self.answer(ticket, when_stopping(ticket), now);
        }
        self.protocol.stop(&mut self.output);
    }

    fn fail(&mut self, error: ConnectionError) {
        self.deaf = true;
        self.error = Some(error);
    }

    async fn write_output(&mut self) -> Result<(), ConnectionError> {
        if self.output.is_empty() {
            return Ok(());
        }
        let written = timeout(WRITE_TIMEOUT, self.stream.write_all(&self.output)).await;
        written.map_err(|_| ConnectionError::WriteTimeout)??;
        self.output.clear();
        Ok(())
    }
}
