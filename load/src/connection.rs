//! One connection to the server: its socket, what is still to be written, and the requests under way.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use memchr::memchr;

use crate::people::Choice;

/// Bits of an id that say which place it has; the rest counts the place's uses.
const PLACE_BITS: u32 = 12;
const PLACES: u32 = 1 << PLACE_BITS;
/// Ids stay below 2³¹, as Dovecot's do.
const MOST_USES: u32 = (1 << (31 - PLACE_BITS)) - 1;
/// A server's line is not longer.
const MAX_LINE: usize = 16_384;

/// A login under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) choice: Choice,
    pub(crate) at: Instant,
}

/// The requests under way of one connection, by id.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    places: Vec<(u32, Option<Sent>)>,
    free: Vec<u32>,
    count: usize,
}

impl UnderWay {
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn is_full(&self) -> bool {
        self.count == PLACES as usize
    }

    /// Takes a request in and gives it an id that no other one has; it must not be [full](Self::is_full).
    pub(crate) fn add(&mut self, sent: Sent) -> u32 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push((0, None));
            self.places.len() as u32 - 1
        });
        let (uses, slot) = &mut self.places[place as usize];
        *uses = *uses % MOST_USES + 1;
        *slot = Some(sent);
        self.count += 1;
        (*uses << PLACE_BITS) | place
    }

    /// Gives out the request with this id, once.
    pub(crate) fn take(&mut self, id: u32) -> Option<Sent> {
        let place = id % PLACES;
        let (uses, slot) = self.places.get_mut(place as usize)?;
        let sent = if *uses == id >> PLACE_BITS { slot.take() } else { None }?;
        self.free.push(place);
        self.count -= 1;
        Some(sent)
    }
}

/// Where a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The server has not said DONE yet.
    Greeting,
    Open,
    Closed,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: UnixStream,
    pub(crate) state: State,
    pub(crate) under_way: UnderWay,
    /// What is still to be written.
    pub(crate) output: Vec<u8>,
    /// Whether epoll also tells when there is room to write.
    pub(crate) waits_for_room: bool,
    /// The login that this connection was opened for; it is sent after the greeting.
    pub(crate) first: Option<Sent>,
    /// The beginning of a line.
    rest: Vec<u8>,
}

impl Connection {
    /// Connects and says who is there. `number` must be no other open connection's.
    pub(crate) fn open(socket: &Path, number: u32, first: Option<Sent>) -> io::Result<Self> {
        // Blocks while the server's queue of new connections is full.
        let stream = UnixStream::connect(socket)?;
        stream.set_nonblocking(true)?;
        let mut connection = Self {
            stream,
            state: State::Greeting,
            under_way: UnderWay::default(),
            output: format!("VERSION\t1\t2\nCPID\t{number}\n").into_bytes(),
            waits_for_room: false,
            first,
            rest: Vec::new(),
        };
        connection.flush()?;
        Ok(connection)
    }

    /// Writes what the socket takes. Says whether that was all.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        let mut done = 0;
        while done < self.output.len() {
            match self.stream.write(&self.output[done..]) {
                Ok(length) => done += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if done == self.output.len() {
            self.output.clear();
            return Ok(true);
        }
        self.output.drain(..done);
        Ok(false)
    }

    /// Reads once into `buffer`, behind what was left of the last time. Returns how much is there; 0 is the end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let before = self.rest.len();
        buffer[..before].copy_from_slice(&self.rest);
        loop {
            match self.stream.read(&mut buffer[before..]) {
                Ok(0) => return Ok(0),
                Ok(length) => {
                    self.rest.clear();
                    return Ok(before + length);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Keeps the beginning of a line until its end comes.
    pub(crate) fn keep(&mut self, rest: &[u8]) -> io::Result<()> {
        if rest.len() > MAX_LINE {
            return Err(io::Error::other("the server sends a line without an end"));
        }
        self.rest.extend_from_slice(rest);
        Ok(())
    }
}

/// Cuts whole lines off; what is left is the beginning of one.
pub(crate) fn next_line<'a>(text: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = memchr(b'\n', text)?;
    let line = &text[..end];
    *text = &text[end + 1..];
    Some(line)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::now;

    fn sent(person: usize) -> Sent {
        Sent { choice: Choice { person, is_wrong: false }, at: now() }
    }

    #[test]
    fn an_id_is_answered_once() {
        let mut under_way = UnderWay::default();
        let id = under_way.add(sent(1));
        assert!(under_way.take(id + 1).is_none() && under_way.take(0).is_none());
        assert_eq!(under_way.take(id).map(|sent| sent.choice.person), Some(1));
        assert!(under_way.take(id).is_none());
        let next = under_way.add(sent(2));
        assert_ne!(next, id, "a late reply must not be taken for another");
        assert_eq!(under_way.count(), 1);
    }

    #[test]
    fn uses_begin_again_before_ids_end() {
        let mut under_way = UnderWay::default();
        let mut last = 0;
        for _ in 0..=MOST_USES {
            last = under_way.add(sent(0));
            assert!(last != 0 && last < 1 << 31);
            assert!(under_way.take(last).is_some());
        }
        assert_eq!(last, PLACES, "the first one again");
    }

    proptest! {
        #[test]
        fn no_two_under_way_have_one_id(steps in prop::collection::vec(any::<bool>(), 1..300)) {
            let mut under_way = UnderWay::default();
            let mut known = Vec::new();
            for (person, adds) in steps.into_iter().enumerate() {
                if adds {
                    known.push((under_way.add(sent(person)), person));
                } else if let Some((id, person)) = known.pop() {
                    prop_assert_eq!(under_way.take(id).map(|sent| sent.choice.person), Some(person));
                }
                let ids: HashSet<u32> = known.iter().map(|known| known.0).collect();
                prop_assert_eq!(ids.len(), known.len());
                prop_assert_eq!(under_way.count(), known.len());
            }
        }

        #[test]
        fn lines_and_their_rest_are_the_whole_text(text in "[a-z\n]{0,60}") {
            let mut rest = text.as_bytes();
            let mut lines = Vec::new();
            while let Some(line) = next_line(&mut rest) {
                prop_assert!(!line.contains(&b'\n'));
                lines.extend_from_slice(line);
                lines.push(b'\n');
            }
            prop_assert!(!rest.contains(&b'\n'));
            lines.extend_from_slice(rest);
            prop_assert_eq!(lines, text.as_bytes());
        }
    }
}
