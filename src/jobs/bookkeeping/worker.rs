//! The task that works through the notes: three lanes side by side, so that no backend holds up another.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Dropped;
use super::history::History;
use super::messages::Messages;
use super::people::People;

/// At the end, how long what is queued may take.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);
/// Dropped notes are reported no more often.
const REPORT_PAUSE: Duration = Duration::from_secs(60);

/// Works through the notes.
#[derive(Debug)]
pub struct Worker {
    history: Option<History>,
    people: People,
    messages: Option<Messages>,
    dropped: Arc<Dropped>,
}

impl Worker {
    pub(super) fn new(
        history: Option<History>,
        people: People,
        messages: Option<Messages>,
        dropped: Arc<Dropped>,
    ) -> Self {
        Self { history, people, messages, dropped }
    }

    /// Works until it is told to stop; then works off what is queued, for 2 s at most.
    pub async fn run(self, stop: CancellationToken) {
        let Self { history, people, messages, dropped } = self;
        // People who were seen last may still have something for Redis.
        let people_are_done = CancellationToken::new();
        let write_history = async {
            if let Some(history) = history {
                history.run(&stop).await;
            }
        };
        let see_people = async {
            people.run(&stop).await;
            people_are_done.cancel();
        };
        let send_messages = async {
            if let Some(messages) = messages {
                messages.run(&people_are_done).await;
            }
        };
        let too_late = async {
            stop.cancelled().await;
            sleep(DRAIN_LIMIT).await;
        };
        let mut reported = 0;
        tokio::select! {
            _ = async { tokio::join!(write_history, see_people, send_messages) } => {}
            () = too_late => tracing::warn!("stopped before everything was written down"),
            () = report_drops(&dropped, &mut reported) => {}
        }
        report(&dropped, &mut reported);
    }
}

async fn report_drops(dropped: &Dropped, reported: &mut u64) {
    loop {
        sleep(REPORT_PAUSE).await;
        report(dropped, reported);
    }
}

fn report(dropped: &Dropped, reported: &mut u64) {
    let count = dropped.count();
    if count > *reported {
        tracing::warn!(
            notes = count - *reported,
            "notes about logins were dropped; the logins were not held up"
        );
        *reported = count;
    }
}
