//! Ends the open sessions of somebody whose access has ended, by a command of the administrator's.
//!
//! A mail server asks for a verdict once, when a session begins; nothing but the end of the session withdraws it.

mod command;
mod config;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::auth::Username;

pub use command::kick;
pub use config::{BadCommand, Config};

/// How many mailboxes may wait. Whoever does not fit keeps their sessions, and the log says so.
const QUEUE: usize = 4096;

/// Takes names and waits for nobody; clones are the same queue.
#[derive(Clone, Debug)]
pub struct Kicker {
    sender: mpsc::Sender<Username>,
    waiting: Waiting,
}

/// Runs the command, for one mailbox after the other.
#[derive(Debug)]
pub struct Worker {
    config: Config,
    receiver: mpsc::Receiver<Username>,
    waiting: Waiting,
}

/// Whose sessions are to be ended and have not been yet: nobody is there twice.
#[derive(Clone, Debug, Default)]
struct Waiting(Arc<Mutex<HashSet<Username>>>);

/// A queue and who works through it.
#[must_use]
pub fn new(config: Config) -> (Kicker, Worker) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let waiting = Waiting::default();
    (Kicker { sender, waiting: waiting.clone() }, Worker { config, receiver, waiting })
}

impl Kicker {
    /// Has the sessions of a mailbox ended soon; `why` is for the log.
    pub fn kick(&self, user: &Username, why: &'static str) {
        if !self.waiting.names().insert(user.clone()) {
            return;
        }
        let user_name = user.as_str();
        match self.sender.try_send(user.clone()) {
            Ok(()) => tracing::info!(user = user_name, why, "open sessions are ended"),
            Err(_) => {
                self.waiting.names().remove(user);
                tracing::warn!(user = user_name, why, "open sessions are not ended: too many wait for that");
            }
        }
    }
}

impl Worker {
    /// Works until it is told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let user = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                user = self.receiver.recv() => user,
            };
            let Some(user) = user else { break };
            // Before the command: whose access ends once more while it runs is kicked once more.
            self.waiting.names().remove(&user);
            kick(&self.config, user.as_str()).await;
        }
    }
}

impl Waiting {
    fn names(&self) -> MutexGuard<'_, HashSet<Username>> {
        // No code panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_already_is_kicked_once() {
        let config =
            Config { command: vec!["/bin/true".to_owned(), "{user}".to_owned()], password_changes: true };
        let (kicker, mut worker) = new(config);
        let user = |number: usize| Username::parse(format!("u{number}@example.org").as_bytes()).unwrap();
        for _ in 0..3 {
            kicker.kick(&user(0), "tests");
        }
        (1..QUEUE + 10).for_each(|number| kicker.kick(&user(number), "tests"));
        assert_eq!(worker.receiver.len(), QUEUE);
        // Whoever did not fit may come again.
        assert_eq!(worker.waiting.names().len(), QUEUE);
        assert_eq!(worker.receiver.recv().await, Some(user(0)));
    }

    #[tokio::test]
    async fn whoever_was_kicked_may_be_kicked_again() {
        let config =
            Config { command: vec!["/bin/true".to_owned(), "{user}".to_owned()], password_changes: true };
        let (kicker, worker) = new(config);
        let ann = Username::parse(b"ann@example.org").unwrap();
        kicker.kick(&ann, "tests");
        let waiting = worker.waiting.clone();
        drop(kicker);
        // It ends with the last of those who may kick.
        worker.run(CancellationToken::new()).await;
        assert!(waiting.names().is_empty());
    }
}
