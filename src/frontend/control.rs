//! The control socket: one JSON request a line, one JSON answer a line, for `keydove cache` and the like.
//!
//! Most of what is asked here is in memory and answered at once; to explain a login may take a call of Keycloak.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use super::in_use::{InUse, Tagged};
use super::{
    Answer, ExplainRequest, Explained, Line, Next, Protocol, ProtocolError, Question, Received, Status,
    Ticket,
};
use crate::auth::{Secret, Username};
use crate::backend::kick;
use crate::login::decision::{Counts, Decision, Forgotten, Known};
use crate::login::throttle::{Listed, Target};

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

    fn read(&self) -> Option<Secret> {
        STANDARD.decode(self.0.as_bytes()).ok().map(Secret::new)
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
    Counts(Counts),
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
        first: Vec<Listed>,
        /// Of all.
        total: usize,
    },
    /// To [`Request::ThrottleClear`]: how many counters are gone.
    Cleared(usize),
    /// To [`Request::KickList`].
    Held {
        /// The first of them.
        first: Vec<kick::Held>,
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
    /// The request is none, its sender has no right, or there was no time.
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
pub struct Control {
    decision: Arc<Decision>,
    in_use: Arc<InUse>,
    next_ticket: u64,
    /// How many questions are under way.
    asked: usize,
}

impl Control {
    /// For a peer that has the right.
    #[must_use]
    pub fn new(decision: Arc<Decision>, in_use: Arc<InUse>) -> Self {
        Self { decision, in_use, next_ticket: 0, asked: 0 }
    }

    /// Answers at once, or says what must be asked first.
    fn reply(&self, request: Request, now: Instant) -> Result<Reply, Box<Question>> {
        let decision = &self.decision;
        Ok(match request {
            Request::CacheCounts => Reply::Counts(decision.counts()),
            Request::CacheShow { user } => {
                with_name(&user, |user| Reply::Known(Box::new(decision.known(user, now.into()))))
            }
            Request::CacheForget { user } => with_name(&user, |user| {
                tracing::info!(user = user.as_str(), "forgotten on request");
                Reply::Forgotten(decision.forget(user))
            }),
            Request::CacheFlush => {
                tracing::info!("everything is forgotten on request");
                Reply::Forgotten(decision.flush())
            }
            Request::Status => return Err(Box::new(Question::Status)),
            Request::Probe => return Err(Box::new(Question::Probe)),
            Request::Compare { with } => Reply::Differs(self.in_use.differences(&with)),
            Request::Explain { user, service, remote, password } => {
                let password = match password.map(|sent| sent.read()) {
                    Some(None) => return Ok(Reply::Error("the password is not base64".to_owned())),
                    Some(Some(password)) => Some(password),
                    None => None,
                };
                let request = ExplainRequest { user, service, remote, password };
                return Err(Box::new(Question::Explain(Box::new(request))));
            }
            Request::ThrottleList => {
                let mut first = decision.parts().throttle.list(now);
                let total = first.len();
                first.truncate(MAX_LISTED);
                Reply::Throttled { first, total }
            }
            Request::KickList => self.with_kicker(|kicker| {
                let mut first = kicker.held();
                let total = first.len();
                first.truncate(MAX_LISTED);
                Reply::Held { first, total }
            }),
            Request::KickRelease { user } => self.with_kicker(|kicker| self.settle(kicker, user, true, now)),
            Request::KickSpare { user } => self.with_kicker(|kicker| self.settle(kicker, user, false, now)),
            Request::ThrottleClear { target } => match Target::parse(&target) {
                Some(target) => {
                    tracing::info!("what is counted against guessing is forgotten on request");
                    Reply::Cleared(decision.parts().throttle.clear(&target))
                }
                None => Reply::Error("this is no mail address, IP address or network".to_owned()),
            },
        })
    }
}

impl Control {
    fn with_kicker(&self, reply: impl FnOnce(&kick::Kicker) -> Reply) -> Reply {
        match &self.decision.parts().kicker {
            Some(kicker) => reply(kicker),
            None => Reply::Error("the configuration has no [kick]: no session is ever ended".to_owned()),
        }
    }

    /// Who may log in again is never kicked.
    fn settle(&self, kicker: &kick::Kicker, user: Option<String>, release: bool, now: Instant) -> Reply {
        let chosen = kicker.held().into_iter().map(|held| held.user);
        let wanted = user.map(|user| user.trim().to_ascii_lowercase());
        let (mut kicked, mut spared) = (0, 0);
        for user in chosen.filter(|user| wanted.as_ref().is_none_or(|wanted| wanted == user)) {
            let people = self.decision.parts().passdb.people();
            let is_back =
                Username::parse(user.as_bytes()).is_ok_and(|user| people.is_entitled(&user, now.into()));
            if release && !is_back {
                kicked += usize::from(kicker.release(&user));
            } else {
                spared += usize::from(kicker.spare(&user));
            }
        }
        if kicked + spared > 0 {
            tracing::info!(kicked, spared, "sessions that were held are settled on request");
        }
        Reply::NoLongerHeld { kicked, spared }
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
    let Line::Whole(line) = line else { return Err("the request is longer than 16 KiB") };
    serde_json::from_slice(line)
        .map_err(|_| "this is no request of this keydove; are the daemon and the command one version?")
}

impl Protocol for Control {
    const MAX_LINE: usize = 16_384;

    fn receive(
        &mut self,
        line: Line<'_>,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Result<Received, ProtocolError> {
        let reply = parse(line)
            .map_or_else(|error| Ok(Reply::Error(error.to_owned())), |request| self.reply(request, now));
        match reply {
            Ok(reply) => {
                out.extend_from_slice(&reply.to_line());
                Ok(Received::Nothing)
            }
            Err(question) => {
                let ticket = Ticket(self.next_ticket);
                self.next_ticket += 1;
                self.asked += 1;
                Ok(Received::Question(ticket, *question))
            }
        }
    }

    fn answer(&mut self, _ticket: Ticket, answer: Answer, _now: Instant, out: &mut Vec<u8>) -> Next {
        self.asked = self.asked.saturating_sub(1);
        let reply = match answer {
            Answer::Explained(Some(explained)) => Reply::Explained(explained),
            Answer::Status(Some(status)) => Reply::Status(status),
            Answer::Probed(Some(troubles)) => Reply::Probed(troubles),
            _ => Reply::Error("there was no time to find out; try again".to_owned()),
        };
        out.extend_from_slice(&reply.to_line());
        Next::Open
    }

    fn is_idle(&self) -> bool {
        self.asked == 0
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
