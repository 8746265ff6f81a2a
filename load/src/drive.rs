//! The loop of a load: epoll, replies, the next requests.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::arrivals::Random;
use crate::connection::{Connection, Sent, State, next_line};
use crate::people::Choice;
use crate::reply::{Kind, Reply};
use crate::sense::check;
use crate::{Expect, Load, Moment, Outcome, Pace, Reuse, Turns, now};

/// How long the handshakes may take together.
const GREETING_TIMEOUT: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(500);
/// No wait is longer, so that no moment passes unnoticed.
const LONGEST_WAIT: Duration = Duration::from_millis(50);
const READ_BYTES: usize = 1 << 16;
const EVENTS: usize = 256;

/// Runs a load. `watch` hears how it goes.
///
/// # Errors
/// The load cannot be, the socket cannot be reached, or the server does not greet. What happens later is counted in the outcome.
pub fn run(load: &Load<'_>, watch: &mut dyn FnMut(Moment, &Outcome)) -> io::Result<Outcome> {
    check(load)?;
    let mut driver = Driver::new(*load)?;
    driver.connect_all()?;
    watch(Moment::Begins, &driver.outcome);
    driver.drive(watch);
    let mut outcome = driver.outcome;
    outcome.lost += driver.in_flight as u64;
    Ok(outcome)
}

struct Driver<'a> {
    load: Load<'a>,
    epoll: Epoll,
    connections: Vec<Connection>,
    outcome: Outcome,
    /// On all connections, those that wait for a greeting included.
    in_flight: usize,
    random: Random,
    next_person: usize,
    guesses: u64,
    next_number: u32,
    buffer: Vec<u8>,
    from: Instant,
    until: Instant,
    /// The connection of the next arrival.
    round_robin: usize,
}

impl<'a> Driver<'a> {
    fn new(load: Load<'a>) -> io::Result<Self> {
        let from = now();
        Ok(Self {
            load,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            connections: Vec::new(),
            outcome: Outcome::default(),
            in_flight: 0,
            random: Random::new(),
            next_person: 0,
            guesses: 0,
            // Dovecot takes no number that an open connection of any process has.
            next_number: (std::process::id() % (1 << 19)) << 12,
            buffer: vec![0; READ_BYTES],
            from,
            until: from,
            round_robin: 0,
        })
    }

    /// Connects, and waits for every greeting. With [`Reuse::PerLogin`] it only tries whether somebody is there.
    fn connect_all(&mut self) -> io::Result<()> {
        let wanted = if self.load.reuse == Reuse::Kept { self.load.connections } else { 1 };
        for index in 0..wanted {
            let connection = self.open(index, None)?;
            self.connections.push(connection);
        }
        let give_up = now() + GREETING_TIMEOUT;
        let mut events = [EpollEvent::empty(); EVENTS];
        while self.connections.iter().any(|connection| connection.state == State::Greeting) {
            if now() > give_up {
                return Err(io::Error::other("the server does not greet every connection"));
            }
            for event in self.wait(&mut events, LONGEST_WAIT) {
                self.hear(event.data() as usize, event.events());
            }
            if self.outcome.closed > 0 {
                return Err(io::Error::other("the server closes connections during the handshake"));
            }
        }
        if self.load.reuse == Reuse::PerLogin {
            self.connections.clear();
        }
        Ok(())
    }

