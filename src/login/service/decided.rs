//! A login in two steps: decided, and later concluded.

use std::time::Instant;

use super::{Arrival, Listener, LoginService, now};
use crate::auth::{AuthRequest, Verdict};
use crate::login::decision::{Judgement, Purpose};

/// A login that is decided, and not yet told to anybody.
#[derive(Debug)]
pub struct DecidedLogin {
    request: AuthRequest,
    judgement: Judgement,
    arrival: Arrival,
    ended: Instant,
}

impl DecidedLogin {
    /// Decides a login that has just come in, within the deadline. Whoever asks must not drop this half-way: hanging
    /// up would be a way to try a password unseen.
    pub async fn decide(service: &LoginService, mut request: AuthRequest) -> Self {
        let arrival = Arrival::now();
        let judgement = match service.let_in_at_once(&mut request, arrival) {
            Some(judgement) => judgement,
            None => Box::pin(service.decide(&mut request, arrival, Purpose::Answer)).await,
        };
        Self { request, judgement, arrival, ended: now() }
    }

    /// What was asked, its names as they were read.
    #[must_use]
    pub fn request(&self) -> &AuthRequest {
        &self.request
    }

    /// How it ended.
    pub fn verdict(&self) -> &Verdict {
        &self.judgement.verdict
    }

    /// When it ended.
    #[must_use]
    pub fn ended(&self) -> Instant {
        self.ended
    }

    /// When it may be answered, where that is not at once.
    #[must_use]
    pub fn not_before(&self, service: &LoginService) -> Option<Instant> {
        service.not_before(self.verdict(), self.arrival)
    }

    /// Logs and counts it, and has written down what is to be, as for every other protocol.
    pub fn conclude(self, service: &LoginService, listener: &Listener) -> Verdict {
        service.conclude(listener, &self.request, self.judgement, (self.arrival, self.ended))
    }
}
