//! The one place that starts tasks, and that sees them end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backend::records::Spawner;
use crate::frontend::connection::StopSignals;

/// After the grace period, how long "cannot tell" may take to reach everybody.
const CUT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the last tasks may take in the end; they limit themselves to less.
const LAST_TIMEOUT: Duration = Duration::from_secs(3);

/// All tasks of the daemon, in groups that end one after the other.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    /// Bring logins; end first.
    pub clients: Group,
    /// Redeem what clients have won; serve until the last client is done, or a login that was accepted would
    /// find nobody to tell its mail process where the mail lives.
    pub masters: Group,
    /// Fetch records; nobody waits for them at the end.
    pub fetches: Fetches,
    /// Works off what the others leave behind; told to stop when they are done.
    pub last: Last,
}

/// Tasks that may be left in the middle: they only read.
#[derive(Clone, Debug, Default)]
pub struct Fetches(TaskTracker);

impl Fetches {
    /// Starts such a task for whoever cannot start one itself.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the home of task starting")]
    pub fn spawner(&self) -> Spawner {
        let tracker = self.0.clone();
        Arc::new(move |task| {
            tokio::spawn(tracker.track_future(task));
        })
    }
}

/// Tasks that outlive all connections.
#[derive(Clone, Debug, Default)]
pub struct Last {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Last {
    /// Starts a task; it is given the signal at which it must end soon.
    #[expect(clippy::disallowed_methods, reason = "the home of task starting")]
    pub fn spawn<F>(&self, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        tokio::spawn(self.tracker.track_future(task(self.stop.clone())));
    }

    /// Tells them to stop, and waits for that; not for ever, because the process must end.
    async fn finish(&self) {
        self.stop.cancel();
        self.tracker.close();
        let _ = timeout(LAST_TIMEOUT, self.tracker.wait()).await;
    }
}

/// Listeners and connections that end together.
#[derive(Clone, Debug, Default)]
pub struct Group {
    tracker: TaskTracker,
    stop: StopSignals,
    accepting: CancellationToken,
}

impl Group {
    /// Starts a task that is waited for at the end.
    #[expect(clippy::disallowed_methods, reason = "the home of task starting")]
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        tokio::spawn(self.tracker.track_future(task));
    }

    /// Starts such a task for whoever cannot start one itself.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the home of task starting")]
    pub fn spawner(&self) -> Spawner {
        let tracker = self.tracker.clone();
        Arc::new(move |task| {
            tokio::spawn(tracker.track_future(task));
        })
    }

    /// How connections are told to end.
    #[must_use]
    pub fn stop_signals(&self) -> StopSignals {
        self.stop.clone()
    }

    /// Is cancelled when listeners must accept no more.
    #[must_use]
    pub fn accepting(&self) -> &CancellationToken {
        &self.accepting
    }

    /// No new connections; the present ones end when their work is done. Says whether all did in time.
    async fn drain_until(&self, deadline: Instant) -> bool {
        self.accepting.cancel();
        self.stop.drain.cancel();
        self.tracker.close();
        timeout_at(deadline, self.tracker.wait()).await.is_ok()
    }

    /// Answers what is open with "cannot tell". Says how many connections that was.
    async fn cut(&self) -> usize {
        let left = self.tracker.len();
        self.stop.cut.cancel();
        // Whoever does not even take a "cannot tell" is left to the end of the process.
        let _ = timeout(CUT_TIMEOUT, self.tracker.wait()).await;
        left
    }
}

impl Tasks {
    /// Ends everything: present work to its end, at most `grace` long, then "cannot tell".
    ///
    /// Says how many connections had to be cut.
    pub async fn drain(&self, grace: Duration) -> usize {
        let deadline = Instant::now() + grace;
        let mut cut = 0;
        for group in [&self.clients, &self.masters] {
            if !group.drain_until(deadline).await {
                cut += group.cut().await;
            }
        }
        self.last.finish().await;
        cut
    }
}
