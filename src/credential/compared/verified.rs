//! Which passwords were compared with which hashes, and how that ended.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::quality::RandomState;
use hmac::{Hmac, KeyInit, Mac};
use lru::LruCache;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Pairs that matched, where no record keeps that beside its hash: app passwords. About 6 MB when full.
const RIGHT: NonZeroUsize = NonZeroUsize::new(65_536).expect("not 0");
/// Pairs that did not match: old passwords in phones, and guesses, which must not push the matches out.
const WRONG: NonZeroUsize = NonZeroUsize::new(65_536).expect("not 0");
const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;

/// Stands for a hash and a password together.
pub(super) type Tag = [u8; TAG_BYTES];
/// Stands for a hash alone. Two hashes of one mark are forgotten together, which harms nobody.
type Mark = u64;

/// Remembers comparisons of passwords with stored hashes, so that the same one is hashed once.
///
/// It holds no password and no hash, only tags of both together under a key that was drawn at the start, is in no
/// file, and is wiped at the end. A hash that changed makes another tag, so an old answer is never found for it.
/// It skips the hash and nothing else: whoever asks has to look at the person and the mailbox all the same.
pub struct Verified {
    /// HMAC that has taken in the key and nothing else; it wipes itself.
    keyed: Hmac<Sha256>,
    answers: Mutex<Answers>,
}

struct Answers {
    right: LruCache<Tag, Mark, RandomState>,
    wrong: LruCache<Tag, Mark, RandomState>,
}

impl Verified {
    /// An empty memory under a new random key.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(&mut *key)?;
        Ok(Self::with_bounds(&key, RIGHT, WRONG))
    }

    fn with_bounds(key: &[u8; KEY_BYTES], right: NonZeroUsize, wrong: NonZeroUsize) -> Self {
        let keyed = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        let map = |bound| LruCache::with_hasher(bound, RandomState::default());
        let answers = Answers { right: map(right), wrong: map(wrong) };
        Self { keyed, answers: Mutex::new(answers) }
    }

    /// Whether this password fits this hash, if that is known.
    #[must_use]
    pub fn recall(&self, stored: &[u8], password: &[u8]) -> Option<bool> {
        self.recall_tag(self.tag(stored, password))
    }

    pub(super) fn recall_tag(&self, tag: Tag) -> Option<bool> {
        let mut answers = self.lock();
        if answers.right.get(&tag).is_some() {
            return Some(true);
        }
        answers.wrong.get(&tag).map(|_| false)
    }

    /// Remembers how a comparison ended. Failures to compare are none and must not come here.
    pub(super) fn remember_tag(&self, tag: Tag, stored: &[u8], fits: bool) {
        let mark = self.mark(stored);
        let mut answers = self.lock();
        if fits {
            answers.right.put(tag, mark);
        } else {
            answers.wrong.put(tag, mark);
        }
    }

    /// Forgets all comparisons with this hash.
    pub(super) fn forget(&self, stored: &[u8]) -> usize {
        let mark = self.mark(stored);
        let mut answers = self.lock();
        let Answers { right, wrong } = &mut *answers;
        [right, wrong]
            .into_iter()
            .map(|answers| {
                let of_it = answers.iter().filter(|(_, found)| **found == mark);
                let tags: Vec<Tag> = of_it.map(|(tag, _)| *tag).collect();
                for tag in &tags {
                    answers.pop(tag);
                }
                tags.len()
            })
            .sum()
    }

    /// Forgets all comparisons.
    pub(super) fn flush(&self) -> usize {
        let mut answers = self.lock();
        let count = answers.right.len() + answers.wrong.len();
        answers.right.clear();
        answers.wrong.clear();
        count
    }

    fn mark(&self, stored: &[u8]) -> Mark {
        let tag = self.tag(stored, b"");
        Mark::from_be_bytes(std::array::from_fn(|index| tag[index]))
    }

    /// HMAC (RFC 2104) with SHA-256, cut to 16 bytes as its section 5 allows. The length in front of each part
    /// keeps two different pairs from being one text.
    ///
    /// Never inlined, so that a count of what a login costs can set it aside.
    #[inline(never)]
    pub(super) fn tag(&self, stored: &[u8], password: &[u8]) -> Tag {
        let mut mac = self.keyed.clone();
        for part in [stored, password] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let whole = mac.finalize().into_bytes();
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&whole[..TAG_BYTES]);
        tag
    }

    fn lock(&self) -> MutexGuard<'_, Answers> {
        // No code panics while it holds the lock, and the maps have no half-way state that matters here.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Verified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verified(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn small(bound: usize) -> Verified {
        let bound = NonZeroUsize::new(bound).unwrap();
        Verified::with_bounds(&[7; KEY_BYTES], bound, bound)
    }

    fn remember(verified: &Verified, stored: &[u8], password: &[u8], fits: bool) {
        verified.remember_tag(verified.tag(stored, password), stored, fits);
    }

    #[test]
    fn a_comparison_is_recalled_for_its_own_pair_only() {
        let verified = small(10);
        remember(&verified, b"{X}hash", b"pw", true);
        remember(&verified, b"{X}hash", b"guess", false);
        assert_eq!(verified.recall(b"{X}hash", b"pw"), Some(true));
        assert_eq!(verified.recall(b"{X}hash", b"guess"), Some(false));
        assert_eq!(verified.recall(b"{X}new hash", b"pw"), None);
        assert_eq!(verified.recall(b"{X}hash", b"other"), None);
    }

    #[test]
    fn guesses_push_no_match_out() {
        let verified = small(10);
        remember(&verified, b"hash", b"pw", true);
        for guess in 0..1000_u32 {
            remember(&verified, b"hash", &guess.to_be_bytes(), false);
        }
        assert_eq!(verified.recall(b"hash", b"pw"), Some(true));
        assert_eq!(verified.lock().wrong.len(), 10);
    }

    #[test]
    fn one_hash_is_forgotten_and_then_all() {
        let verified = small(10);
        for (stored, password, fits) in [("one", "pw", true), ("one", "x", false), ("other", "pw", true)] {
            remember(&verified, stored.as_bytes(), password.as_bytes(), fits);
        }
        assert_eq!(verified.forget(b"one"), 2);
        assert_eq!((verified.recall(b"one", b"pw"), verified.recall(b"one", b"x")), (None, None));
        assert_eq!(verified.recall(b"other", b"pw"), Some(true));
        assert_eq!((verified.forget(b"one"), verified.flush(), verified.flush()), (0, 1, 0));
        assert_eq!(verified.recall(b"other", b"pw"), None);
    }

    #[test]
    fn keys_differ_and_nothing_is_shown() {
        let (one, other) = (Verified::new().unwrap(), Verified::new().unwrap());
        assert_ne!(one.tag(b"hash", b"pw"), other.tag(b"hash", b"pw"));
        assert_eq!(format!("{one:?}"), "Verified(..)");
    }

    proptest! {
        /// No two different pairs are one text, wherever the border between the parts lies.
        #[test]
        fn different_pairs_have_different_tags(
            whole in proptest::collection::vec(any::<u8>(), 0..40),
            cuts in (0_usize..40, 0_usize..40),
        ) {
            let verified = small(1);
            let (first, second) = (cuts.0.min(whole.len()), cuts.1.min(whole.len()));
            let tag = |cut: usize| verified.tag(&whole[..cut], &whole[cut..]);
            prop_assert_eq!(tag(first) == tag(second), first == second);
        }
    }
}
