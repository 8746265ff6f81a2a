//! Whose sessions are to be ended, in which order, and when there are too many of them at once to be believed.
//!
//! One person who leaves is one kick. Many people at once are a mistake more often than not: somebody emptied the
//! directory behind Keycloak, or switched it off for a minute. So a kick waits for a moment, and when too many came
//! within a while, all that wait are held until an administrator releases them. The same holds for people who lost access
//! by something that all people of a store share.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::auth::Username;

/// A kick waits for so long, so that the last of many is seen before the first is kicked.
pub(super) const SETTLE: Duration = Duration::from_secs(2);
/// How many mailboxes may wait, and with how many held no more are. Sessions of others go on, and the log says so.
pub(super) const MOST: usize = 4096;
/// So many may be kicked whatever the percentage says: in a small company one person is many per cent.
const LEAST: u64 = 5;

/// What made somebody lose access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Something about this person.
    Own,
    /// Something that everybody of a store or an organization shares.
    Shared,
}

/// A mailbox whose sessions are not ended before an administrator says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Whose.
    pub user: String,
    /// Why they would be kicked.
    pub why: String,
    /// For so many seconds.
    pub seconds: u64,
}

/// What a wish leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It waits.
    Waits,
    /// It waits or is held already.
    Known,
    /// It is held, and others may be now.
    Held {
        /// This is the first in a while: the log tells of it.
        first: bool,
    },
    /// There is no room.
    Full,
}

