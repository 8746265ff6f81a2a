//! Who was let in from where, not long ago.
//!
//! Each account has places of its own: whoever logs in from a great many loses their own oldest place by it, and nobody
//! else's.

use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::client_network::ClientNetwork;
use crate::auth::Username;
use crate::backend::records::BoundedMap;

/// Places that are remembered of one account, addresses and networks together. The one used longest ago goes.
const MOST_PLACES: usize = 24;
/// All accounts together: about 100,000 of them. Beyond that goes the account that was not let in for longest.
const MAX_BYTES: usize = 24 << 20;
/// Every login passes here, so accounts are spread over this many locks.
const SHARDS: usize = 64;
/// A pair is noted again no sooner, so that a busy login changes nothing.
const REFRESH: Duration = Duration::from_secs(600);

/// Accounts, each with its places and the time of the last success there.
pub(super) struct Familiar {
    shards: Box<[Mutex<BoundedMap<u64, Places>>]>,
    hasher: foldhash::quality::RandomState,
    began: Instant,
}

/// The places of one account: the fingerprint of each, and when it was noted.
#[derive(Default)]
struct Places(Vec<(u32, u32)>);

impl Familiar {
    /// `began` stands for the oldest moment that can be noted.
    pub(super) fn new(began: Instant) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(BoundedMap::new(MAX_BYTES / SHARDS))).collect();
        Self { shards, hasher: foldhash::quality::RandomState::default(), began }
    }

    /// Takes down a success. Says whether it was worth it: not where the same was taken down a moment ago.
    pub(super) fn note(&self, user: &Username, place: ClientNetwork, at: Instant) -> bool {
        let (account, place, second) = (self.hasher.hash_one(user), self.fingerprint(place), self.second(at));
        let mut shard = self.shard(account);
        let places = shard.get_mut(&account);
        if let Some(places) = places {
            if let Some((_, noted)) = places.0.iter_mut().find(|(known, _)| *known == place) {
                let is_due = u64::from(second) >= u64::from(*noted) + REFRESH.as_secs();
                if is_due {
                    *noted = second;
                }
                return is_due;
            }
            if places.0.len() == MOST_PLACES
                && let Some(oldest) = places.0.iter_mut().min_by_key(|(_, noted)| *noted)
            {
                *oldest = (place, second);
                return true;
            }
        }
        let mut places = shard.remove(&account).unwrap_or_default();
        // Nearly everybody has one place, or two.
        places.0.reserve_exact(1);
        places.0.push((place, second));
        let bytes = places.0.capacity() * size_of::<(u32, u32)>();
        shard.put(account, places, bytes);
        true
    }

    /// Whether there was a success within this time, or so.
    pub(super) fn knows(
        &self,
        user: &Username,
        place: ClientNetwork,
        now: Instant,
        within: Duration,
    ) -> bool {
        let (account, place) = (self.hasher.hash_one(user), self.fingerprint(place));
        let oldest = u64::from(self.second(now)).saturating_sub(within.as_secs());
        let mut shard = self.shard(account);
        let places = shard.peek_mut(&account);
        places.is_some_and(|places| {
            places.0.iter().any(|(known, noted)| *known == place && u64::from(*noted) >= oldest)
        })
    }

    fn shard(&self, account: u64) -> MutexGuard<'_, BoundedMap<u64, Places>> {
        let shard = usize::try_from(account % SHARDS as u64).unwrap_or_default();
        // No code panics while it holds the lock.
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Two places of one account look alike once in a hundred million.
    fn fingerprint(&self, place: ClientNetwork) -> u32 {
        u32::try_from(self.hasher.hash_one(place) >> 32).unwrap_or_default()
    }

    fn second(&self, at: Instant) -> u32 {
        u32::try_from(at.saturating_duration_since(self.began).as_secs()).unwrap_or(u32::MAX)
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().bytes()).sum()
    }
}

impl std::fmt::Debug for Familiar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Familiar(..)")
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test's clock may start anywhere")]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const HOME: ClientNetwork = ClientNetwork::Host4([192, 0, 2, 1]);

    #[test]
    fn a_success_is_remembered_for_its_time_and_place() {
        let now = Instant::now();
        let familiar = Familiar::new(now);
        let (alice, bob) = (user("alice@example.org"), user("bob@example.org"));
        assert!(!familiar.knows(&alice, HOME, now, DAY));
        assert!(familiar.note(&alice, HOME, now));
        assert!(!familiar.note(&alice, HOME, now + Duration::from_secs(599)));
        assert!(familiar.knows(&alice, HOME, now + DAY, DAY));
        assert!(!familiar.knows(&alice, HOME, now + DAY + Duration::from_secs(2), DAY));
        assert!(!familiar.knows(&bob, HOME, now, DAY));
        assert!(!familiar.knows(&alice, HOME.wide(), now, DAY));
        assert!(familiar.note(&alice, HOME, now + Duration::from_secs(600)));
    }

    #[test]
    fn twenty_thousand_people_are_remembered_at_once() {
        let now = Instant::now();
        let familiar = Familiar::new(now);
        let people = people(20_000);
        people.iter().for_each(|person| assert!(familiar.note(person, HOME, now)));
        let known = people.iter().filter(|person| familiar.knows(person, HOME, now, REFRESH)).count();
        assert_eq!(known, people.len());
        assert!(familiar.bytes() < 5 << 20, "{}", familiar.bytes());
    }

    #[test]
    fn one_account_at_330_000_addresses_displaces_nobody() {
        let now = Instant::now();
        let familiar = Familiar::new(now);
        let people = people(2000);
        people.iter().for_each(|person| assert!(familiar.note(person, HOME, now)));
        let (before, wanderer) = (familiar.bytes(), user("wanderer@example.org"));
        for number in 0..330_000_u32 {
            let [_, b, c, d] = number.to_be_bytes();
            familiar.note(&wanderer, ClientNetwork::Host4([10 + b, b, c, d]), now + Duration::from_secs(1));
            familiar.note(
                &wanderer,
                ClientNetwork::Host6([0x20, 1, 0xd, 0xb8, b, c, d]),
                now + Duration::from_secs(1),
            );
        }
        assert!(people.iter().all(|person| familiar.knows(person, HOME, now, DAY)));
        assert!(familiar.bytes() < before + 1024, "{}", familiar.bytes() - before);
    }

    #[test]
    fn all_accounts_together_take_bounded_memory() {
        let now = Instant::now();
        let familiar = Familiar::new(now);
        for (number, person) in people(200_000).iter().enumerate() {
            familiar.note(person, HOME, now + Duration::from_secs(number as u64));
        }
        assert!(familiar.bytes() <= MAX_BYTES, "{}", familiar.bytes());
    }

    fn people(count: usize) -> Vec<Username> {
        (0..count).map(|number| user(&format!("p{number}@example.org"))).collect()
    }

    fn user(name: &str) -> Username {
        Username::parse(name.as_bytes()).unwrap()
    }
}
