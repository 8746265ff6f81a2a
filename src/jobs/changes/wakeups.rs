//! Nodes wake each other up over Redis, so that a change need not wait for the next look. A hint: what is lost here is
//! read a moment later all the same.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use crate::backend::redis::Redis;

/// Where nodes say that something has changed; mailcow uses no name like it.
const CHANNEL: &str = "keydove:changes";
/// What they say; nobody reads it.
const WORD: &str = "changed";
/// How often it is tried again while Redis is away.
const AWAY: Duration = Duration::from_secs(2);
/// How often the server must show that it is still there.
const PROOF: Duration = Duration::from_secs(10);

/// Both directions, each on a connection of its own.
pub struct Wakeups {
    ears: Redis,
    mouth: Redis,
    /// Told when this process has changed something.
    changed: Arc<Notify>,
}

impl Wakeups {
    /// `changed` is told when this process has changed something.
    #[must_use]
    pub fn new(ears: Redis, mouth: Redis, changed: Arc<Notify>) -> Self {
        Self { ears, mouth, changed }
    }

    /// Tells `wake` of what others say, and others of what is changed here, for as long as it is polled.
    pub(super) async fn exchange(self, wake: &Notify) {
        tokio::join!(listen(self.ears, wake), say(self.mouth, &self.changed));
    }
}

/// Tells other processes each time that `changed` is told, and never ends; several changes at once may be told as one.
pub async fn say(mut mouth: Redis, changed: &Notify) -> Infallible {
    loop {
        changed.notified().await;
        if let Err(error) = mouth.publish(CHANNEL, WORD).await {
            tracing::debug!(%error, "nobody is woken up; every node reads what has changed within a second");
        }
    }
}

async fn listen(mut ears: Redis, wake: &Notify) {
    let mut is_away = false;
    let heard = ears.heard();
    loop {
        match ears.listen(CHANNEL).await {
            Ok(()) => {
                is_away = false;
                let proof = Instant::now() + PROOF;
                while ears.is_connected() {
                    tokio::select! {
                        () = sleep_until(proof) => break,
                        () = heard.notified() => wake.notify_one(),
                    }
                }
                if ears.is_connected() {
                    continue;
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut is_away, true) {
                    tracing::info!(%error, "Redis wakes nobody up; what other nodes change is read each second");
                }
            }
        }
        sleep(AWAY).await;
    }
}
