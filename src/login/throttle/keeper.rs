//! The task beside the counters: says when a wait is over, and talks to the other nodes.

use std::time::{Duration, Instant, SystemTime};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::book::Subject;
use super::seal::digest_key;
use super::sharing::{Clock, Sharing};
use super::{Inner, Throttle};
use crate::auth::Secret;
use crate::backend::redis::Redis;

/// How often other nodes are heard.
const EXCHANGE_PAUSE: Duration = Duration::from_millis(400);
/// How often Redis is tried again while it is away.
const OUTAGE_PAUSE: Duration = Duration::from_secs(2);
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// Looks after the counters until it is told to stop.
pub struct Keeper {
    throttle: Throttle,
    sharing: Option<Sharing>,
}

impl Keeper {
    /// `shared`: where nodes count together, by a connection of its own, and their key. `node` is a random number.
    #[must_use]
    pub fn new(throttle: Throttle, shared: Option<(Redis, Secret)>, node: u64) -> Self {
        let sharing = shared.map(|(redis, key)| {
            if let Some(inner) = &throttle.0 {
                inner.digester.set_key(digest_key(&key));
            }
            Sharing::new(redis, &key, node)
        });
        Self { throttle, sharing }
    }

    /// Works until then.
    pub async fn run(self, stop: CancellationToken) {
        let Some(inner) = self.throttle.0 else { return };
        let share = async {
            match self.sharing {
                Some(sharing) => share(sharing, &inner).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = sweep(&inner) => {}
            () = share => {}
        }
    }
}

async fn sweep(inner: &Inner) {
    loop {
        sleep(SWEEP_PAUSE).await;
        let over = inner.lock().book.sweep(now());
        for Subject { user, place } in over {
            let user = user.as_ref().map(crate::auth::Username::as_str);
            tracing::info!(user, place = %place.shown(), "logins from there need not wait any longer");
        }
    }
}

async fn share(mut sharing: Sharing, inner: &Inner) {
    let mut is_away = false;
    loop {
        match sharing.exchange(inner, clock()).await {
            Ok(()) => {
                if std::mem::take(&mut is_away) {
                    tracing::info!("wrong passwords are counted together with other nodes again");
                }
                sleep(EXCHANGE_PAUSE).await;
            }
            Err(error) => {
                if !std::mem::replace(&mut is_away, true) {
                    tracing::warn!(%error, "wrong passwords are counted here alone; no login waits for Redis");
                }
                sleep(OUTAGE_PAUSE).await;
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "nodes have no other clock in common")]
fn clock() -> Clock {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Clock { monotonic: now(), millis: u64::try_from(since.as_millis()).unwrap_or(u64::MAX) }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("shares", &self.sharing.is_some()).finish_non_exhaustive()
    }
}
