//! The threads on which passwords are hashed, so that the reactor never is.
//!
//! A hash is read and held against the caps on the caller's side ([`Policy::parse`], [`scheme::Stored::permit`]),
//! so a poisoned one never takes a thread. What passes goes one of three ways ([`scheme::Effort`]):
//!
//! * One digest or none is compared at once, on the caller's side: a change of threads would take longer.
//! * bcrypt, which nearly everybody has, goes to a worker with [`scheme::Lanes`], of which there is one per core. A
//!   lane is taken as soon as it is free, and given back at the next step when the caller has left.
//! * Everything else goes to a thread of a second set, of the same number. The system divides the cores between the
//!   two sets, so that no Argon2 of seconds stands in the way of a running lane, and no flood of bcrypt in the way
//!   of Argon2. A thread has one job at a time, which bounds the memory: threads times
//!   `max_argon2_memory_mib` or `max_scrypt_memory_mib`, whichever is more.
//!
//! Both ways begin in one bounded queue, in which networks take turns; beyond it, logins are told that nobody can
//! tell. Deadlines are the caller's, who drops the future. Which hash, and what a mismatch means, is for others to
//! decide.

mod calibrate;
mod network;
mod pool;
mod queue;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use serde::Deserialize;
use tokio::sync::oneshot;
// Tokio's clock instead of std's: tests move it.
use tokio::time::Instant;

use crate::auth::{Secret, TempFail, TempFailReason};
use crate::credential::scheme;
pub use crate::credential::scheme::MAX_LANES;
use crate::credential::scheme::{Effort, Policy, Unusable};
use crate::observe::metrics::{Histogram, HistogramSnapshot};
use crate::settings::{Section, SettingFault};
use network::Network;
use pool::{Job, Pool};
use queue::Ticket;

/// At 60 hashes a second and core and two cores, about the number that can still be hashed before a deadline.
const QUEUE: usize = 512;

/// The threads that verify passwords.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Threads for bcrypt, and as many for the other schemes; 0 is one for each core. Default `0`.
    pub threads: usize,
    /// How many bcrypt hashes one thread computes together, 1 to 6; 0 is what suits the processor, measured when more
    /// than one first wait for a thread. Default `0`.
    pub lanes: usize,
    /// How many passwords may wait for a thread. Networks (/24, /56) take turns; when the queue is full, the
    /// network with the most waiting passwords loses its newest, which gets a temporary failure. Default `512`.
    pub queue: usize,
    /// Which schemes are accepted, and how much a hash may cost.
    pub schemes: Policy,
}

impl Default for Config {
    fn default() -> Self {
        Self { threads: 0, lanes: 0, queue: QUEUE, schemes: Policy::default() }
    }
}

impl Section for Config {
    fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        if self.lanes > MAX_LANES {
            faults.push(SettingFault::new(
                "lanes",
                format!("a core advances at most {MAX_LANES} bcrypt computations together"),
                "take this line out: keydove measures at its start how many suit this processor",
            ));
        }
        if let Some(scheme) = self.schemes.forbidden_default() {
            faults.push(SettingFault::at(
                &["schemes", "default_scheme"],
                format!(
                    "`{scheme}` is weak and not allowed, so no password without a label could be compared with"
                ),
                format!("add allow_weak = [\"{scheme}\"], or take this line out"),
            ));
        }
        faults
    }
}

/// Whose password is verified, and for whom.
#[derive(Clone, Copy, Debug, Default)]
pub struct Whose<'a> {
    /// The mailbox's address, or the name of a master user; `{DIGEST-MD5}` is made of it too. Empty where nobody knows.
    pub name: &'a str,
    /// The client's, for fairness between networks, a /24 of IPv4 or a /56 of IPv6, when many passwords wait.
    pub address: Option<IpAddr>,
}

/// A running set of hashing threads.
///
/// Dropping it lets each thread finish the step or the whole hash it is at, without waiting for it, and then end.
pub struct Hasher {
    pool: Arc<Pool>,
    policy: Policy,
    seconds: Histogram,
}

/// What the threads have done so far, for metrics.
#[derive(Clone, Debug, Default)]
pub struct HashingCounts {
    /// Passwords that wait for a thread now.
    pub waiting: usize,
    /// Passwords that were turned away because too many waited.
    pub shed: u64,
    /// bcrypt computations that can run at once; a thread that has not measured counts as one.
    pub lanes: usize,
    /// How long answers took, waiting included. What is compared at once is not in it.
    pub seconds: HistogramSnapshot,
}

