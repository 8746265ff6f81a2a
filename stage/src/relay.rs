//! A relay before Keycloak: it notes each request, and it can answer in Keycloak's place.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use serde_json::Value;
use socket2::SockRef;

use crate::{Failure, Result, free_port};

/// What becomes of a question about people; tokens are always passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    /// Passed on.
    Pass,
    /// Answered with this status and this body.
    Answer(&'static str, &'static str),
    /// Never answered.
    Hang,
    /// The connection is closed in place of an answer.
    Close,
    /// The connection is reset in place of an answer.
    Reset,
    /// Nobody listens at the port any more, and open connections end.
    Refuse,
    /// A double's answer: this body begins, more of it is announced, and the connection ends.
    CutOff(&'static str),
    /// A double's answer: what Keycloak says, without anybody's attributes.
    Strip,
    /// Passed on, one in so long a time.
    Pace(Duration),
    /// A double's clock: the realm's description comes with this `Date`; everything else is passed on.
    Clock(&'static str),
}

/// Connections that wait to be taken.
const BACKLOG: i32 = 128;
/// Between two looks at whether somebody is to listen again.
const STEP: Duration = Duration::from_millis(10);

/// A port of loopback that leads to Keycloak.
pub struct Relay {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    target: Mutex<String>,
    conduct: Mutex<Conduct>,
    /// Clients that are connected, or were.
    clients: Mutex<Vec<TcpStream>>,
    /// When the next question may be passed on, with [`Conduct::Pace`].
    next: Mutex<Instant>,
    /// Request lines in the order in which they came.
    requests: Mutex<Vec<String>>,
    stopped: AtomicBool,
}

impl Relay {
    /// Opens a port that leads to `host:port`. What is encrypted is passed on and not noted.
    pub fn start(target: &str) -> Result<Self> {
        let failed = |error: std::io::Error| Failure(format!("open a relay before Keycloak: {error}"));
        // Bound by number: the port then stays this relay's while nobody listens there.
        let port = free_port()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(failed)?;
        let shared = Arc::new(Shared {
            target: Mutex::new(target.to_owned()),
            conduct: Mutex::new(Conduct::Pass),
            clients: Mutex::default(),
            next: Mutex::new(Instant::now()),
            requests: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accepting.accept(&listener));
        Ok(Self { port, shared })
    }

    /// Its base address, for `[keycloak] server_url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Behaves otherwise from the next request on.
    pub fn turn(&self, conduct: Conduct) {
        let before = std::mem::replace(&mut *lock(&self.shared.conduct), conduct);
        if (before == Conduct::Refuse) != (conduct == Conduct::Refuse) {
            self.cut();
            let refuses = conduct == Conduct::Refuse;
            // The thread that accepts notices at the next connection that this one is no more wanted, or wanted again.
            while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() == refuses {
                sleep(STEP);
            }
        }
    }

    /// Stops listening; open connections end. [`Conduct::Pass`] opens it again.
    pub fn shut(&self) {
        self.turn(Conduct::Refuse);
    }

    /// Leads elsewhere from now on: to `host:port`. Open connections end.
    pub fn lead_to(&self, target: &str) {
        target.clone_into(&mut *lock(&self.shared.target));
        self.cut();
    }

    /// Ends all open connections.
    pub fn cut(&self) {
        for client in lock(&self.shared.clients).drain(..) {
            // One that has ended already is ended.
            let _ = client.shutdown(Shutdown::Both);
        }
    }

    /// The lines of all requests that hold this text, in the order in which they came.
    pub fn requests(&self, text: &str) -> Vec<String> {
        lock(&self.shared.requests).iter().filter(|line| line.contains(text)).cloned().collect()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

impl Shared {
    /// Takes connections; while nobody is to listen, refuses them and keeps the port.
    fn accept(self: Arc<Self>, listener: &TcpListener) {
        loop {
            let Ok((client, _)) = listener.accept() else { return };
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            if *lock(&self.conduct) == Conduct::Refuse {
                drop(client);
                let socket = SockRef::from(listener);
                if socket.shutdown(Shutdown::Both).is_err() {
                    return;
                }
                while *lock(&self.conduct) == Conduct::Refuse && !self.stopped.load(Ordering::Relaxed) {
                    sleep(STEP);
                }
                if socket.listen(BACKLOG).is_err() {
                    return;
                }
                continue;
            }
            let shared = Arc::clone(&self);
            // A connection that fails fails for the client too, and that is what it is to see.
            thread::spawn(move || shared.serve(client));
        }
    }

    fn serve(self: Arc<Self>, mut client: TcpStream) -> std::io::Result<()> {
        let target = lock(&self.target).clone();
        let mut server = TcpStream::connect(&target)?;
        lock(&self.clients).push(client.try_clone()?);
        if *lock(&self.conduct) == Conduct::Refuse {
            // Refused while it was on its way here.
            return client.shutdown(Shutdown::Both);
        }
        let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
        let is_reset = Arc::new(AtomicBool::new(false));
        let hears = Arc::clone(&is_reset);
        let answers = thread::spawn(move || {
            // Ends when either side does.
            let _ = std::io::copy(&mut from, &mut to);
            // A reset comes without a FIN before it.
            if hears.load(Ordering::Relaxed) { Ok(()) } else { to.shutdown(Shutdown::Both) }
        });
        let mut block = [0; 16 * 1024];
        loop {
            // A client sends one request at a time, in one block: they are small.
            let length = client.read(&mut block)?;
            if length == 0 {
                return server.shutdown(Shutdown::Both);
            }
            let sent = &block[..length];
            match self.note(sent) {
                Conduct::Pass => server.write_all(sent)?,
                Conduct::Pace(pause) => {
                    self.wait_for_turn(pause);
                    server.write_all(sent)?;
                }
                Conduct::Answer(status, body) => answer(&mut client, status, body, 0)?,
                Conduct::CutOff(body) => {
                    answer(&mut client, "200 OK", body, 1000)?;
                    return client.shutdown(Shutdown::Both);
                }
                Conduct::Strip => answer(&mut client, "200 OK", &stripped(&target, sent)?, 0)?,
                Conduct::Clock(date) => dated(&mut client, &fetched(&target, sent)?, date)?,
                Conduct::Hang => {}
                Conduct::Close | Conduct::Refuse => return client.shutdown(Shutdown::Both),
                Conduct::Reset => {
                    is_reset.store(true, Ordering::Relaxed);
                    server.shutdown(Shutdown::Both)?;
                    let _ = answers.join();
                    return self.reset(client);
                }
            }
        }
    }

    /// Notes the request lines in it, and says what is to be done.
    fn note(&self, sent: &[u8]) -> Conduct {
        let text = String::from_utf8_lossy(sent);
        let lines: Vec<_> =
            text.lines().filter(|line| line.contains(" HTTP/1.")).map(str::to_owned).collect();
        let about_people = lines.iter().any(|line| line.contains(" /admin/"));
        lock(&self.requests).extend(lines);
        let conduct = *lock(&self.conduct);
        let is_description = text.contains("/.well-known/");
        match conduct {
            Conduct::Clock(_) if is_description => conduct,
            Conduct::Clock(_) => Conduct::Pass,
            _ if about_people => conduct,
            _ => Conduct::Pass,
        }
    }

    /// Ends a connection as a crash does. It must be closed for that, in all its copies.
    fn reset(&self, client: TcpStream) -> std::io::Result<()> {
        let peer = client.peer_addr()?;
        lock(&self.clients).retain(|open| open.peer_addr().is_ok_and(|other| other != peer));
        let at_once = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        nix::sys::socket::setsockopt(&client, nix::sys::socket::sockopt::Linger, &at_once)?;
        drop(client);
        Ok(())
    }

    fn wait_for_turn(&self, pause: Duration) {
        let turn = {
            let mut next = lock(&self.next);
            let turn = (*next).max(Instant::now());
            *next = turn + pause;
            turn
        };
        sleep(turn.saturating_duration_since(Instant::now()));
    }
}

fn answer(client: &mut TcpStream, status: &str, body: &str, missing: usize) -> std::io::Result<()> {
    let length = body.len() + missing;
    write!(
        client,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// Keycloak's answer to this request without the attributes of the people in it.
fn stripped(target: &str, request: &[u8]) -> std::io::Result<String> {
    let mut people: Value = serde_json::from_str(&fetched(target, request)?)?;
    for person in people.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        person.remove("attributes");
    }
    Ok(people.to_string())
}

fn dated(client: &mut TcpStream, body: &str, date: &str) -> std::io::Result<()> {
    let length = body.len();
    write!(
        client,
        "HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// Keycloak's answer to this request.
fn fetched(target: &str, request: &[u8]) -> std::io::Result<String> {
    let mut server = TcpStream::connect(target)?;
    // Of HTTP/1.0, so that the answer comes in one piece.
    let request = String::from_utf8_lossy(request).replacen(" HTTP/1.1\r\n", " HTTP/1.0\r\n", 1);
    server.write_all(request.as_bytes())?;
    let mut text = String::new();
    server.read_to_string(&mut text)?;
    Ok(text.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default().to_owned())
}

/// No code panics while it holds a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