#[derive(Debug)]
struct Wish {
    user: Username,
    why: &'static str,
    due: Instant,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Queue {
    max_percent: u64,
    window: Duration,
    /// In the order in which they are due.
    waiting: VecDeque<Wish>,
    held: BTreeMap<String, (Username, &'static str, Instant)>,
    /// When somebody lost access by a cause of their own.
    recent: VecDeque<Instant>,
}

impl Queue {
    pub(super) fn new(max_percent: u64, window: Duration) -> Self {
        let (waiting, held, recent) = (VecDeque::new(), BTreeMap::new(), VecDeque::new());
        Self { max_percent, window, waiting, held, recent }
    }

    /// Takes a wish; of `people` in all somebody lost access at `now`.
    pub(super) fn take(
        &mut self,
        user: &Username,
        (why, cause): (&'static str, Cause),
        people: u64,
        now: Instant,
    ) -> Taken {
        let waits = self.waiting.iter().any(|wish| wish.user == *user);
        let is_held = self.held.contains_key(user.as_str());
        if waits || is_held && cause == Cause::Shared {
            return Taken::Known;
        }
        if self.waiting.len() >= MOST {
            return Taken::Full;
        }
        if cause == Cause::Own {
            while self.recent.front().is_some_and(|&then| now.duration_since(then) >= self.window) {
                self.recent.pop_front();
            }
            self.recent.push_back(now);
        }
        let most = (people.saturating_mul(self.max_percent) / 100).max(LEAST);
        if cause == Cause::Own && (self.max_percent >= 100 || self.recent.len() as u64 <= most) {
            self.held.remove(user.as_str());
            self.waiting.push_back(Wish { user: user.clone(), why, due: now + SETTLE });
            return Taken::Waits;
        }
        if self.held.len() >= MOST {
            return Taken::Full;
        }
        let first = self.held.is_empty();
        self.waiting.push_back(Wish { user: user.clone(), why, due: now });
        let to_hold: Vec<_> = match cause {
            Cause::Own => self.waiting.drain(..).collect(),
            Cause::Shared => self.waiting.pop_back().into_iter().collect(),
        };
        for wish in to_hold {
            self.held.insert(wish.user.as_str().to_owned(), (wish.user, wish.why, now));
        }
        Taken::Held { first }
    }

    /// When the first that waits is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.waiting.front().map(|wish| wish.due)
    }

    /// The first that waits, if it is due.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(Username, &'static str)> {
        let is_due = self.waiting.front().is_some_and(|wish| wish.due <= now);
        let wish = self.waiting.pop_front_if(|_| is_due)?;
        Some((wish.user, wish.why))
    }

    pub(super) fn held(&self, now: Instant) -> Vec<Held> {
        let show = |(user, why, since): &(Username, &'static str, Instant)| Held {
            user: user.as_str().to_owned(),
            why: (*why).to_owned(),
            seconds: now.duration_since(*since).as_secs(),
        };
        self.held.values().map(show).collect()
    }

    /// Is no longer held. `kick`: sessions are ended, and at once.
    pub(super) fn settle(&mut self, user: &str, kick: bool, now: Instant) -> bool {
        let Some((user, why, _)) = self.held.remove(user) else { return false };
        if kick {
            self.waiting.push_front(Wish { user, why, due: now });
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(600);

    fn user(number: usize) -> Username {
        Username::parse(format!("u{number:04}@example.org").as_bytes()).unwrap()
    }

    fn own(queue: &mut Queue, number: usize, people: u64, now: Instant) -> Taken {
        queue.take(&user(number), ("disabled", Cause::Own), people, now)
    }

    fn kicked(queue: &mut Queue, now: Instant) -> usize {
        std::iter::from_fn(|| queue.pop(now)).count()
    }

    #[test]
    fn a_few_are_kicked_when_they_are_due() {
        let (mut queue, now) = (Queue::new(10, WINDOW), Instant::now());
        for number in 0..5 {
            assert_eq!(own(&mut queue, number, 3, now), Taken::Waits);
            assert_eq!(own(&mut queue, number, 3, now), Taken::Known);
        }
        assert_eq!((kicked(&mut queue, now), queue.next_due()), (0, Some(now + SETTLE)));
        assert_eq!((kicked(&mut queue, now + SETTLE), queue.held(now).len()), (5, 0));
        // Whoever was kicked may be kicked again.
        assert_eq!(own(&mut queue, 0, 3, now + WINDOW), Taken::Waits);
    }

    #[test]
    fn too_many_at_once_kick_nobody_who_still_waits() {
        let (mut queue, now) = (Queue::new(10, WINDOW), Instant::now());
        let ends: Vec<_> = (0..30).map(|number| own(&mut queue, number, 200, now)).collect();
        assert!(ends[..20].iter().all(|end| *end == Taken::Waits));
        assert_eq!(ends[20], Taken::Held { first: true });
        assert!(ends[21..].iter().all(|end| *end == Taken::Held { first: false }));
        assert_eq!((kicked(&mut queue, now + SETTLE), queue.held(now).len()), (0, 30));
        // Later, one person alone is kicked; the others stay held.
        let later = now + WINDOW;
        assert_eq!(own(&mut queue, 99, 200, later), Taken::Waits);
        assert_eq!((kicked(&mut queue, later + SETTLE), queue.held(later).len()), (1, 30));
        assert_eq!(queue.held(later)[0].seconds, 600);
    }

    #[test]
    fn a_trickle_is_bounded_as_a_flood_is() {
        let (mut queue, start) = (Queue::new(10, WINDOW), Instant::now());
        let mut all = 0;
        for number in 0..20 {
            let now = start + Duration::from_secs(10) * number as u32;
            own(&mut queue, number, 10, now);
            all += kicked(&mut queue, now + SETTLE);
        }
        assert_eq!((all, queue.held(start + WINDOW).len()), (5, 15));
    }

    #[test]
    fn a_shared_cause_kicks_nobody_and_hides_nobody_who_left() {
        let (mut queue, now) = (Queue::new(10, WINDOW), Instant::now());
        assert_eq!(own(&mut queue, 9, 100, now), Taken::Waits);
        for number in 0..3 {
            let end = queue.take(&user(number), ("store_off", Cause::Shared), 100, now);
            assert_eq!(end, Taken::Held { first: number == 0 });
        }
        // What was proven of one of them by itself counts.
        assert_eq!(own(&mut queue, 1, 100, now), Taken::Waits);
        assert_eq!((kicked(&mut queue, now + SETTLE), queue.held(now).len()), (2, 2));
    }

    #[test]
    fn what_is_held_is_released_or_forgotten() {
        let (mut queue, now) = (Queue::new(10, WINDOW), Instant::now());
        for number in 0..2 {
            queue.take(&user(number), ("store_off", Cause::Shared), 100, now);
        }
        assert!(
            queue.settle("u0000@example.org", true, now) && queue.settle("u0001@example.org", false, now)
        );
        assert!(!queue.settle("u0000@example.org", true, now));
        assert_eq!((kicked(&mut queue, now), queue.held(now).len()), (1, 0));
    }

    #[test]
    fn a_hundred_per_cent_hold_nobody() {
        let (mut queue, now) = (Queue::new(100, WINDOW), Instant::now());
        (0..50).for_each(|number| assert_eq!(own(&mut queue, number, 1, now), Taken::Waits));
        assert_eq!(kicked(&mut queue, now + SETTLE), 50);
    }

    #[test]
    fn nothing_grows_without_bound() {
        let (mut queue, now) = (Queue::new(10, WINDOW), Instant::now());
        for number in 0..MOST + 10 {
            own(&mut queue, number, 0, now);
        }
        assert_eq!((queue.held.len(), queue.waiting.len()), (MOST, 0));
        let mut queue = Queue::new(100, WINDOW);
        for number in 0..MOST + 10 {
            own(&mut queue, number, 0, now);
        }
        assert_eq!(queue.waiting.len(), MOST);
    }
}
