//! Comparisons of a password with a hash, each worked out once however many wait for it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::Verified;
use super::verified::Tag;
use crate::auth::TempFail;

type Answer = Option<Result<bool, TempFail>>;

/// Remembers comparisons, and lets those who want the same one at the same moment wait for one.
///
/// A device opens several connections at once with one password. What they share is the truth about a hash and a
/// password, not a verdict: each login still takes its own steps with its own mailbox, service and address.
#[derive(Debug)]
pub struct Comparisons {
    verified: Verified,
    under_way: Mutex<HashMap<Tag, watch::Receiver<Answer>>>,
}

/// What there is to do about a comparison.
enum Part<'a> {
    Known(bool),
    Wait(watch::Receiver<Answer>),
    Work(Lead<'a>),
}

/// Whoever works a comparison out. If they leave, the next one does.
struct Lead<'a> {
    comparisons: &'a Comparisons,
    tag: Tag,
    answer: watch::Sender<Answer>,
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.comparisons.lock().remove(&self.tag);
    }
}

impl Comparisons {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(verified: Verified) -> Self {
        Self { verified, under_way: Mutex::default() }
    }

    /// Whether this password fits this hash, if that is known.
    #[must_use]
    pub fn recall(&self, stored: &[u8], password: &[u8]) -> Option<bool> {
        self.verified.recall(stored, password)
    }

    /// Forgets all comparisons with this hash; says how many.
    pub fn forget(&self, stored: &[u8]) -> usize {
        self.verified.forget(stored)
    }

    /// Forgets all comparisons; says how many.
    pub fn flush(&self) -> usize {
        self.verified.flush()
    }

    /// Compares: from memory, or with whoever is at it, or by `work`.
    ///
    /// # Errors
    /// Nobody can tell. That is told to who waits, and not remembered.
    pub async fn compare<W>(
        &self,
        stored: &[u8],
        password: &[u8],
        work: impl Fn() -> W,
    ) -> Result<bool, TempFail>
    where
        W: Future<Output = Result<bool, TempFail>>,
    {
        let tag = self.verified.tag(stored, password);
        loop {
            match self.begin(tag) {
                Part::Known(fits) => return Ok(fits),
                Part::Wait(mut answer) => {
                    if let Ok(end) = answer.wait_for(Option::is_some).await
                        && let Some(end) = &*end
                    {
                        return end.clone();
                    }
                }
                Part::Work(lead) => {
                    let end = work().await;
                    if let Ok(fits) = end {
                        self.verified.remember_tag(tag, stored, fits);
                    }
                    lead.answer.send_replace(Some(end.clone()));
                    return end;
                }
            }
        }
    }

    fn begin(&self, tag: Tag) -> Part<'_> {
        let mut under_way = self.lock();
        // Looked at under the lock: what is finished between two looks would be worked out twice.
        if let Some(fits) = self.verified.recall_tag(tag) {
            return Part::Known(fits);
        }
        if let Some(answer) = under_way.get(&tag) {
            return Part::Wait(answer.clone());
        }
        let (answer, waiting) = watch::channel(None);
        under_way.insert(tag, waiting);
        Part::Work(Lead { comparisons: self, tag, answer })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Tag, watch::Receiver<Answer>>> {
        // No code panics while it holds the lock.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use futures_util::future::join_all;
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::auth::TempFailReason;

    fn comparisons() -> Comparisons {
        Comparisons::new(Verified::new().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_comparison_is_worked_out_once() {
        let (comparisons, worked) = (comparisons(), Cell::new(0));
        let work = || async {
            worked.set(worked.get() + 1);
            sleep(Duration::from_millis(50)).await;
            Ok(true)
        };
        let ends = join_all((0..100).map(|_| comparisons.compare(b"hash", b"pw", work))).await;
        assert!(ends.into_iter().all(|end| end == Ok(true)));
        assert_eq!(comparisons.compare(b"hash", b"pw", work).await, Ok(true));
        assert_eq!(worked.get(), 1);
        assert!(comparisons.lock().is_empty());
    }

    /// T10: right and wrong passwords at one moment each get their own answer.
    #[tokio::test(start_paused = true)]
    async fn different_passwords_share_nothing() {
        let comparisons = comparisons();
        let ends = join_all((0..100_u32).map(|number| {
            let comparisons = &comparisons;
            async move {
                let password = if number % 2 == 0 { "right".to_owned() } else { format!("wrong {number}") };
                let right = password == "right";
                let end = comparisons.compare(b"hash", password.as_bytes(), || async move {
                    sleep(Duration::from_millis(50)).await;
                    Ok(right)
                });
                end.await == Ok(right)
            }
        }));
        assert!(ends.await.into_iter().all(|fits| fits));
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_hands_the_work_on_and_trouble_is_not_remembered() {
        let comparisons = comparisons();
        let slow = || async {
            sleep(Duration::from_secs(1)).await;
            Ok(true)
        };
        let leaver = timeout(Duration::from_millis(10), comparisons.compare(b"hash", b"pw", slow));
        let (left, end) = tokio::join!(leaver, comparisons.compare(b"hash", b"pw", slow));
        assert!(left.is_err() && end == Ok(true));
        let trouble = || async { Err(TempFail::new(TempFailReason::HashingOverload, "full")) };
        assert!(comparisons.compare(b"hash", b"x", trouble).await.is_err());
        assert_eq!(comparisons.recall(b"hash", b"x"), None);
        assert!(comparisons.lock().is_empty());
    }
}