    fn open(&mut self, index: usize, first: Option<Sent>) -> io::Result<Connection> {
        self.next_number = (self.next_number + 1) % (1 << 31);
        let connection = Connection::open(self.load.socket, self.next_number.max(1), first)?;
        self.epoll.add(&connection.stream, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
        Ok(connection)
    }

    fn wait<'e>(&self, events: &'e mut [EpollEvent], longest: Duration) -> &'e [EpollEvent] {
        // Whole milliseconds, rounded down: the last part of one is waited for without sleep.
        let millis = longest.min(LONGEST_WAIT).as_millis() as u16;
        // Only a signal ends a wait with an error.
        let count = self.epoll.wait(events, EpollTimeout::from(millis)).unwrap_or(0);
        &events[..count]
    }

    fn drive(&mut self, watch: &mut dyn FnMut(Moment, &Outcome)) {
        let start = now();
        self.from = start + self.load.warm_up;
        self.until = self.from + self.load.window;
        let mut arrival = start;
        self.begin(start);
        let (mut measures, mut measured, mut tick) = (false, false, start + TICK);
        let mut events = [EpollEvent::empty(); EVENTS];
        loop {
            let at = now();
            if at >= self.from && !std::mem::replace(&mut measures, true) {
                watch(Moment::Measures, &self.outcome);
            }
            let at_end = at >= self.until || (self.is_exhausted() && self.in_flight == 0);
            if at_end && !std::mem::replace(&mut measured, true) {
                self.outcome.measured = self.until.min(at) - self.from.min(at);
                watch(Moment::Measured, &self.outcome);
            }
            let nobody_left = self.connections.iter().all(|connection| connection.state == State::Closed);
            if (at_end && self.in_flight == 0) || at > self.until + self.load.grace || nobody_left {
                if !measured {
                    self.outcome.measured = at - self.from.min(at);
                }
                return;
            }
            if at >= tick {
                tick = at + TICK;
                watch(Moment::Ticks, &self.outcome);
            }
            let mut longest = LONGEST_WAIT;
            if let Pace::Open { per_second } = self.load.pace {
                while arrival <= at && arrival < self.until {
                    self.arrive(arrival);
                    arrival += self.random.gap(per_second);
                }
                longest = if arrival < self.until { arrival - at.min(arrival) } else { longest };
            }
            for event in self.wait(&mut events, longest) {
                self.hear(event.data() as usize, event.events());
            }
        }
    }

    /// Sends the first requests.
    fn begin(&mut self, at: Instant) {
        if self.load.reuse == Reuse::PerLogin {
            for index in 0..self.load.connections {
                let Some(choice) = self.choose() else { return };
                match self.open(index, Some(Sent { choice, at: now() })) {
                    Ok(connection) => {
                        self.in_flight += 1;
                        self.connections.push(connection);
                    }
                    Err(_) => self.outcome.closed += 1,
                }
            }
        } else if let Pace::Closed { depth } = self.load.pace {
            for index in 0..self.connections.len() {
                for _ in 0..depth {
                    self.send_next(index, at);
                }
                self.flush(index);
            }
        }
    }

    /// A login of the open loop. One that no connection can take is lost.
    fn arrive(&mut self, at: Instant) {
        for _ in 0..self.connections.len() {
            let index = self.round_robin % self.connections.len();
            self.round_robin += 1;
            let connection = &self.connections[index];
            if connection.state == State::Open && !connection.under_way.is_full() {
                self.send_next(index, at);
                self.flush(index);
                return;
            }
        }
        self.outcome.lost += 1;
    }

    fn is_exhausted(&self) -> bool {
        self.load.turns == Turns::EachOnce && self.next_person >= self.load.people.len()
    }

    /// Whose turn it is; nobody's once everybody had theirs.
    fn choose(&mut self) -> Option<Choice> {
        let person = match self.load.turns {
            Turns::Random => self.random.below(self.load.people.len()),
            Turns::EachOnce if self.is_exhausted() => return None,
            Turns::EachOnce => {
                self.next_person += 1;
                self.next_person - 1
            }
        };
        let is_wrong = self.load.wrong_percent > 0 && self.random.below(100) < self.load.wrong_percent.into();
        Some(Choice { person, is_wrong })
    }

    fn send_next(&mut self, index: usize, at: Instant) {
        if let Some(choice) = self.choose() {
            self.in_flight += 1;
            self.send(index, Sent { choice, at });
        }
    }

    fn send(&mut self, index: usize, sent: Sent) {
        let connection = &mut self.connections[index];
        let id = connection.under_way.add(sent);
        self.guesses += u64::from(sent.choice.is_wrong);
        self.load.people.write_line(id, sent.choice, self.guesses, &mut connection.output);
        self.outcome.sent += 1;
    }

    fn flush(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        let Ok(done) = connection.flush() else {
            self.close(index);
            return;
        };
        if done == connection.waits_for_room {
            connection.waits_for_room = !done;
            let room = if done { EpollFlags::empty() } else { EpollFlags::EPOLLOUT };
            let mut event = EpollEvent::new(EpollFlags::EPOLLIN | room, index as u64);
            if self.epoll.modify(&connection.stream, &mut event).is_err() {
                self.close(index);
            }
        }
    }

    /// The server has ended it, or it cannot be used any more. What is under way there is lost.
    fn close(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        if connection.state != State::Closed {
            connection.state = State::Closed;
            let lost = connection.under_way.count() + usize::from(connection.first.is_some());
            self.in_flight -= lost;
            self.outcome.lost += lost as u64;
            self.outcome.closed += 1;
            // The stream stays open here, so it must be taken out.
            let _ = self.epoll.delete(&connection.stream);
        }
    }

    /// Something has come on a connection, or there is room again.
    fn hear(&mut self, index: usize, flags: EpollFlags) {
        if self.connections[index].state == State::Closed {
            return;
        }
        if flags != EpollFlags::EPOLLOUT {
            let mut buffer = std::mem::take(&mut self.buffer);
            let read = self.connections[index].read(&mut buffer);
            match read {
                Ok(0) => self.close(index),
                Ok(length) => self.take_lines(index, &buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.close(index),
            }
            self.buffer = buffer;
        }
        let connection = &self.connections[index];
        if connection.state != State::Closed && (!connection.output.is_empty() || connection.waits_for_room) {
            self.flush(index);
        }
    }

    fn take_lines(&mut self, index: usize, text: &[u8]) {
        let (at, mut rest) = (now(), text);
        while let Some(line) = next_line(&mut rest) {
            if self.connections[index].state == State::Greeting {
                if line == b"DONE" {
                    self.connections[index].state = State::Open;
                    if let Some(first) = self.connections[index].first.take() {
                        self.send(index, first);
                    }
                }
            } else if self.take_reply(index, line, at) {
                // The rest of the text belongs to the connection that is gone.
                return;
            }
        }
        if self.connections[index].keep(rest).is_err() {
            self.close(index);
        }
    }

    /// Returns whether another connection stands in this one's place now.
    fn take_reply(&mut self, index: usize, line: &[u8], at: Instant) -> bool {
        let reply = Reply::read(line);
        let Some(sent) = self.connections[index].under_way.take(reply.id) else {
            self.outcome.unexpected += 1;
            return false;
        };
        self.in_flight -= 1;
        self.outcome.unexpected += u64::from(!self.is_expected(&reply, sent.choice));
        match reply.kind {
            Kind::Ok => self.outcome.ok += 1,
            Kind::Fail => self.outcome.fail += 1,
            Kind::TempFail => self.outcome.temp += 1,
            Kind::Other => {}
        }
        if matches!(reply.kind, Kind::Ok | Kind::Fail) && at >= self.from && at < self.until {
            self.outcome.latency.add(at.saturating_duration_since(sent.at));
        }
        if at < self.until {
            match (self.load.reuse, self.load.pace) {
                (Reuse::PerLogin, _) => return self.replace(index),
                (Reuse::Kept, Pace::Closed { .. }) => self.send_next(index, at),
                (Reuse::Kept, Pace::Open { .. }) => {}
            }
        }
        false
    }

    /// Opens a new connection in place of one that has served its login.
    fn replace(&mut self, index: usize) -> bool {
        let Some(choice) = self.choose() else { return false };
        match self.open(index, Some(Sent { choice, at: now() })) {
            Ok(connection) => {
                self.in_flight += 1;
                self.connections[index] = connection;
                true
            }
            Err(_) => {
                self.close(index);
                false
            }
        }
    }

    fn is_expected(&self, reply: &Reply<'_>, choice: Choice) -> bool {
        // A server may write a name in its own letter case.
        let is_right_name =
            || reply.user.is_some_and(|user| user.eq_ignore_ascii_case(self.load.people.name(choice.person)));
        match (reply.kind, self.load.expect) {
            (Kind::Ok, Expect::AlwaysOk) | (Kind::TempFail, Expect::Verdicts) => true,
            (Kind::Ok, Expect::Verdicts) => !choice.is_wrong && is_right_name(),
            (Kind::Fail, Expect::Verdicts) => choice.is_wrong,
            (Kind::Fail | Kind::TempFail, Expect::AlwaysOk) | (Kind::Other, _) => false,
        }
    }
}
