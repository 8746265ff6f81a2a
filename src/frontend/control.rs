//! The control socket: one JSON request a line, one JSON answer a line, for `keydove cache` and the like.
//!
//! What is asked here is in memory, so every request is answered at once.

use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{Answer, EndedEarly, Line, Next, Protocol, ProtocolError, Received, Ticket};
use crate::auth::Username;
use crate::decision::{Counts, Decision, Forgotten, Known};
use crate::throttle::{Listed, Target};

/// What is said to whoever may not ask, before the connection is closed.
pub const REFUSAL: &str = "only root and the user that runs keydove may ask here";

/// Counters that one answer names; with names at their longest it stays below what the command reads.
const MAX_LISTED: usize = 1000;

/// What may be asked.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// What the caches have done so far.
    CacheCounts,
    /// What is remembered about an address.
    CacheShow {
        /// The address.
        user: String,
    },
    /// Forget an address.
    CacheForget {
        /// The address.
        user: String,
    },
    /// Forget everything.
    CacheFlush,
    /// What is counted against guessing.
    ThrottleList,
    /// Forget what is counted.
    ThrottleClear {
        /// An account, an address, a network, or `all`.
        target: String,
    },
}

/// What is answered.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// To [`Request::CacheCounts`].
    Counts(Counts),
    /// To [`Request::CacheShow`].
    Known(Box<Known>),
    /// To [`Request::CacheForget`] and [`Request::CacheFlush`].
    Forgotten(Forgotten),
    /// To [`Request::ThrottleList`]: the longest waits first, and how many counters there are in all.
    Throttled {
        /// The first of them.
        first: Vec<Listed>,
        /// Of all.
        total: usize,
    },
    /// To [`Request::ThrottleClear`]: how many counters are gone.
    Cleared(usize),
    /// The request is none, or its sender has no right.
    Error(String),
}

impl Reply {
    /// The line, with its end.
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// One connection.
#[derive(Debug)]
pub struct Control(Arc<Decision>);

impl Control {
    /// For a peer that has the right.
    #[must_use]
    pub fn new(decision: Arc<Decision>) -> Self {
        Self(decision)
    }

    fn reply(&self, request: Request, now: Instant) -> Reply {
        match request {
            Request::CacheCounts => Reply::Counts(self.0.counts()),
            Request::CacheShow { user } => {
                with_name(&user, |user| Reply::Known(Box::new(self.0.known(user, now.into()))))
            }
            Request::CacheForget { user } => with_name(&user, |user| {
                tracing::info!(user = user.as_str(), "forgotten on request");
                Reply::Forgotten(self.0.forget(user))
            }),
            Request::CacheFlush => {
                tracing::info!("everything is forgotten on request");
                Reply::Forgotten(self.0.flush())
            }
            Request::ThrottleList => {
                let mut first = self.0.parts().throttle.list(now);
                let total = first.len();
                first.truncate(MAX_LISTED);
                Reply::Throttled { first, total }
            }
            Request::ThrottleClear { target } => match Target::parse(&target) {
                Some(target) => {
                    tracing::info!("what is counted against guessing is forgotten on request");
                    Reply::Cleared(self.0.parts().throttle.clear(&target))
                }
                None => Reply::Error("this is no mail address, IP address or network".to_owned()),
            },
        }
    }
}

fn with_name(text: &str, reply: impl FnOnce(&Username) -> Reply) -> Reply {
    match Username::parse(text.as_bytes()) {
        Ok(user) => reply(&user),
        Err(error) => Reply::Error(error.to_string()),
    }
}

/// Reads a request. The words of the reader are not passed on: they may quote what was sent.
fn parse(line: Line<'_>) -> Result<Request, &'static str> {
    let Line::Whole(line) = line else { return Err("the request is longer than 4 KiB") };
    serde_json::from_slice(line)
        .map_err(|_| "this is no request of this keydove; are the daemon and the command one version?")
}

impl Protocol for Control {
    const MAX_LINE: usize = 4096;

    fn greet(&mut self, _out: &mut Vec<u8>) {}

    fn receive(
        &mut self,
        line: Line<'_>,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Result<Received, ProtocolError> {
        let reply = parse(line)
            .map_or_else(|error| Reply::Error(error.to_owned()), |request| self.reply(request, now));
        out.extend_from_slice(&reply.to_line());
        Ok(Received::Nothing)
    }

    fn answer(&mut self, _ticket: Ticket, _answer: Answer, _now: Instant, _out: &mut Vec<u8>) -> Next {
        Next::Open
    }

    fn expire(&mut self, _now: Instant, _out: &mut Vec<u8>) -> (Vec<EndedEarly>, Option<Instant>) {
        (Vec::new(), None)
    }

    fn is_idle(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_replies_survive_the_wire() {
        let user = || "alice@example.org".to_owned();
        for request in [
            Request::CacheCounts,
            Request::CacheShow { user: user() },
            Request::CacheForget { user: user() },
            Request::CacheFlush,
            Request::ThrottleList,
            Request::ThrottleClear { target: user() },
        ] {
            let line = serde_json::to_vec(&request).unwrap();
            assert!(line.len() <= Control::MAX_LINE && !line.contains(&b'\n'));
            assert_eq!(parse(Line::Whole(&line)), Ok(request));
        }
        let reply = Reply::Forgotten(Forgotten { people: 1, mailboxes: 0, comparisons: 2 });
        assert_eq!(reply.to_line(), b"{\"forgotten\":{\"people\":1,\"mailboxes\":0,\"comparisons\":2}}\n");
        assert_eq!(serde_json::from_slice::<Reply>(&reply.to_line()).unwrap(), reply);
    }

    #[test]
    fn what_is_no_request_is_not_quoted() {
        for line in [&b"hunter2"[..], b"", b"{\"command\":\"hunter2\"}", b"\xff\x00", b"{}"] {
            let error = parse(Line::Whole(line)).unwrap_err();
            assert!(!error.contains("hunter2"));
        }
        assert!(parse(Line::TooLong(b"{")).is_err());
    }
}
