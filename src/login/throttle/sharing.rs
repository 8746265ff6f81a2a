//! What nodes tell each other through Redis: a log of what was wrong and right, sealed with a key that the nodes have and
//! Redis has not.
//!
//! Passwords are in there as digests under that key only. Names and addresses are in the clear, as in mailcow's own logs
//! there. Each node writes behind and reads in short intervals; a Redis that is away makes each count for itself. What
//! somebody else writes there counts nothing, costs no more than reading it, and takes bounded memory.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::book::{Reach, Wrong};
use super::client_network::ClientNetwork;
use super::seal::{Sealed, Sealer};
use super::{Inner, Target};
use crate::auth::{Secret, Username};
use crate::backend::records::BoundedMap;
use crate::backend::redis::{Error, Redis, StreamEntry};

const LOG: &str = "keydove:throttle:log";
/// Entries of the log, each of up to [`BATCH`] events.
const LOG_ENTRIES: usize = 20_000;
const BATCH: usize = 50;
/// The longest text of a batch, in bytes.
const MAX_EVENTS: usize = 128 << 10;
/// Entries that are read at once; together they are shorter than an answer of Redis may be.
const READ: usize = 50;
/// Answers that are read before it is time to write again.
const MOST_READS: usize = 500;
/// About 5,000 nodes, each process being another one.
const BELIEVED_BYTES: usize = 1 << 20;
/// Other nodes' clocks may be so far ahead, in milliseconds.
const SKEW: u64 = 300_000;
/// Events that wait for Redis; further ones are not shared.
const OUTBOX: usize = 4096;
const BEGIN: &str = "0-0";

/// When something is exchanged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// By this node's counters.
    pub(super) monotonic: Instant,
    /// By the wall clock, in milliseconds since 1970: nodes have no other clock in common.
    pub(super) millis: u64,
}

