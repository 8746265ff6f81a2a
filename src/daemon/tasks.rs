//! The one place that starts tasks, and that sees them end.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::frontend::connection::StopSignals;

/// After the grace period, how long "cannot tell" may take to reach everybody.
const CUT_TIMEOUT: Duration = Duration::from_secs(2);

/// All tasks of the daemon, and the signals that end them.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: StopSignals,
    /// Listeners end before connections do.
    accepting: CancellationToken,
}

impl Tasks {
    /// Starts a task that is waited for at the end.
    #[expect(clippy::disallowed_methods, reason = "the home of task starting")]
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        tokio::spawn(self.tracker.track_future(task));
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

    /// Ends everything: no new connections, present work to its end, at most `grace` long, then "cannot tell".
    ///
    /// Says how many connections had to be cut.
    pub async fn drain(&self, grace: Duration) -> usize {
        self.accepting.cancel();
        self.stop.drain.cancel();
        self.tracker.close();
        if tokio::time::timeout(grace, self.tracker.wait()).await.is_ok() {
            return 0;
        }
        let left = self.tracker.len();
        self.stop.cut.cancel();
        // Whoever does not even take a "cannot tell" is left to the end of the process.
        let _ = tokio::time::timeout(CUT_TIMEOUT, self.tracker.wait()).await;
        left
    }
}
