//! A load client for servers of the Dovecot auth client protocol, keydove's and Dovecot's own.
//!
//! One thread, plain non-blocking sockets and one epoll: a login costs the client a fraction of what it costs any
//! server, so that what is measured is the server. Each reply is held against what was asked: the verdict, and the name in it.
//!
//! It serves `keydove bench` and `benches/login`. Reading the clock is what it is for, so this crate is a home of the clock.

mod arrivals;
mod connection;
mod drive;
mod histogram;
mod people;
mod reply;
mod sense;

use std::path::Path;
use std::time::{Duration, Instant};

pub use drive::run;
pub use histogram::Histogram;
pub use people::{BadPattern, MOST_PEOPLE, Pattern, People, Request};

/// The most connections at once.
pub const MOST_CONNECTIONS: usize = 4096;
/// The most logins under way on one connection.
pub const MOST_DEPTH: usize = 4096;

/// What one run does.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// The server's socket.
    pub socket: &'a Path,
    /// Who logs in.
    pub people: &'a People,
    /// Connections at once, up to [`MOST_CONNECTIONS`].
    pub connections: usize,
    /// When the next login comes.
    pub pace: Pace,
    /// How long a connection lives.
    pub reuse: Reuse,
    /// Whose turn it is.
    pub turns: Turns,
    /// Of a hundred logins so many bring a wrong password, each a new one.
    pub wrong_percent: u8,
    /// Time before measuring starts.
    pub warm_up: Duration,
    /// Time that is measured; with [`Turns::EachOnce`] the time after which it ends all the same.
    pub window: Duration,
    /// How long the last replies are waited for; what is missing then is lost.
    pub grace: Duration,
    /// What a right reply is.
    pub expect: Expect,
}

/// When the next login comes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As soon as one before has ended: each connection keeps so many under way, up to [`MOST_DEPTH`].
    Closed {
        /// Logins under way on each connection.
        depth: usize,
    },
    /// At random moments, whatever the server does (a Poisson process). The latency counts from that moment.
    Open {
        /// The mean of logins per second.
        per_second: f64,
    },
}

/// How long a connection lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// For the whole run.
    Kept,
    /// For one login, as Dovecot's login processes do by default. The latency counts from before the connect.
    PerLogin,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turns {
    /// Anybody's, at random.
    Random,
    /// Everybody's, once and in order: this warms a cache.
    EachOnce,
}

/// What a right reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// OK with the person's name for the right password, FAIL for a wrong one.
    Verdicts,
    /// OK, whatever was asked, as an echo server says.
    AlwaysOk,
}

/// What came of one run so far. Counts are of the whole run, `latency` is of its measured part.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Requests that were sent.
    pub sent: u64,
    /// Accepted.
    pub ok: u64,
    /// Refused.
    pub fail: u64,
    /// The server could not tell.
    pub temp: u64,
    /// A wrong verdict, a wrong name, a reply to nothing, a line that is no reply.
    pub unexpected: u64,
    /// Requests without a reply.
    pub lost: u64,
    /// Connections that the server closed.
    pub closed: u64,
    /// Of decided logins: from sending the request to reading its reply.
    pub latency: Histogram,
    /// The measured time.
    pub measured: Duration,
}

impl Outcome {
    /// Decided logins per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.latency.count() as f64 / self.measured.as_secs_f64().max(1e-9)
    }

    /// Replies so far.
    #[must_use]
    pub fn replies(&self) -> u64 {
        self.ok + self.fail + self.temp
    }

    /// Whether every login was decided, and rightly.
    #[must_use]
    pub fn is_flawless(&self) -> bool {
        self.ok + self.fail > 0 && self.temp + self.unexpected + self.lost + self.closed == 0
    }
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// All connections are open and greeted; nothing was sent.
    Begins,
    /// The warm-up is over.
    Measures,
    /// About half a second has passed.
    Ticks,
    /// The measured time is over.
    Measured,
}

#[expect(clippy::disallowed_methods, reason = "a load client measures time")]
fn now() -> Instant {
    Instant::now()
}
