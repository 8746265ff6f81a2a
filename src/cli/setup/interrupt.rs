//! Ctrl-C while changes are made: what is under way ends, and the changes are taken back.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use super::super::output::say_error;
use super::super::storage::Failure;

static CAME: AtomicBool = AtomicBool::new(false);

/// From here on Ctrl-C and its kin no longer end the process; they are noted.
pub(super) fn watch() -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::System(format!("cannot listen for Ctrl-C: {error}"));
    let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let signals = {
        let _guard = reactor.enter();
        [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal)
    };
    for listening in signals {
        let mut listening = listening.map_err(failed)?;
        reactor.spawn(async move {
            while listening.recv().await.is_some() {
                if !CAME.swap(true, Ordering::Relaxed) {
                    say_error("keydove: interrupted; the step that is under way ends first");
                }
            }
        });
    }
    std::thread::spawn(move || reactor.block_on(std::future::pending::<()>()));
    Ok(())
}

/// Whether one came.
pub(super) fn came() -> bool {
    CAME.load(Ordering::Relaxed)
}
