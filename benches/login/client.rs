//! A closed-loop client of the auth client protocol: each connection keeps so many logins under way, no more.
//!
//! It runs on the calling thread. What it is told to expect it checks: the verdict, and the name in it.

use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use memchr::memchr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::histogram::Histogram;
use super::requests::{Choice, People};

/// How long connecting and the handshakes may take together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the last replies are waited for; what is missing then is lost. Longer than keydove's deadline for a
/// login, which is 5 s.
const GRACE: Duration = Duration::from_secs(6);
const READ_BYTES: usize = 16_384;

/// What one run does.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// The server's socket.
    pub socket: &'a Path,
    /// Who logs in.
    pub people: &'a People,
    /// Connections, all open for the whole run.
    pub connections: usize,
    /// Logins under way on each connection.
    pub depth: usize,
    /// Time before measuring starts.
    pub warm_up: Duration,
    /// Time that is measured.
    pub window: Duration,
    /// What a right reply is.
    pub expect: Expect,
}

/// What a right reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// OK with the person's name for the right password, FAIL for the wrong one.
    Verdicts,
    /// OK, whatever was asked.
    AlwaysOk,
}

/// What came of one run. Counts are of the whole run, `latency` is of its measured part.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Accepted.
    pub ok: u64,
    /// Refused.
    pub fail: u64,
    /// The server could not tell.
    pub temp: u64,
    /// A wrong verdict, a wrong name, a reply to nothing, a line that is no reply.
    pub unexpected: u64,
    /// Requests without a reply.
    pub lost: u64,
    /// Of decided logins: from writing the request to reading its reply.
    pub latency: Histogram,
    /// The measured time.
    pub window: Duration,
    /// Processor time of the server, from the first request to the last reply.
    pub cpu: Duration,
}

impl Outcome {
    /// Decided logins per second.
    pub fn rate(&self) -> f64 {
        self.latency.count() as f64 / self.window.as_secs_f64()
    }

    /// Processor time of the server per reply, in µs.
    pub fn cpu_per_login(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / (self.ok + self.fail + self.temp).max(1) as f64
    }
}

/// Runs a load. `read_cpu` tells the processor time that the server has used so far.
pub fn run(load: Load<'_>, read_cpu: impl Fn() -> io::Result<Duration>) -> io::Result<Outcome> {
    let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    reactor.block_on(async {
        let streams = timeout(CONNECT_TIMEOUT, connect_all(load))
            .await
            .map_err(|_| io::Error::other("the server did not greet every connection in time"))??;
        let cpu_before = read_cpu()?;
        let tally = RefCell::new(Tally::new(load));
        let connections: FuturesUnordered<_> = (1..)
            .zip(streams)
            .map(|(seed, stream)| Connection::new(load, seed, &tally).drive(stream))
            .collect();
        let whole = load.warm_up + load.window + GRACE;
        // Whoever has not ended by then is still owed replies, and those are counted.
        let _ = timeout(whole, tokio::task::unconstrained(connections.collect::<Vec<()>>())).await;
        let cpu = read_cpu()?.saturating_sub(cpu_before);
        let tally = tally.into_inner();
        Ok(Outcome { lost: tally.in_flight, cpu, ..tally.outcome })
    })
}

async fn connect_all(load: Load<'_>) -> io::Result<Vec<UnixStream>> {
    let mut streams = Vec::with_capacity(load.connections);
    for number in 1..=load.connections {
        let mut stream = UnixStream::connect(load.socket).await?;
        stream.write_all(format!("VERSION\t1\t2\nCPID\t{number}\n").as_bytes()).await?;
        let mut greeting = Vec::new();
        while !greeting.ends_with(b"\nDONE\n") {
            if stream.read_buf(&mut greeting).await? == 0 {
                return Err(io::Error::other("the server closed a connection during the handshake"));
            }
        }
        streams.push(stream);
    }
    Ok(streams)
}

/// What all connections of a run count together.
struct Tally {
    outcome: Outcome,
    in_flight: u64,
    from: Instant,
    until: Instant,
}

impl Tally {
    fn new(load: Load<'_>) -> Self {
        let from = now() + load.warm_up;
        let outcome = Outcome {
            ok: 0,
            fail: 0,
            temp: 0,
            unexpected: 0,
            lost: 0,
            latency: Histogram::new(),
            window: load.window,
            cpu: Duration::ZERO,
        };
        Self { outcome, in_flight: 0, from, until: from + load.window }
    }
}

/// A login under way.
#[derive(Clone, Copy)]
struct Sent {
    id: u32,
    choice: Choice,
    at: Instant,
}