/// Something that other nodes count too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    Wrong { user: String, place: ClientNetwork, digest: u64, reach: Reach },
    Right { user: String, place: ClientNetwork },
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

    fn lock(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One node's place in the log.
pub(super) struct Sharing {
    redis: Redis,
    sealer: Sealer,
    /// By which it knows its own entries.
    node: String,
    /// Of its last entry.
    number: u64,
    /// What was read last.
    id: String,
    /// How many entries are read at once: one, after an answer that was too long.
    read: usize,
    /// The last entry of each other node that was believed.
    believed: BoundedMap<Box<str>, u64>,
    /// What was told of entries that are not believed.
    warned: bool,
}

impl Sharing {
    pub(super) fn new(redis: Redis, key: &Secret, node: u64) -> Self {
        Self {
            redis,
            sealer: Sealer::new(key),
            node: format!("{node:016x}"),
            number: 0,
            id: BEGIN.to_owned(),
            read: READ,
            believed: BoundedMap::new(BELIEVED_BYTES),
            warned: false,
        }
    }

    /// Writes what waits and reads what is new.
    pub(super) async fn exchange(&mut self, inner: &Inner, now: Clock) -> Result<(), Error> {
        let Some(outbox) = &inner.outbox else { return Ok(()) };
        for _ in 0..=OUTBOX / BATCH {
            let events = outbox.take();
            if events.is_empty() {
                break;
            }
            if let Err(error) = self.write(&events, now).await {
                events.into_iter().for_each(|event| outbox.put(event));
                return Err(error);
            }
        }
        for _ in 0..MOST_READS {
            let entries = match self.redis.read_after(LOG, &self.id, self.read).await {
                Err(Error::TooLong { .. }) => return self.step_back().await,
                read => read?,
            };
            let is_last = entries.len() < self.read;
            for entry in &entries {
                self.take_in(inner, entry, now);
                self.id.clone_from(&entry.0);
            }
            if is_last {
                self.read = READ;
                break;
            }
        }
        Ok(())
    }

    /// An answer was too long. The entries are looked at one by one; one that is too long by itself is nobody's that has
    /// the key, and there is no way round it: the log is begun anew. What was counted stays counted here.
    async fn step_back(&mut self) -> Result<(), Error> {
        if self.read > 1 {
            self.read = 1;
            return Ok(());
        }
        self.redis.delete(LOG).await?;
        self.read = READ;
        tracing::warn!(
            log = LOG,
            "something in Redis was too long to be a node's, so the nodes' log is begun anew: see who can write there"
        );
        Ok(())
    }

    async fn write(&mut self, events: &[Event], now: Clock) -> Result<(), Error> {
        self.number += 1;
        let events = serde_json::to_string(events).unwrap_or_default();
        let sealed =
            Sealed { node: &self.node, number: self.number, written: now.millis, events: events.as_str() };
        let (number, written) = (sealed.number.to_string(), sealed.written.to_string());
        let seal = self.sealer.seal(&sealed);
        let fields = [
            ("node", sealed.node),
            ("number", &number),
            ("written", &written),
            ("events", sealed.events),
            ("seal", &seal),
        ];
        self.redis.append(LOG, LOG_ENTRIES, &fields).await
    }

    /// Counts what another node has written, as of when it was written.
    fn take_in(&mut self, inner: &Inner, entry: &StreamEntry, now: Clock) {
        match self.believe(entry, now) {
            Belief::Own | Belief::Old => {}
            Belief::New(events, age) => {
                let at = now.monotonic.checked_sub(age).unwrap_or(now.monotonic);
                events.into_iter().for_each(|event| inner.take_in(event, at, now.monotonic));
            }
            Belief::None => {
                if !std::mem::replace(&mut self.warned, true) {
                    tracing::warn!(
                        log = LOG,
                        "something in Redis has no seal of ours, or is of another time, and is not counted: a node with \
                         another shared key or clock, an older keydove, or somebody who should not write there"
                    );
                }
            }
        }
    }

    fn believe(&mut self, (_, fields): &StreamEntry, now: Clock) -> Belief {
        let value = |name: &str| {
            let mut pairs = fields.chunks_exact(2);
            pairs.find_map(|pair| (pair[0] == name).then_some(pair[1].as_str()))
        };
        let number = |name: &str| value(name).and_then(|text| text.parse::<u64>().ok());
        let (Some(node), Some(events), Some(seal)) = (value("node"), value("events"), value("seal")) else {
            return Belief::None;
        };
        let (Some(number), Some(written)) = (number("number"), number("written")) else {
            return Belief::None;
        };
        if node == self.node {
            return Belief::Own;
        }
        let sealed = Sealed { node, number, written, events };
        let is_of_form = node.len() == self.node.len() && events.len() <= MAX_EVENTS;
        if !is_of_form || !self.sealer.proves(seal, &sealed) || written > now.millis + SKEW {
            return Belief::None;
        }
        // What was written once counts once, in whatever order it comes again.
        let known = self.believed.get_mut(&Box::from(node)).map(|last| *last);
        if known.is_some_and(|last| last >= number) {
            return Belief::Old;
        }
        self.believed.put(node.into(), number, node.len());
        let age = Duration::from_millis(now.millis.saturating_sub(written));
        Belief::New(serde_json::from_str(events).unwrap_or_default(), age)
    }
}

/// Whether an entry is a node's.
#[derive(Debug, PartialEq, Eq)]
enum Belief {
    /// This node's own.
    Own,
    /// Another's, which was counted before.
    Old,
    /// Another's, with its age.
    New(Vec<Event>, Duration),
    /// Nobody's who has the key, or of a time that is yet to come.
    None,
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
                let is_young = now.saturating_duration_since(at) < self.config.known_for.get();
                if let Ok(user) = Username::parse(user.as_bytes())
                    && is_young
                {
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

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "a key of all nodes";
    const SOON: u64 = 1_800_000_000_000;

    fn sharing(node: u64, key: &str) -> Sharing {
        let redis = Redis::new(
            &toml::from_str("socket = '/nowhere'").unwrap(),
            crate::backend::redis::Passwords::default(),
        )
        .unwrap();
        Sharing::new(redis, &Secret::from(key), node)
    }

    #[expect(clippy::disallowed_methods, reason = "a test's clock may start anywhere")]
    fn clock(millis: u64) -> Clock {
        Clock { monotonic: Instant::now(), millis }
    }

    fn event() -> Event {
        let place = ClientNetwork::Host4([192, 0, 2, 1]);
        Event::Wrong { user: "a@example.org".to_owned(), place, digest: 1, reach: Reach::Everything }
    }

    fn entry(by: &Sharing, number: u64, written: u64, events: &str) -> StreamEntry {
        let sealed = Sealed { node: &by.node, number, written, events };
        let fields = [
            ("node", by.node.clone()),
            ("number", number.to_string()),
            ("written", written.to_string()),
            ("events", events.to_owned()),
            ("seal", by.sealer.seal(&sealed)),
        ];
        let flat = fields.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
        (format!("{written}-0"), flat.collect())
    }

    #[test]
    fn only_who_has_the_key_is_believed_and_once() {
        let (writer, mut reader) = (sharing(1, KEY), sharing(2, KEY));
        let (stranger, own) = (sharing(3, "another key of theirs"), sharing(2, KEY));
        let text = serde_json::to_string(&[event()]).unwrap();
        let now = clock(SOON + 5000);
        let new = |seconds| Belief::New(vec![event()], Duration::from_secs(seconds));
        assert_eq!(reader.believe(&entry(&writer, 7, SOON, &text), now), new(5));
        for number in [7, 6, 1] {
            assert_eq!(reader.believe(&entry(&writer, number, SOON, &text), now), Belief::Old, "{number}");
        }
        assert_eq!(reader.believe(&entry(&writer, 8, SOON + 5000 + SKEW, &text), now), new(0));
        assert_eq!(reader.believe(&entry(&own, 9, SOON, &text), now), Belief::Own);
        let mut unsealed = entry(&writer, 10, SOON, &text);
        unsealed.1.truncate(8);
        let mut changed = entry(&writer, 11, SOON, &text);
        changed.1[7] = text.replace("a@", "b@");
        for (what, forged) in [
            ("a stranger's", entry(&stranger, 9, SOON, &text)),
            ("of the future", entry(&writer, 12, SOON + 5001 + SKEW, &text)),
            ("too long", entry(&writer, 13, SOON, &" ".repeat(MAX_EVENTS + 1))),
            ("unsealed", unsealed),
            ("changed", changed),
            ("of an older keydove", ("1-0".to_owned(), vec!["node".to_owned(), "x".to_owned()])),
        ] {
            assert_eq!(reader.believe(&forged, now), Belief::None, "{what}");
        }
    }

    /// Else a node with long names would write what no other node takes.
    #[test]
    fn a_full_batch_of_the_longest_names_is_short_enough() {
        let user = "\u{1}".repeat(255);
        let place = ClientNetwork::narrow(Some("2001:db8:ffff:ffff::1".parse().unwrap()));
        let longest = Event::Wrong { user, place, digest: u64::MAX, reach: Reach::Everything };
        let text = serde_json::to_string(&vec![longest; BATCH]).unwrap();
        assert!(text.len() <= MAX_EVENTS, "{}", text.len());
    }

    #[test]
    fn the_outbox_is_bounded() {
        let outbox = Outbox::default();
        let place = ClientNetwork::Host4([192, 0, 2, 1]);
        for number in 0..5000 {
            let user = format!("a{number}@example.org");
            outbox.put(Event::Wrong { user, place, digest: 1, reach: Reach::Everything });
        }
        let length = outbox.lock().len();
        assert_eq!((length, outbox.take().len()), (OUTBOX, BATCH));
    }
}
