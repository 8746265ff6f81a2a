//! What nodes tell each other through Redis: a log of what was wrong and right, under a key that they agree on.
//!
//! Passwords are in there as digests under that key only. Names and addresses are in the clear, as in mailcow's own logs
//! there. Each node writes behind and reads in short intervals; a Redis that is away makes each count for itself.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::book::{Reach, Wrong};
use super::digest::{KEY_BYTES, Key};
use super::place::Place;
use super::{Inner, Target};
use crate::auth::Username;
use crate::redis::{Error, Redis, StreamEntry};

/// The log, and the key.
const LOG: &str = "keydove:throttle:log";
const KEY: &str = "keydove:throttle:key";
/// Entries of the log, each of up to [`BATCH`] events.
const LOG_ENTRIES: usize = 20_000;
const BATCH: usize = 100;
/// Entries that are read at once.
const READ: usize = 500;
/// Events that wait for Redis; further ones are not shared.
const OUTBOX: usize = 4096;
/// How often the key and the clock are looked at again: a Redis that was emptied has another one.
const AGREE_AGAIN: Duration = Duration::from_secs(5);
const BEGIN: &str = "0-0";

/// Something that other nodes count too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    Wrong { user: String, place: Place, digest: u64, reach: Reach },
    Right { user: String, place: Place },
    Clear { target: String },
}

impl Event {
    pub(super) fn of(wrong: &Wrong) -> Self {
        let Wrong { user, place, digest, reach } = wrong;
        Self::Wrong { user: user.as_str().to_owned(), place: *place, digest: *digest, reach: *reach }
    }
}

/// Events that wait for Redis.
#[derive(Debug, Default)]
pub(super) struct Outbox(Mutex<VecDeque<Event>>);

impl Outbox {
    /// Never waits; what does not fit is counted here only.
    pub(super) fn put(&self, event: Event) {
        let mut events = self.lock();
        if events.len() < OUTBOX {
            events.push_back(event);
        }
    }

    fn take(&self) -> Vec<Event> {
        let mut events = self.lock();
        let count = events.len().min(BATCH);
        events.drain(..count).collect()
    }

    /// The next one.
    #[cfg(test)]
    pub(super) fn pop(&self) -> Option<Event> {
        self.lock().pop_front()
    }