struct Connection<'a> {
    load: Load<'a>,
    tally: &'a RefCell<Tally>,
    /// One place per login under way; an id belongs to the place of its rest by `depth`.
    places: Vec<Option<Sent>>,
    last_ids: Vec<u32>,
    output: Vec<u8>,
    random: u64,
}

impl<'a> Connection<'a> {
    fn new(load: Load<'a>, seed: u64, tally: &'a RefCell<Tally>) -> Self {
        Self {
            load,
            tally,
            places: vec![None; load.depth],
            last_ids: (0..load.depth).map(|place| place as u32).collect(),
            output: Vec::new(),
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        }
    }

    /// Sends and receives until the time is up and every reply is there, or the server hangs up.
    async fn drive(mut self, mut stream: UnixStream) {
        let (mut input, mut have) = (vec![0; READ_BYTES], 0);
        let start = now();
        (0..self.load.depth).for_each(|place| self.send(place, start));
        while self.places.iter().any(Option::is_some) {
            if stream.write_all(&self.output).await.is_err() {
                return;
            }
            self.output.clear();
            match stream.read(&mut input[have..]).await {
                Ok(length) if length > 0 => have += length,
                _ => return,
            }
            let at = now();
            let mut done = 0;
            while let Some(length) = memchr(b'\n', &input[done..have]) {
                self.take_reply(&input[done..done + length], at);
                done += length + 1;
            }
            input.copy_within(done..have, 0);
            have -= done;
        }
    }

    fn send(&mut self, place: usize, at: Instant) {
        // xorshift64: quick, and the same in every run.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let choice = self.load.people.choose(self.random);
        let id = self.last_ids[place] + self.load.depth as u32;
        self.last_ids[place] = id;
        self.places[place] = Some(Sent { id, choice, at });
        self.load.people.write_line(id, choice, &mut self.output);
        self.tally.borrow_mut().in_flight += 1;
    }

    fn take_reply(&mut self, line: &[u8], at: Instant) {
        let reply = Reply::read(line);
        let place = reply.id as usize % self.load.depth;
        let mut tally = self.tally.borrow_mut();
        let Some(sent) = self.places[place].take_if(|sent| sent.id == reply.id) else {
            tally.outcome.unexpected += 1;
            return;
        };
        tally.in_flight -= 1;
        let outcome = &mut tally.outcome;
        match reply.kind {
            ReplyKind::Ok => outcome.ok += 1,
            ReplyKind::Fail => outcome.fail += 1,
            ReplyKind::TempFail => outcome.temp += 1,
            ReplyKind::Other => {}
        }
        outcome.unexpected += u64::from(!self.is_expected(&reply, sent.choice));
        if reply.kind != ReplyKind::TempFail && (tally.from..tally.until).contains(&at) {
            tally.outcome.latency.add(at - sent.at);
        }
        let goes_on = at < tally.until;
        drop(tally);
        if goes_on {
            self.send(place, at);
        }
    }

    fn is_expected(&self, reply: &Reply<'_>, choice: Choice) -> bool {
        let name = self.load.people.person(choice.person).name.as_bytes();
        match (reply.kind, self.load.expect) {
            (ReplyKind::Ok, Expect::AlwaysOk) => true,
            (ReplyKind::Ok, Expect::Verdicts) => !choice.wrong && reply.user == Some(name),
            (ReplyKind::Fail, Expect::Verdicts) => choice.wrong,
            (ReplyKind::TempFail, Expect::Verdicts) => true,
            (ReplyKind::Fail | ReplyKind::TempFail, Expect::AlwaysOk) | (ReplyKind::Other, _) => false,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ReplyKind {
    Ok,
    Fail,
    TempFail,
    Other,
}

/// A line of the server.
struct Reply<'a> {
    kind: ReplyKind,
    /// 0, which no request has, if there is none.
    id: u32,
    user: Option<&'a [u8]>,
}

impl<'a> Reply<'a> {
    fn read(line: &'a [u8]) -> Self {
        let mut fields = line.split(|&byte| byte == b'\t');
        let command = fields.next().unwrap_or_default();
        let id = fields.next().and_then(|id| str::from_utf8(id).ok()?.parse().ok()).unwrap_or(0);
        let (mut user, mut temp) = (None, false);
        for field in fields {
            if let Some(name) = field.strip_prefix(b"user=") {
                user = Some(name);
            }
            // Servers before Dovecot 2.3 say `temp`.
            temp |= field == b"code=temp_fail" || field == b"temp";
        }
        let kind = match command {
            b"OK" => ReplyKind::Ok,
            b"FAIL" if temp => ReplyKind::TempFail,
            b"FAIL" => ReplyKind::Fail,
            _ => ReplyKind::Other,
        };
        Self { kind, id, user }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is what the benchmark measures with")]
fn now() -> Instant {
    Instant::now()
}
