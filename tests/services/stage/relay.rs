//! A relay before Keycloak: it notes each request, and it can answer in Keycloak's place.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::keycloak::Keycloak;
use super::{Failure, Result};

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
}

/// A port of loopback that leads to Keycloak.
pub struct Relay {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    target: String,
    conduct: Mutex<Conduct>,
    /// Request lines in the order in which they came.
    requests: Mutex<Vec<String>>,
    stopped: AtomicBool,
}

impl Relay {
    /// Opens a port that behaves in this way.
    pub fn start(keycloak: &Keycloak, conduct: Conduct) -> Result<Self> {
        let failed = |error: std::io::Error| Failure(format!("open a relay before Keycloak: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let target = keycloak.url().trim_start_matches("http://").to_owned();
        let shared = Arc::new(Shared {
            target,
            conduct: Mutex::new(conduct),
            requests: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                // A connection that fails fails for the client too, and that is what it is to see.
                thread::spawn(move || shared.serve(client));
            }
        });
        Ok(Self { port, shared })
    }

    /// Its base address, for `[keycloak] server_url`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Behaves otherwise from the next request on.
    pub fn turn(&self, conduct: Conduct) {
        *self.shared.conduct.lock().unwrap_or_else(PoisonError::into_inner) = conduct;
    }

    /// The lines of all requests that hold this text, in the order in which they came.
    pub fn requests(&self, text: &str) -> Vec<String> {
        self.shared.lock().iter().filter(|line| line.contains(text)).cloned().collect()
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
    fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut server = TcpStream::connect(&self.target)?;
        let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
        thread::spawn(move || {
            // Ends when either side does.
            let _ = std::io::copy(&mut from, &mut to);
            to.shutdown(Shutdown::Both)
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
                Conduct::Answer(status, body) => {
                    let length = body.len();
                    write!(
                        client,
                        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
                    )?;
                }
                Conduct::Hang => {}
                Conduct::Close => return client.shutdown(Shutdown::Both),
            }
        }
    }

    /// Notes the request lines in it, and says what is to be done.
    fn note(&self, sent: &[u8]) -> Conduct {
        let text = String::from_utf8_lossy(sent);
        let lines: Vec<_> =
            text.lines().filter(|line| line.contains(" HTTP/1.")).map(str::to_owned).collect();
        let about_people = lines.iter().any(|line| line.contains(" /admin/"));
        self.lock().extend(lines);
        if about_people {
            *self.conduct.lock().unwrap_or_else(PoisonError::into_inner)
        } else {
            Conduct::Pass
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
