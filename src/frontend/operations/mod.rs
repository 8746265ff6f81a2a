//! What operators and their programs ask over HTTP: numbers, and whether keydove works.
//!
//! * [`Server`]: a port, if one is configured. `routes.rs` says what is there.
//! * `forget.rs`: the one request that changes something; `auth_policy.rs`: what Dovecot asks a policy server. Both have
//!   tokens (`token.rs`).
//! * `readiness.rs`: ready, degraded or not ready, each with its reasons in plain words.
//! * [`Numbers`] are collected when somebody asks for them; `text.rs` gives them their names.
//! * [`Watcher`]: a task that looks whether the password attribute can be seen, and whether what failed works again.
//!
//! Nothing here is on the way of a login that keydove decides, and no number knows a user's name.

mod auth_policy;
mod config;
mod forget;
mod numbers;
mod readiness;
mod routes;
mod server;
mod text;
mod token;
mod watcher;

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use crate::auth::DefaultDomain;
use crate::jobs::bookkeeping::Bookkeeper;
use crate::jobs::sync;
use crate::login::decision::Decision;
use crate::observe::LoginMetrics;
use crate::observe::metrics::ShadowMetrics;

pub use config::Config;
pub use numbers::Numbers;
pub use server::{BindError, Server};
pub use token::{Token, TokenTooShort, Tokens};
pub use watcher::Watcher;

/// What is looked at.
#[derive(Debug)]
pub struct Watched {
    /// Whom logins ask.
    pub decision: Arc<Decision>,
    /// The domain of whoever names none.
    pub default_domain: DefaultDomain,
    /// What is dropped.
    pub bookkeeper: Bookkeeper,
    /// How logins ended.
    pub logins: Arc<LoginMetrics>,
    /// Logins that mailcow decided, in shadow mode.
    pub shadow: Option<Arc<ShadowMetrics>>,
    /// Whether mailcow's settings could not be read, where they are used.
    pub settings_trouble: Option<Arc<AtomicBool>>,
    /// Whether what is known may serve while a backend is away (`[cache] stale_limit` is not 0).
    pub outlives_outages: bool,
    /// How runs of the sync ended, where there are any.
    pub sync: Option<Arc<sync::Status>>,
}

/// How far the daemon is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Serving,
    Stopping,
}

/// What the server and the watcher share.
#[derive(Debug)]
pub struct Operations {
    phase: AtomicU8,
    watched: OnceLock<Watched>,
    /// Settings that work but should not stay.
    insecure: Vec<String>,
    /// Of requests that not everybody may send.
    tokens: Tokens,
}

impl Operations {
    /// While the daemon starts.
    #[must_use]
    pub fn new(insecure: Vec<String>, tokens: Tokens) -> Self {
        let phase = AtomicU8::new(Phase::Starting as u8);
        Self { phase, watched: OnceLock::new(), insecure, tokens }
    }

    /// The parts are there; told once.
    pub fn watch(&self, watched: Watched) {
        // A second time would say nothing new.
        let _ = self.watched.set(watched);
    }

    /// All sockets are served.
    pub fn note_serving(&self) {
        self.phase.store(Phase::Serving as u8, Relaxed);
    }

    /// The daemon was told to stop.
    pub fn note_stopping(&self) {
        self.phase.store(Phase::Stopping as u8, Relaxed);
    }

    fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            phase if phase == Phase::Starting as u8 => Phase::Starting,
            phase if phase == Phase::Serving as u8 => Phase::Serving,
            _ => Phase::Stopping,
        }
    }
}
