//! The control socket: one JSON request a line, one JSON answer a line, for `keydove cache` and the like.
//!
//! * This file is the protocol: [`Request`] and [`Reply`], and [`Control`], which is pure.
//! * [`Administration`] answers. Most of what is asked is in memory and answered at once; to explain a login may take a
//!   call of Keycloak.
//! * [`InUse`] is what `keydove check` compares its own configuration with.

mod administration;
mod in_use;

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::json_lines::to_line;
use super::{JsonLines, JsonWords, Line, Question};
use crate::auth::Secret;
use crate::backend::kick;
use crate::backend::mail_hosts::MailHostState;
use crate::login::decision::{CacheCounts, Forgotten, Known};
use crate::login::service::{Explained, Status};
use crate::login::throttle::ListedCounter;

pub use administration::Administration;
pub use in_use::{InUse, Tagged};

/// What is said to whoever may not ask, before the connection is closed.
pub const REFUSAL: &str = "only root and the user that runs keydove may ask here";

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
    /// Whose open sessions are held?
    KickList,
    /// End sessions that are held.
    KickRelease {
        /// Whose; of everybody without it.
        user: Option<String>,
    },
    /// Let sessions that are held go on.
    KickSpare {
        /// Whose; of everybody without it.
        user: Option<String>,
    },
    /// Which backends are up?
    Backends,
    /// How do things stand?
    Status,
    /// In what does this configuration differ from the one that is in use?
    Compare {
        /// What the asker has read.
        with: Tagged,
    },
    /// Do Keycloak and the database answer the daemon itself, with what it started with?
    Probe,
    /// How would this login end, and why?
    Explain {
        /// The name.
        user: String,
        /// For which service.
        service: String,
        /// From which address, where that matters.
        remote: Option<IpAddr>,
        /// The password in base64, to be tried out.
        password: Option<SentPassword>,
    },
}

/// A password on its way to the daemon, in base64 because it may be any bytes.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SentPassword(Zeroizing<String>);

impl SentPassword {
    /// Writes it.
    #[must_use]
    pub fn new(password: &Secret) -> Self {
        Self(Zeroizing::new(STANDARD.encode(password.expose())))
    }

    /// The password.
    fn read(&self) -> Result<Secret, base64::DecodeError> {
        STANDARD.decode(self.0.as_bytes()).map(Secret::new)
    }
}

/// Shows nothing of it.
impl fmt::Debug for SentPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SentPassword(..)")
    }
}

/// What is answered.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// To [`Request::CacheCounts`].
    Counts(CacheCounts),
    /// To [`Request::CacheShow`].
    Known(Box<Known>),
    /// To [`Request::CacheForget`] and [`Request::CacheFlush`].
    Forgotten(Forgotten),
    /// To [`Request::Explain`].
    Explained(Box<Explained>),
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Compare`]: the parts that differ.
    Differs(Vec<String>),
    /// To [`Request::Probe`]: what is wrong.
    Probed(Vec<String>),
    /// To [`Request::ThrottleList`]: the longest waits first, and how many counters there are in all.
    Throttled {
        /// The first of them.
        first: Vec<ListedCounter>,
        /// Of all.
        total: usize,
    },
    /// To [`Request::ThrottleClear`]: how many counters are gone.
    Cleared(usize),
    /// To [`Request::KickList`].
    Held {
        /// The first of them.
        first: Vec<kick::HeldSession>,
        /// Of all.
        total: usize,
    },
    /// To [`Request::KickRelease`] and [`Request::KickSpare`]: how many mailboxes.
    NoLongerHeld {
        /// Sessions end.
        kicked: usize,
        /// Sessions go on.
        spared: usize,
    },
    /// To [`Request::Backends`]: by name, in order.
    Backends(Vec<(String, MailHostState)>),
    /// The request is none, its sender has no right, or there was no time.
    Error(String),
}

impl Reply {
    /// The line, with its end.
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        to_line(self)
    }
}

impl Question for Request {
    type Answer = Reply;

    fn when_stopping() -> Reply {
        Reply::Error("there was no time to find out; try again".to_owned())
    }
}

/// One connection of a peer that has the right.
pub type Control = JsonLines<ControlWords>;

/// What is said on the control socket.
#[derive(Debug, Default)]
pub struct ControlWords;

/// Reads a request. The words of the reader are not passed on: they may quote what was sent.
fn parse(line: Line<'_>) -> Result<Request, &'static str> {
    let Line::Whole(line) = line else { return Err("the request is longer than 16 KiB") };
    serde_json::from_slice(line)
        .map_err(|_| "this is no request of this keydove; are the daemon and the command one version?")
}

impl JsonWords for ControlWords {
    type Request = Request;

    fn read(&mut self, line: Line<'_>) -> Result<Request, Reply> {
        parse(line).map_err(|error| Reply::Error(error.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::Protocol;

    #[test]
    fn requests_and_replies_survive_the_wire() {
        let user = || "alice@example.org".to_owned();
        for request in [
            Request::CacheCounts,
            Request::CacheShow { user: user() },
            Request::CacheForget { user: user() },
            Request::CacheFlush,
            Request::Status,
            Request::Explain {
                user: user(),
                service: "imap".to_owned(),
                remote: Some([192, 0, 2, 7].into()),
                password: Some(SentPassword::new(&Secret::from("hunter2\u{fffd}"))),
            },
            Request::Probe,
            Request::Compare { with: InUse::default().tag([7; 16]) },
            Request::KickList,
            Request::Backends,
            Request::KickRelease { user: Some(user()) },
            Request::KickSpare { user: None },
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
