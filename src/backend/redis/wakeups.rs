//! A channel on which nodes tell each other that there is something to read elsewhere. What is said means nothing else,
//! and may be lost.

use std::sync::Arc;

use std::sync::atomic::Ordering;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::{Error, Redis};

impl Redis {
    /// Told when something comes on a channel that is [listened](Self::listen) to, and when the connection ends.
    #[must_use]
    pub fn heard(&self) -> Arc<Notify> {
        Arc::clone(&self.heard)
    }

    /// Listens to a channel for as long as the connection lasts. Asked again, it shows whether the server is still
    /// there.
    ///
    /// # Errors
    /// As [`set_field`](Self::set_field).
    pub async fn listen(&mut self, channel: &str) -> Result<(), Error> {
        const ATTEMPT: &str = "listening to a channel";
        let limit = self.timeout;
        let listened = timeout(limit, async {
            let mut link = self.take_link(ATTEMPT).await?;
            let end = link.connection.subscribe(channel).await;
            end.map(|()| link).map_err(|error| self.explain(ATTEMPT, &error))
        });
        let end = listened.await;
        let timed_out = |_| Err(Error::Timeout { attempt: ATTEMPT, server: self.server.clone(), limit });
        self.link = Some(end.unwrap_or_else(timed_out)?);
        Ok(())
    }

    /// Whether there is a connection that neither side has given up.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        let is_open = |link: &super::Link| {
            !link.closed.load(Ordering::Relaxed) && !link.overrun.load(Ordering::Relaxed)
        };
        self.link.as_ref().is_some_and(is_open)
    }
}