    /// Digests under another key mean nothing to anybody.
    fn drop_wrong(&self) {
        self.lock().retain(|event| !matches!(event, Event::Wrong { .. }));
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One node's place in the log.
pub(super) struct Sharing {
    redis: Redis,
    /// By which it knows its own entries.
    node: String,
    /// What was read last.
    id: String,
    agreed: Option<Agreed>,
}

/// Since when the nodes' key is known, and the server's clock then.
struct Agreed {
    at: Instant,
    clock: Duration,
}

impl Sharing {
    pub(super) fn new(redis: Redis, node: u32) -> Self {
        Self { redis, node: format!("{node:08x}"), id: BEGIN.to_owned(), agreed: None }
    }

    /// Writes what waits and reads what is new.
    pub(super) async fn exchange(&mut self, inner: &Inner, now: Instant) -> Result<(), Error> {
        let Some(outbox) = &inner.outbox else { return Ok(()) };
        let is_due = |agreed: &Agreed| now.saturating_duration_since(agreed.at) >= AGREE_AGAIN;
        if self.agreed.as_ref().is_none_or(is_due) {
            self.agree(inner, outbox, now).await?;
        }
        loop {
            let events = outbox.take();
            if events.is_empty() {
                break;
            }
            let text = serde_json::to_string(&events).unwrap_or_default();
            let fields = [("node", self.node.as_str()), ("events", &text)];
            if let Err(error) = self.redis.append(LOG, LOG_ENTRIES, &fields).await {
                self.agreed = None;
                events.into_iter().for_each(|event| outbox.put(event));
                return Err(error);
            }
        }
        loop {
            let entries = self.redis.read_after(LOG, &self.id, READ).await.inspect_err(|_| {
                self.agreed = None;
            })?;
            let is_last = entries.len() < READ;
            for entry in &entries {
                self.take_in(inner, entry, now);
                self.id.clone_from(&entry.0);
            }
            if is_last {
                return Ok(());
            }
        }
    }

    async fn agree(&mut self, inner: &Inner, outbox: &Outbox, now: Instant) -> Result<(), Error> {
        self.agreed = None;
        let own = to_hex(&inner.digester.key());
        let mut text = self.redis.agree(KEY, &own).await?;
        let clock = self.redis.time().await?;
        if let Some(key) = from_hex(&text)
            && inner.digester.set_key(key)
        {
            outbox.drop_wrong();
        }
        text.zeroize();
        self.agreed = Some(Agreed { at: now, clock });
        Ok(())
    }

    /// Counts what another node has written, as of when it was written.
    fn take_in(&self, inner: &Inner, (id, fields): &StreamEntry, now: Instant) {
        let value = |name: &str| {
            let mut pairs = fields.chunks_exact(2);
            pairs.find_map(|pair| (pair[0] == name).then_some(pair[1].as_str()))
        };
        if value("node") == Some(&self.node) {
            return;
        }
        let events: Vec<Event> =
            value("events").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let at = now.checked_sub(self.age(id, now)).unwrap_or(now);
        events.into_iter().for_each(|event| inner.take_in(event, at, now));
    }

    fn age(&self, id: &str, now: Instant) -> Duration {
        let written = id.split('-').next().and_then(|millis| millis.parse().ok()).map(Duration::from_millis);
        let (Some(written), Some(Agreed { at, clock })) = (written, &self.agreed) else {
            return Duration::ZERO;
        };
        (*clock + now.saturating_duration_since(*at)).saturating_sub(written)
    }
}

impl Inner {
    /// What another node sent. Its own settings may differ: trust and limits are this node's.
    pub(super) fn take_in(&self, event: Event, at: Instant, now: Instant) {
        match event {
            Event::Wrong { user, place, digest, reach } => {
                let Ok(user) = Username::parse(user.as_bytes()) else { return };
                let age = now.saturating_duration_since(at);
                if age < self.config.forget_after.get() && !self.is_trusted(place) {
                    self.count(&Wrong { user, place, digest, reach }, at);
                }
            }
            Event::Right { user, place } => {
                if let Ok(user) = Username::parse(user.as_bytes()) {
                    self.welcome(&user, place, at, false);
                }
            }
            Event::Clear { target } => {
                if let Some(target) = Target::parse(&target) {
                    self.clear(&target);
                }
            }
        }
    }
}

fn to_hex(key: &Key) -> Zeroizing<String> {
    Zeroizing::new(key.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn from_hex(text: &str) -> Option<Key> {
    let mut key: Key = Zeroizing::new([0; KEY_BYTES]);
    if text.len() != 2 * KEY_BYTES || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_the_way() {
        let key: Key = Zeroizing::new(std::array::from_fn(|index| u8::try_from(index * 7).unwrap()));
        assert_eq!(*from_hex(&to_hex(&key)).unwrap(), *key);
        for text in ["", "00", &"g".repeat(64), &"ä".repeat(32)] {
            assert!(from_hex(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_outbox_is_bounded_and_an_old_keys_digests_are_dropped() {
        let outbox = Outbox::default();
        let place = Place::Host4([192, 0, 2, 1]);
        for number in 0..5000 {
            let user = format!("a{number}@example.org");
            outbox.put(Event::Wrong { user, place, digest: 1, reach: Reach::Everything });
        }
        let length = outbox.lock().len();
        assert_eq!((length, outbox.take().len()), (OUTBOX, BATCH));
        outbox.drop_wrong();
        let right = Event::Right { user: "a@example.org".to_owned(), place };
        outbox.put(right.clone());
        outbox.drop_wrong();
        assert_eq!(outbox.take(), [right]);
    }
}
