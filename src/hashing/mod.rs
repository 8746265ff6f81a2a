//! The threads on which passwords are hashed, so that the reactor never is.
//!
//! A hash is read and held against the caps on the caller's side ([`scheme::parse`], [`scheme::Stored::permit`]),
//! so a poisoned one never takes a thread. What passes waits in one bounded queue; beyond it, logins are told that
//! nobody can tell. Deadlines are the caller's: it drops the future, and a job that has not begun is then skipped.
//! Which hash, and what a mismatch means, is for others to decide.

use std::io;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde::Deserialize;
use tokio::sync::oneshot;

use crate::auth::{Secret, TempFail, TempFailReason};
use crate::scheme::{self, Policy, Unusable, Usable};

#[cfg(test)]
mod tests;

/// At 50 ms a hash and two threads, about the number that can still be hashed before a mail client gives up.
const QUEUE: usize = 512;

/// The settings of the hashing threads.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Threads; 0 means one per core, and is the default. At worst each holds `schemes.max_argon2_memory_mib`.
    pub threads: usize,
    /// Passwords that may wait for a thread; more are turned away. Default: 512. 0 is taken as 1.
    pub queue: usize,
    /// Which schemes are used, and how much a hash may cost.
    pub schemes: Policy,
}

impl Default for Config {
    fn default() -> Self {
        Self { threads: 0, queue: QUEUE, schemes: Policy::default() }
    }
}

/// A running set of hashing threads.
///
/// Dropping it lets each thread finish the hash it is at, without waiting for it, and then end. Memory is bounded
/// by the number of threads, because a thread works on one hash at a time.
#[derive(Debug)]
pub struct Hasher {
    queue: SyncSender<Job>,
    policy: Policy,
}

impl Hasher {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system does not give a thread. Those already started end by themselves.
    pub fn start(config: &Config) -> Result<Self, io::Error> {
        let (queue, jobs) = sync_channel(config.queue.max(1));
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..count_threads(config) {
            let jobs = Arc::clone(&jobs);
            thread::Builder::new().name(format!("hashing-{number}")).spawn(move || work(&jobs))?;
        }
        Ok(Self { queue, policy: config.schemes.clone() })
    }

    /// Whether `password` is the one that `stored`, a `{SCHEME}` string, was made of.
    ///
    /// Dropping the future takes the job back if no thread has begun with it.
    ///
    /// # Errors
    /// Everything but a right or a wrong password. None of it says anything about the password.
    pub async fn verify(&self, stored: Secret, password: Secret) -> Result<bool, HashingError> {
        let hash = scheme::parse(stored.expose())?.permit(&self.policy)?;
        drop(stored);
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(Job { hash, password, reply }).map_err(|error| match error {
            TrySendError::Full(_) => HashingError::Overloaded,
            TrySendError::Disconnected(_) => HashingError::Stopped,
        })?;
        Ok(answer.await.map_err(|_| HashingError::Stopped)??)
    }
}

fn count_threads(config: &Config) -> usize {
    match config.threads {
        0 => thread::available_parallelism().map_or(1, NonZeroUsize::get),
        threads => threads,
    }
}

/// One password to be hashed.
struct Job {
    hash: Usable,
    password: Secret,
    reply: oneshot::Sender<Result<bool, Unusable>>,
}

/// Takes jobs until the hasher is gone.
fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting, by one idle thread at a time, and never while hashing.
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        if !job.reply.is_closed() {
            // If the caller left meanwhile, nobody wants the answer.
            let _ = job.reply.send(job.hash.matches(job.password.expose()));
        }
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
