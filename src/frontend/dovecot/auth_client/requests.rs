//! A request from its AUTH line to its final reply.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::auth::{Denial, Mechanism, Origin, SentName, Service};
use crate::frontend::Ticket;
use crate::frontend::sasl::Exchange;
use crate::login::service::EndedEarly;

/// How long a request may wait for its client. Postfix sends no CANCEL when an SMTP session breaks off, so
/// somebody has to tidy up; Dovecot's own server waits as long.
pub(super) const REQUEST_LIFETIME: Duration = Duration::from_secs(150);

/// A request that somebody may still come for.
#[derive(Debug)]
pub(super) enum Request {
    /// The client owes a response. Rare and large, so it stands elsewhere.
    Exchanging(Box<Open>),
    /// We owe a verdict.
    Deciding(Asked),
    /// The verdict is a refusal, and the client owes the answer to being told so.
    Refused(Refused),
    /// It has its final reply, and a mail process may redeem it.
    Granted { until: Instant },
}

impl Request {
    /// Whether it has no final reply yet.
    pub(super) fn is_open(&self) -> bool {
        match self {
            Self::Exchanging(_) | Self::Deciding(_) | Self::Refused(_) => true,
            Self::Granted { .. } => false,
        }
    }

    /// Until when the client may let us wait, or a mail process.
    pub(super) fn ends_at(&self) -> Option<Instant> {
        match self {
            Self::Exchanging(open) => Some(open.began + REQUEST_LIFETIME),
            Self::Refused(refused) => Some(refused.told + REQUEST_LIFETIME),
            Self::Granted { until } => Some(*until),
            Self::Deciding(_) => None,
        }
    }
}

/// A request whose client has not said everything.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) exchange: Exchange,
    pub(super) began: Instant,
    pub(super) nologin: bool,
    pub(super) service: Service,
    /// As sent.
    pub(super) service_name: Cow<'static, str>,
    pub(super) mechanism: Mechanism,
    pub(super) origin: Origin,
}

/// A refusal without its last word.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) told: Instant,
    /// As sent.
    pub(super) authcid: SentName,
}

/// What the reply to a question needs.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) ticket: Ticket,
    pub(super) nologin: bool,
    pub(super) mechanism: Mechanism,
    /// As sent, for the `user=` of the reply.
    pub(super) authcid: SentName,
}

/// A ticket names its request, so that no table of them is needed.
pub(super) fn ticket(serial: u32, id: u32) -> Ticket {
    Ticket(u64::from(serial) << 32 | u64::from(id))
}

pub(super) fn id_of(Ticket(number): Ticket) -> u32 {
    (number & u64::from(u32::MAX)) as u32
}

pub(super) fn request_user(request: &Request) -> &[u8] {
    match request {
        Request::Exchanging(open) => open.exchange.claimed(),
        Request::Deciding(asked) => &asked.authcid,
        Request::Refused(refused) => &refused.authcid,
        Request::Granted { .. } => b"",
    }
}

pub(super) fn end_early(open: Open, denial: Denial) -> EndedEarly {
    EndedEarly {
        authcid: open.exchange.claimed().to_vec(),
        service: open.service,
        mechanism: Some(open.mechanism),
        origin: open.origin,
        denial,
    }
}
