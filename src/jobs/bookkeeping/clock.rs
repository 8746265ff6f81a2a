//! The clock of the lanes; tests move it.

use std::time::Instant;

use tokio::time::sleep_until;

/// The clock of all lanes.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Waits for a moment; for ever where there is none.
pub(super) async fn wait_for(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
