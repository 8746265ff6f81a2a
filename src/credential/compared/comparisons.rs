//! Comparisons of a password with a hash, each worked out once however many wait for it.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use foldhash::HashMap;
use subtle::ConstantTimeEq;
use tokio::sync::watch;

use super::Verified;
use super::verified::Tag;
use crate::auth::TempFail;

type Answer = Option<Result<bool, TempFail>>;

/// A place beside a stored hash for the password that fitted it, as a tag; so that whoever has the record at hand need
/// not search for the comparison. It lives as long as the record, and then with a newer one of the same hash.
#[derive(Debug, Default)]
pub struct Fitted(OnceLock<Tag>);

impl Fitted {
    /// Whether a password has fitted since the record was made.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.get().is_some()
    }

    /// Takes over what fitted the same hash in an older record.
    pub fn inherit(&self, older: &Self) {
        if let Some(tag) = older.0.get() {
            let _ = self.0.set(*tag);
        }
    }

    fn is(&self, tag: &Tag) -> bool {
        // As numbers, which are compared in one step and no less blindly than their bytes.
        let number = |tag: &Tag| u128::from_ne_bytes(*tag);
        self.0.get().is_some_and(|fitted| bool::from(number(fitted).ct_eq(&number(tag))))
    }
}

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

    /// Whether this password has fitted the hash that this place is beside.
    #[must_use]
    pub fn knows(&self, fitted: &Fitted, password: &[u8]) -> bool {
        fitted.is_set() && fitted.is(&self.tag_beside(password))
    }

    /// Compares: from memory, or with whoever is at it, or by `work`. `fitted` is the hash's own place, if it has one.
    ///
    /// # Errors
    /// Nobody can tell. That is told to who waits, and not remembered.
    pub async fn compare<W>(
        &self,
        (stored, fitted): (&[u8], Option<&Fitted>),
        password: &[u8],
        work: impl Fn() -> W,
    ) -> Result<bool, TempFail>
    where
        W: Future<Output = Result<bool, TempFail>>,
    {
        if fitted.is_some_and(|fitted| self.knows(fitted, password)) {
            return Ok(true);
        }
        let end = self.compare_elsewhere((stored, fitted.is_some()), password, work).await;
        if let (Some(fitted), Ok(true)) = (fitted, &end) {
            // Another password that fits as well, as one that differs after the 72nd byte, is compared anew each time.
            let _ = fitted.0.set(self.tag_beside(password));
        }
        end
    }

    /// Of the password alone, which costs half as much: the hash is that of the record.
    fn tag_beside(&self, password: &[u8]) -> Tag {
        self.verified.tag(b"", password)
    }

    /// What fits is remembered beside its hash, where that has a place, and else here.
    async fn compare_elsewhere<W>(
        &self,
        (stored, has_place): (&[u8], bool),
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
                    let end = Box::pin(work()).await;
                    if let Ok(fits) = end
                        && !(fits && has_place)
                    {
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
        let ends = join_all((0..100).map(|_| comparisons.compare((b"hash", None), b"pw", work))).await;
        assert!(ends.into_iter().all(|end| end == Ok(true)));
        assert_eq!(comparisons.compare((b"hash", None), b"pw", work).await, Ok(true));
        assert_eq!(worked.get(), 1);
        assert!(comparisons.lock().is_empty());
    }

    /// Right and wrong passwords at one moment each get their own answer.
    #[tokio::test(start_paused = true)]
    async fn different_passwords_share_nothing() {
        let comparisons = comparisons();
        let ends = join_all((0..100_u32).map(|number| {
            let comparisons = &comparisons;
            async move {
                let password = if number % 2 == 0 { "right".to_owned() } else { format!("wrong {number}") };
                let right = password == "right";
                let end = comparisons.compare((b"hash", None), password.as_bytes(), || async move {
                    sleep(Duration::from_millis(50)).await;
                    Ok(right)
                });
                end.await == Ok(right)
            }
        }));
        assert!(ends.await.into_iter().all(|fits| fits));
    }

    #[tokio::test]
    async fn what_fitted_is_known_beside_its_hash_and_for_no_other() {
        let (comparisons, fitted) = (comparisons(), Fitted::default());
        let answer = |fits| move || std::future::ready(Ok(fits));
        let stored: (&[u8], _) = (b"hash", Some(&fitted));
        assert_eq!(comparisons.compare(stored, b"guess", answer(false)).await, Ok(false));
        assert_eq!(comparisons.compare(stored, b"pw", answer(true)).await, Ok(true));
        for (password, fits) in [(b"pw", true), (b"xy", false)] {
            assert_eq!(fitted.is(&comparisons.tag_beside(password)), fits);
        }
        assert_eq!(comparisons.compare(stored, b"pw", answer(false)).await, Ok(true));
        assert_eq!(comparisons.compare(stored, b"other", answer(false)).await, Ok(false));
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_hands_the_work_on_and_trouble_is_not_remembered() {
        let comparisons = comparisons();
        let slow = || async {
            sleep(Duration::from_secs(1)).await;
            Ok(true)
        };
        let leaver = timeout(Duration::from_millis(10), comparisons.compare((b"hash", None), b"pw", slow));
        let (left, end) = tokio::join!(leaver, comparisons.compare((b"hash", None), b"pw", slow));
        assert!(left.is_err() && end == Ok(true));
        let trouble = || async { Err(TempFail::new(TempFailReason::HashingOverload, "full")) };
        assert!(comparisons.compare((b"hash", None), b"x", trouble).await.is_err());
        assert_eq!(comparisons.recall(b"hash", b"x"), None);
        assert!(comparisons.lock().is_empty());
    }
}