impl Hasher {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system does not give a thread. Those already started end by themselves.
    pub fn start(config: &Config) -> Result<Self, io::Error> {
        let threads = count_threads(config);
        let lanes = config.lanes;
        let hasher = Self {
            pool: Arc::new(Pool::new(threads, config.queue.max(1))),
            policy: config.schemes.clone(),
            seconds: Histogram::of_answers(),
        };
        for number in 0..threads {
            let pool = Arc::clone(&hasher.pool);
            let name = format!("bcrypt-{number}");
            thread::Builder::new().name(name).spawn(move || pool.work_on_lanes(number, lanes))?;
            let pool = Arc::clone(&hasher.pool);
            let name = format!("hashing-{number}");
            thread::Builder::new().name(name).spawn(move || pool.work_on_long_jobs())?;
        }
        Ok(hasher)
    }

    /// [`Hasher::verify_from`] for somebody of whom no address is known.
    ///
    /// # Errors
    /// As [`Hasher::verify_from`].
    pub async fn verify(&self, stored: Secret, password: Secret) -> Result<bool, HashingError> {
        self.verify_from(stored, password, Whose::default()).await
    }

    /// Whether `password` is the one that `stored`, a `{SCHEME}` string, was made of.
    ///
    /// Dropping the future takes the job back; a bcrypt computation is then given up within 50 µs, any other one
    /// runs to its end.
    ///
    /// # Errors
    /// Everything but a right or a wrong password. None of it says anything about the password.
    pub async fn verify_from(
        &self,
        stored: Secret,
        password: Secret,
        whose: Whose<'_>,
    ) -> Result<bool, HashingError> {
        let hash = self.policy.parse(stored.expose())?.owned_by(whose.name).permit(&self.policy)?;
        drop(stored);
        if hash.effort(password.expose()) == Effort::Instant {
            return Ok(hash.matches(password.expose())?);
        }
        let began = Instant::now();
        let (reply, answer) = oneshot::channel();
        let ticket = self.pool.push(Network::of(whose.address), Job { hash, password, reply })?;
        let _place = Place { pool: &self.pool, ticket };
        let answer = answer.await.map_err(|_| HashingError::Stopped)?;
        if answer != Err(HashingError::Overloaded) {
            self.seconds.observe(began.elapsed());
        }
        answer
    }

    /// Whether a stored `{SCHEME}` string could be compared with. Hashes nothing.
    ///
    /// # Errors
    /// Why it could not.
    pub fn check(&self, stored: &Secret) -> Result<(), HashingError> {
        self.policy.parse(stored.expose())?.permit(&self.policy)?;
        Ok(())
    }

    /// Whether the same stored string means something else for another mailbox.
    #[must_use]
    pub fn is_owners(&self, stored: &Secret) -> bool {
        scheme::is_owners(stored.expose(), &self.policy)
    }

    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> HashingCounts {
        HashingCounts {
            waiting: self.pool.waiting(),
            shed: self.pool.shed(),
            lanes: self.pool.lanes(),
            seconds: self.seconds.snapshot(),
        }
    }
}

impl Drop for Hasher {
    fn drop(&mut self) {
        self.pool.stop();
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// A place in the queue, given up when its owner no longer waits.
struct Place<'a> {
    pool: &'a Pool,
    ticket: Ticket,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.pool.abandon(self.ticket);
    }
}

fn count_threads(config: &Config) -> usize {
    match config.threads {
        0 => thread::available_parallelism().map_or(1, NonZeroUsize::get),
        threads => threads,
    }
}

/// Why a password was not verified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashingError {
    /// The stored hash cannot be used.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// The queue is full.
    #[error("too many passwords are waiting to be hashed")]
    Overloaded,
    /// The threads have ended.
    #[error("the hashing threads have stopped")]
    Stopped,
}

impl HashingError {
    /// What a login is told. There is no way from here to a refusal.
    #[must_use]
    pub fn temp_fail(&self) -> TempFail {
        let reason = match self {
            Self::Unusable(Unusable::TooCostly { .. }) => TempFailReason::HashTooCostly,
            Self::Unusable(Unusable::OutOfMemory(_)) | Self::Overloaded => TempFailReason::HashingOverload,
            Self::Unusable(_) => TempFailReason::HashUnusable,
            Self::Stopped => TempFailReason::Stopping,
        };
        TempFail::new(reason, self.to_string())
    }
}
