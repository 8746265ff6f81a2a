//! The questions under way of one connection.

use std::future::Future;
use std::pin::Pin;

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};

/// Runs questions side by side.
///
/// Who is known needs nobody to wait for, so most questions have their answer when they are looked at first; one place
/// on the heap then serves them all.
pub(super) struct Questions<F> {
    waiting: FuturesUnordered<Pin<Box<F>>>,
    spare: Option<Pin<Box<F>>>,
}

impl<F: Future> Questions<F> {
    pub(super) fn new() -> Self {
        Self { waiting: FuturesUnordered::new(), spare: None }
    }

    /// Puts a question. Returns the answer if there is one at once.
    pub(super) fn put(&mut self, question: F) -> Option<F::Output> {
        let mut place = match self.spare.take() {
            Some(mut place) => {
                place.as_mut().set(question);
                place
            }
            None => Box::pin(question),
        };
        let reply = place.as_mut().now_or_never();
        match reply {
            Some(_) => self.spare = Some(place),
            None => self.waiting.push(place),
        }
        reply
    }

    /// The next answer; `None` when nothing is under way.
    pub(super) async fn next(&mut self) -> Option<F::Output> {
        self.waiting.next().await
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn question(number: u64, wait: Duration) -> u64 {
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        number
    }

    #[tokio::test(start_paused = true)]
    async fn what_can_be_answered_at_once_is_and_the_rest_comes_in_time() {
        let mut questions = Questions::new();
        for number in 0..100 {
            let wait = Duration::from_millis(number % 3);
            let reply = questions.put(question(number, wait));
            assert_eq!(reply, wait.is_zero().then_some(number));
        }
        let mut late = Vec::new();
        while let Some(reply) = questions.next().await {
            late.push(reply);
        }
        late.sort_unstable();
        assert_eq!(late, (0..100).filter(|number| number % 3 != 0).collect::<Vec<_>>());
        assert!(questions.is_empty());
    }
}
