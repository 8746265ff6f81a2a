//! A double of mailcow's endpoint that agrees, disagrees, is slow or is away, as it is told. It is no mailcow and knows
//! nobody: it stands in where a real one cannot be had, for the faults of shadow mode.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::stage::{Failure, Result};

/// What it says to everything.
#[derive(Clone, Copy)]
pub struct Script {
    pub status: &'static str,
    pub kind: &'static str,
    pub body: &'static str,
    pub pause: Duration,
    /// The connection is closed in place of an answer.
    pub is_away: bool,
}

impl Script {
    pub const fn says(status: &'static str, body: &'static str) -> Self {
        Self { status, kind: "application/json", body, pause: Duration::ZERO, is_away: false }
    }
}

/// A port with such a double.
pub struct MailcowDouble {
    pub url: String,
    script: Arc<Mutex<Script>>,
}

impl MailcowDouble {
    pub fn start(script: Script) -> Result<Self> {
        let failed = |error: std::io::Error| Failure(format!("open a double of mailcow: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let url = format!("http://{}", listener.local_addr().map_err(failed)?);
        let script = Arc::new(Mutex::new(script));
        let shared = Arc::clone(&script);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || answer(stream, &shared));
            }
        });
        Ok(Self { url, script })
    }

    pub fn turn(&self, script: Script) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = script;
    }
}

fn answer(mut stream: TcpStream, script: &Mutex<Script>) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !request.ends_with(b"}") {
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            read => request.extend_from_slice(&piece[..read]),
        }
    }
    let script = *script.lock().unwrap_or_else(PoisonError::into_inner);
    thread::sleep(script.pause);
    if script.is_away {
        return Ok(());
    }
    let Script { status, kind, body, .. } = script;
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}
