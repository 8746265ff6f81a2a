//! A login whose form has been found right, and what it presents.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::SystemTime;

use tokio::time::Instant;

use super::webmail::Via;
use crate::auth::{AuthRequest, Credential, ProvenIdentity, Secret, Service, Username};
use crate::login::passdb::{Password, Presented, SignedToken};

/// When a request came.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// By the clock that never goes back: for waits and ages.
    pub monotonic: Instant,
    /// By the wall clock: for dates that an administrator has set.
    pub wall: SystemTime,
    /// Until when there is time to wait for something better.
    pub until: Instant,
}

/// A login whose form has been found right.
pub(super) struct Login<'a> {
    pub(super) user: Username,
    /// Whose password it is, where it is a master user's.
    pub(super) master_user: Option<Box<str>>,
    pub(super) proof: Proof<'a>,
    /// What the realm has said of the token, once that is known.
    pub(super) signed: OnceLock<SignedToken>,
    pub(super) request: &'a AuthRequest,
    pub(super) via: Via,
    pub(super) now: Moment,
    pub(super) purpose: Purpose,
}

impl Login<'_> {
    /// What is compared with stored hashes; `None` for a token and for an identity.
    pub(super) fn presented(&self) -> Option<Presented<'_>> {
        self.proof.presented().map(|presented| Presented { name: self.user.as_str(), ..presented })
    }
}

/// What a decision is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Somebody is told the verdict.
    Answer,
    /// Somebody else decides: nothing is made or written down, and guesses are counted, so that it is known who would have
    /// to wait.
    Shadow,
    /// An administrator wants to know how it would end: nothing is made, and nothing noted.
    Rehearsal,
}

/// What opens the mailbox, if anything does.
#[derive(Clone, Copy)]
pub(super) enum Proof<'a> {
    Password(Presented<'a>),
    Token(&'a Secret),
    /// The web portal has seen that Keycloak says who it is.
    Identity(&'a ProvenIdentity),
    /// A right main password, where main passwords count, and else a right app password; from there. Of a rehearsal only.
    Assumed(Option<IpAddr>),
    /// At the web portal: Keycloak says that it is whoever has the mailbox. Of a rehearsal only.
    AssumedIdentity,
}

impl<'a> Proof<'a> {
    fn presented(self) -> Option<Presented<'a>> {
        match self {
            Self::Password(presented) => Some(presented),
            Self::Assumed(remote) => Some(Presented { password: Password::Assumed, remote, name: "" }),
            Self::Token(_) | Self::Identity(_) | Self::AssumedIdentity => None,
        }
    }

    pub(super) fn of(&Asked { request, assumes_proof, .. }: &Asked<'a>) -> Self {
        let remote = request.origin.remote;
        match &request.credential {
            _ if assumes_proof && request.service == Service::Portal => Self::AssumedIdentity,
            _ if assumes_proof => Self::Assumed(remote),
            Credential::Password(password) => {
                Self::Password(Presented { password: Password::Given(password), remote, name: "" })
            }
            Credential::Token(token) => Self::Token(token),
            Credential::Identity(identity) => Self::Identity(identity),
        }
    }
}

/// What is to be decided.
pub(super) struct Asked<'a> {
    pub(super) request: &'a AuthRequest,
    pub(super) purpose: Purpose,
    assumes_proof: bool,
}

impl<'a> Asked<'a> {
    pub(super) fn with_credential(request: &'a AuthRequest, purpose: Purpose) -> Self {
        Self { request, purpose, assumes_proof: false }
    }

    /// The credential of the request does not matter; see [`Proof::Assumed`]. Nobody is let in by that.
    pub(super) fn assuming_proof(request: &'a AuthRequest) -> Self {
        Self { request, purpose: Purpose::Rehearsal, assumes_proof: true }
    }
}
