//! One question to the running daemon, over its control socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::storage::Failure;
use crate::config::{Config, ListenerProtocol};
use crate::frontend::control::{Reply, Request};

/// Nearly every request is answered from memory, and a login that is explained ends within its deadline.
const TIMEOUT: Duration = Duration::from_secs(12);
/// Larger than any answer.
const MAX_ANSWER: u64 = 1 << 20;

/// Asks the daemon of this configuration.
pub(super) fn ask(config: &Path, request: &Request) -> Result<Reply, Failure> {
    let listeners = Config::load_listeners(config)?;
    let control = listeners.iter().find(|listener| listener.protocol == ListenerProtocol::Control);
    let path = &control.ok_or(Failure::NoControl)?.path;
    let answer = exchange(path, request).map_err(|error| Failure::System(explain(path, &error)))?;
    serde_json::from_slice(&answer).map_err(|_| {
        let path = path.display();
        Failure::System(format!(
            "{path} gave an answer of another kind; are the daemon and this command one version?"
        ))
    })
}

/// To a question that was not asked.
pub(super) fn other_answer() -> Failure {
    let text = "keydove gave an answer to another question; are the daemon and this command one version?";
    Failure::System(text.to_owned())
}

fn exchange(path: &Path, request: &Request) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    // Whoever is turned away finds the reason behind a connection that is closed already.
    let sent = stream.write_all(&line);
    let mut answer = Vec::new();
    BufReader::new(stream.take(MAX_ANSWER)).read_until(b'\n', &mut answer)?;
    if answer.is_empty() {
        sent?;
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(answer)
}

fn explain(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            format!("nobody listens on {path}: is keydove running, and with this configuration?")
        }
        io::ErrorKind::PermissionDenied => {
            format!("no right to open {path}: run this as root or as the user that runs keydove")
        }
        _ => format!("cannot ask keydove on {path}: {error}"),
    }
}
