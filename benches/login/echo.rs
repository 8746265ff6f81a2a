//! The yardstick: a server that answers every AUTH line with an OK line of the usual length and does nothing else.
//!
//! One thread, one epoll, one read and one write per event: what it needs is the price of sockets and wake-ups on this
//! machine. It is a process of its own, as its rivals are: this program again, with other arguments.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use memchr::memchr;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::stage::process::{Group, Program};
use super::stage::{Result, Stage, attempt};

/// The argument that makes this program the echo server; a socket and a user name follow.
pub const ROLE: &str = "--echo-server";
const GREETING: &[u8] = b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t1\nCUID\t1\n\
    COOKIE\t00000000000000000000000000000000\nDONE\n";
const LISTENER: u64 = u64::MAX;
const EVENTS: usize = 512;
const READ_BYTES: usize = 1 << 16;

/// A running echo server.
pub struct Echo {
    program: Program,
    socket: PathBuf,
}

impl Echo {
    /// Starts it. Every reply names `user`.
    pub fn start(stage: &Arc<Stage>, user: &str) -> Result<Self> {
        let socket = stage.path("echo");
        let own = attempt("find", Path::new("this program"), std::env::current_exe())?;
        let mut command = Command::new(own);
        command.arg(ROLE).arg(&socket).arg(user);
        let mut program = Program::start(stage, "echo", command, Group::Own)?;
        program.wait_until(|| UnixStream::connect(&socket).is_ok())?;
        Ok(Self { program, socket })
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub fn id(&self) -> u32 {
        self.program.id()
    }
}

struct Connection {
    stream: UnixStream,
    /// The beginning of a line.
    rest: Vec<u8>,
}

/// Serves until it is killed.
pub fn serve(socket: &Path, user: &str) -> io::Result<()> {
    let listener = UnixListener::bind(socket)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    let tail = format!("\tuser={user}\n").into_bytes();
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut free = Vec::new();
    let (mut events, mut input, mut output) =
        ([EpollEvent::empty(); EVENTS], vec![0; READ_BYTES], Vec::new());
    loop {
        let count = epoll.wait(&mut events, EpollTimeout::NONE)?;
        for event in &events[..count] {
            if event.data() == LISTENER {
                let (mut stream, _) = listener.accept()?;
                // A client that has left already is noticed when it is read from.
                let _ = stream.write_all(GREETING);
                let place = free.pop().unwrap_or_else(|| {
                    connections.push(None);
                    connections.len() - 1
                });
                epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, place as u64))?;
                connections[place] = Some(Connection { stream, rest: Vec::new() });
                continue;
            }
            let place = event.data() as usize;
            let Some(connection) = &mut connections[place] else { continue };
            if connection.answer(&mut input, &mut output, &tail).is_err() {
                connections[place] = None;
                free.push(place);
            }
        }
    }
}

impl Connection {
    /// One read, and one write of all replies to it. The socket blocks: there is always something to read here, and a
    /// client that asks for more than it reads does not matter.
    fn answer(&mut self, input: &mut [u8], output: &mut Vec<u8>, tail: &[u8]) -> io::Result<()> {
        let before = self.rest.len();
        input[..before].copy_from_slice(&self.rest);
        let length = self.stream.read(&mut input[before..])?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        output.clear();
        let mut text = &input[..before + length];
        while let Some(end) = memchr(b'\n', text) {
            if let Some(id) = id_of(&text[..end]) {
                output.extend_from_slice(b"OK\t");
                output.extend_from_slice(id);
                output.extend_from_slice(tail);
            }
            text = &text[end + 1..];
        }
        self.rest.clear();
        self.rest.extend_from_slice(text);
        self.stream.write_all(output)
    }
}

/// The id of an AUTH line; nothing for the lines of the handshake.
fn id_of(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"AUTH\t")?;
    Some(&rest[..memchr(b'\t', rest)?])
}
