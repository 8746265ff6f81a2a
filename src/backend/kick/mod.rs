//! Ends the open sessions of somebody whose access has ended, by a command of the administrator's.
//!
//! A mail server asks for a verdict once, when a session begins; nothing but the end of the session withdraws it. Many
//! people at once are not kicked: `hold` says when.

mod command;
mod config;
mod hold;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::auth::Username;
use hold::{Queue, Taken};

pub use command::{Kicked, kick, kick_and_tell};
pub use config::Config;
pub use hold::{Cause, Held};

/// Takes names and waits for nobody; clones are the same queue.
#[derive(Clone, Debug)]
pub struct Kicker {
    queue: Arc<Mutex<Queue>>,
    news: Arc<Notify>,
}

/// Runs the command, for one mailbox after the other.
#[derive(Debug)]
pub struct Worker {
    config: Config,
    kicker: Kicker,
}

/// A queue and who works through it.
#[must_use]
pub fn new(config: Config) -> (Kicker, Worker) {
    let queue = Queue::new(config.max_percent, config.window.get());
    let kicker = Kicker { queue: Arc::new(Mutex::new(queue)), news: Arc::default() };
    (kicker.clone(), Worker { config, kicker })
}

impl Kicker {
    /// Has the sessions of a mailbox ended soon, unless too many would be; `why` is for the log, and `people` is how many
    /// people are known in all.
    pub fn kick(&self, user: &Username, (why, cause): (&'static str, Cause), people: u64) {
        let taken = self.queue().take(user, (why, cause), people, Instant::now());
        let user = user.as_str();
        match taken {
            Taken::Known => {}
            Taken::Waits => self.news.notify_one(),
            Taken::Held { first } => {
                tracing::info!(user, why, "open sessions are held");
                if first {
                    tell_of_holding(cause);
                }
            }
            Taken::Full => {
                tracing::warn!(user, why, "open sessions are not ended: too many wait for that");
            }
        }
    }

    /// Whose sessions are held, in the order of their names.
    #[must_use]
    pub fn held(&self) -> Vec<Held> {
        self.queue().held(Instant::now())
    }

    /// Ends the sessions of somebody who is held, at once. Says whether they were held.
    pub fn release(&self, user: &str) -> bool {
        let was_held = self.queue().settle(user, true, Instant::now());
        self.news.notify_one();
        was_held
    }

    /// Lets the sessions of somebody who is held go on. Says whether they were held.
    pub fn spare(&self, user: &str) -> bool {
        self.queue().settle(user, false, Instant::now())
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // No code panics while it holds the lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell_of_holding(cause: Cause) {
    match cause {
        Cause::Own => tracing::error!(
            "too many people lost access at once, so no open session is ended; `keydove kick list` names them. If they \
             are to lose access, run: keydove kick release --all. If it was a mistake, mend it and run: keydove kick \
             spare --all"
        ),
        Cause::Shared => tracing::error!(
            "people lost access because their whole store or organization is switched off in Keycloak, so no open session \
             is ended; `keydove kick list` names them. If that is meant, run: keydove kick release --all. If not, \
             switch it on again and run: keydove kick spare --all"
        ),
    }
}

impl Worker {
    /// Works until it is told to stop.
    pub async fn run(self, stop: CancellationToken) {
        while let Some((user, why)) = self.kicker.next(&stop).await {
            kick_and_tell(&self.config, user.as_str(), why).await;
        }
    }
}

impl Kicker {
    /// Waits for whose sessions are to be ended next, and why; `None` when told to stop.
    async fn next(&self, stop: &CancellationToken) -> Option<(Username, &'static str)> {
        while !stop.is_cancelled() {
            let next = {
                let mut queue = self.queue();
                if let Some(due) = queue.pop(Instant::now()) {
                    return Some(due);
                }
                queue.next_due()
            };
            let until_due = async {
                match next {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.news.notified() => {}
                () = until_due => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_is_due_and_who_is_released_is_kicked_and_nobody_else() {
        let (kicker, _) = new(Config::of(Vec::new()));
        let user = |name: &str| Username::parse(format!("{name}@example.org").as_bytes()).unwrap();
        kicker.kick(&user("ann"), ("disabled", Cause::Own), 10);
        for name in ["ben", "cal", "dan"] {
            kicker.kick(&user(name), ("store_off", Cause::Shared), 10);
        }
        let held: Vec<_> = kicker.held().into_iter().map(|held| held.user).collect();
        assert_eq!(held, ["ben@example.org", "cal@example.org", "dan@example.org"]);
        assert!(kicker.release("ben@example.org") && kicker.spare("cal@example.org"));
        let stop = CancellationToken::new();
        // At once who is released, and in due time who lost access by a cause of their own.
        for expected in [Some(user("ben")), Some(user("ann"))] {
            assert_eq!(kicker.next(&stop).await.map(|(user, _)| user), expected);
        }
        let nobody = tokio::time::timeout(hold::SETTLE * 10, kicker.next(&stop)).await;
        assert!(nobody.is_err(), "{nobody:?}");
        stop.cancel();
        assert_eq!(kicker.next(&stop).await, None);
    }
}
