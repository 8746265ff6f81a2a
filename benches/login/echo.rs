//! The yardstick: a server that answers every AUTH line with an OK line of the usual length and does nothing else.
//!
//! Like keydove it runs on one current-thread reactor and writes once per read. What it needs is the price of
//! sockets and wake-ups on this machine.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use memchr::memchr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::cpu;
use super::requests::write_id;

const GREETING: &[u8] = b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t1\nCUID\t1\n\
    COOKIE\t00000000000000000000000000000000\nDONE\n";
const READ_BYTES: usize = 16_384;

/// A running echo server; it ends when it is dropped.
#[derive(Debug)]
pub struct Echo {
    socket: PathBuf,
    /// Its thread's folder in `/proc`.
    proc_folder: PathBuf,
    stop: CancellationToken,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Echo {
    /// Starts it on a thread of its own. Every reply names `user`.
    pub fn start(socket: PathBuf, user: &str) -> io::Result<Self> {
        let (started, is_started) = mpsc::channel();
        let stop = CancellationToken::new();
        let (path, theirs, tail) = (socket.clone(), stop.clone(), format!("\tuser={user}\n").into_bytes());
        let serve = move || {
            let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            reactor.block_on(async {
                let listener = UnixListener::bind(&path)?;
                let _ = started.send(Path::new("/proc").join(std::fs::read_link("/proc/thread-self")?));
                tokio::select! {
                    () = theirs.cancelled() => Ok(()),
                    error = accept_all(&listener, &tail) => Err(error),
                }
            })
        };
        let thread = thread::Builder::new().name("echo".to_owned()).spawn(serve)?;
        match is_started.recv() {
            Ok(proc_folder) => Ok(Self { socket, proc_folder, stop, thread: Some(thread) }),
            Err(_) => {
                let ended =
                    thread.join().unwrap_or_else(|_| Err(io::Error::other("the echo server panicked")));
                Err(ended.err().unwrap_or_else(|| io::Error::other("the echo server ended at once")))
            }
        }
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The processor time it has used.
    pub fn read_cpu(&self) -> io::Result<Duration> {
        cpu::read(&self.proc_folder)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept_all(listener: &UnixListener, tail: &[u8]) -> io::Error {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(connections.spawn(serve(stream, tail.to_vec()))),
            Err(error) => return error,
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Serves one connection until its client leaves or the socket fails; the client notices what it lacks.
async fn serve(mut stream: UnixStream, tail: Vec<u8>) -> io::Result<()> {
    stream.write_all(GREETING).await?;
    let (mut input, mut have, mut output) = (vec![0; READ_BYTES], 0, Vec::new());
    loop {
        let length = stream.read(&mut input[have..]).await?;
        if length == 0 {
            return Ok(());
        }
        have += length;
        let mut done = 0;
        while let Some(length) = memchr(b'\n', &input[done..have]) {
            if let Some(id) = read_id(&input[done..done + length]) {
                write_id(b"OK\t", id, &mut output);
                output.extend_from_slice(&tail);
            }
            done += length + 1;
        }
        input.copy_within(done..have, 0);
        have -= done;
        stream.write_all(&output).await?;
        output.clear();
    }
}

/// The id of an AUTH line; nothing for the lines of the handshake.
fn read_id(line: &[u8]) -> Option<u32> {
    let rest = line.strip_prefix(b"AUTH\t")?;
    str::from_utf8(&rest[..memchr(b'\t', rest)?]).ok()?.parse().ok()
}
