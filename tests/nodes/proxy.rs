//! A relay of ours before a server: it can be slow, and it can hold connections that lead nowhere.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use crate::stage::{Failure, Result};

/// Stands for: nothing is passed on, and no connection ends.
const HALF_OPEN: u64 = u64::MAX;
/// Between two looks at whether it is over.
const STEP: Duration = Duration::from_millis(50);

/// A port that leads to another one.
pub struct Proxy {
    delay: Arc<AtomicU64>,
}

impl Proxy {
    /// Opens the port, on the machine that this thread is inside.
    ///
    /// # Errors
    /// The port is taken.
    pub fn start(port: u16, target: SocketAddrV4) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
            .map_err(|error| Failure(format!("open a proxy at port {port}: {error}")))?;
        let delay = Arc::new(AtomicU64::new(0));
        let shared = Arc::clone(&delay);
        // Ends with the process; what it leads to ends before.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let delay = Arc::clone(&shared);
                // A connection that fails fails for both sides, and that is what they are to see.
                thread::spawn(move || serve(&client, target, &delay));
            }
        });
        Ok(Self { delay })
    }

    /// Passes each piece on after so long.
    pub fn slow(&self, delay: Duration) {
        self.delay.store(u64::try_from(delay.as_millis()).unwrap_or(HALF_OPEN - 1), Ordering::Relaxed);
    }

    /// Takes connections and bytes, and does nothing with them.
    pub fn half_open(&self) {
        self.delay.store(HALF_OPEN, Ordering::Relaxed);
    }

    /// Passes everything on at once.
    pub fn pass(&self) {
        self.slow(Duration::ZERO);
    }
}

fn serve(client: &TcpStream, target: SocketAddrV4, delay: &Arc<AtomicU64>) -> std::io::Result<()> {
    let server = TcpStream::connect(target)?;
    let (from, to, shared) = (server.try_clone()?, client.try_clone()?, Arc::clone(delay));
    let answers = thread::spawn(move || copy(from, to, &shared));
    let end = copy(client.try_clone()?, server, delay);
    let _ = answers.join();
    end
}

fn copy(mut from: TcpStream, mut to: TcpStream, delay: &AtomicU64) -> std::io::Result<()> {
    let mut block = [0; 16 * 1024];
    loop {
        let length = from.read(&mut block).unwrap_or(0);
        while delay.load(Ordering::Relaxed) == HALF_OPEN {
            sleep(STEP);
        }
        sleep(Duration::from_millis(delay.load(Ordering::Relaxed)));
        if length == 0 {
            return to.shutdown(Shutdown::Write);
        }
        to.write_all(&block[..length])?;
    }
}
