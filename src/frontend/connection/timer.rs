//! The alarm of one connection.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

/// Rings when its moment has come, or somewhat early; then it is to be set again.
///
/// Nearly every batch of logins moves the moment back by a little. Telling the reactor each time would cost more than
/// the logins; an alarm that rings once too often costs next to nothing.
#[derive(Default)]
pub(super) struct Timer {
    /// Set for the wanted moment or an earlier one.
    sleep: Option<Pin<Box<Sleep>>>,
    wanted: Option<Instant>,
    /// It has rung and was not set since.
    has_rung: bool,
}

impl Timer {
    /// From now on this moment counts; `None` is never.
    pub(super) fn set(mut self: Pin<&mut Self>, wanted: Option<Instant>) {
        self.wanted = wanted;
        let Some(wanted) = wanted.map(tokio::time::Instant::from) else { return };
        let has_rung = self.has_rung;
        match &mut self.sleep {
            Some(sleep) if has_rung || wanted < sleep.deadline() => sleep.as_mut().reset(wanted),
            Some(_) => {}
            None => self.sleep = Some(Box::pin(sleep_until(wanted))),
        }
        self.has_rung = false;
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.wanted.is_none() || self.has_rung {
            return Poll::Pending;
        }
        let Some(sleep) = &mut self.sleep else { return Poll::Pending };
        let end = sleep.as_mut().poll(context);
        self.has_rung = end.is_ready();
        end
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::time::Duration;

    use futures_util::FutureExt;
    use tokio::time::{advance, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn it_rings_for_the_earliest_moment_and_again_when_it_is_set_again() {
        let start = tokio::time::Instant::now().into_std();
        let mut timer = pin!(Timer::default());
        assert!(timer.as_mut().now_or_never().is_none());
        timer.as_mut().set(Some(start + 5 * SECOND));
        assert!(timer.as_mut().now_or_never().is_none());
        // Sooner counts at once; later makes it ring too early once.
        timer.as_mut().set(Some(start + 2 * SECOND));
        timer.as_mut().set(Some(start + 3 * SECOND));
        assert!(timeout(2 * SECOND, timer.as_mut()).await.is_ok());
        assert!(timer.as_mut().now_or_never().is_none());
        timer.as_mut().set(Some(start + 3 * SECOND));
        advance(SECOND).await;
        assert!(timer.as_mut().now_or_never().is_some());
        timer.as_mut().set(None);
        advance(10 * SECOND).await;
        assert!(timer.as_mut().now_or_never().is_none());
        timer.as_mut().set(Some(start));
        assert!(timeout(SECOND, timer.as_mut()).await.is_ok());
    }
}
