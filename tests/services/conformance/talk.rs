//! One input put to one server, and what of the answer counts.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::super::clients::encode;
use super::super::stage::{Failure, Result, attempt};
use super::super::transport;
use super::table::{Door, Input};

/// A server that has said nothing for so long will say nothing.
const SILENCE: Duration = Duration::from_secs(8);
/// The words of a server's handshake.
const HANDSHAKE: [&str; 6] = ["VERSION", "MECH", "SPID", "CUID", "COOKIE", "DONE"];
/// The parameters that count: the wording of a reason is everybody's own, and so is where mail lies.
const PARAMETERS: [&str; 2] = ["user=", "code="];

/// The replies, in an order of their own because servers may choose theirs, and whether the connection lives.
pub fn outcome(socket: &Path, input: &Input) -> Result<Vec<String>> {
    let stream = attempt("connect to", socket, UnixStream::connect(socket))?;
    let mut talk = Talk(BufReader::new(stream));
    let mut hello = hello(input);
    let mut replies = Vec::new();
    let mut lives = true;
    for (sent, expected) in input.steps {
        // Whoever has closed already is not written to; reading tells.
        let bytes = std::mem::take(&mut hello) + &encoded(sent);
        let _ = talk.0.get_mut().write_all(bytes.as_bytes());
        lives = talk.read(*expected, &mut replies)?;
    }
    // What would still come comes before the answer to this; a connection that was closed gives none.
    if lives && input.minor.is_some() {
        let (question, answer) = match input.door {
            Door::Client => ("CONT\t4000000000\tAA==\n", "FAIL\t4000000000"),
            Door::Master => ("USER\t4000000000\tnobody@example.org\tservice=lmtp\n", "NOTFOUND\t4000000000"),
        };
        let _ = talk.0.get_mut().write_all(question.as_bytes());
        let mut seen = usize::MAX;
        lives = false;
        while !lives && seen != replies.len() {
            seen = replies.len();
            talk.read(1, &mut replies)?;
            lives = replies.iter().any(|reply| reply.starts_with(answer));
        }
        replies.retain(|reply| !reply.starts_with(answer));
    }
    replies.sort();
    replies.push(if lives { "open" } else { "closed" }.to_owned());
    Ok(replies)
}

/// What a client says before everything else. Process ids are no two connections' at once.
fn hello(input: &Input) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(5000);
    match (input.minor, input.door) {
        (None, _) => String::new(),
        (Some(minor), Door::Client) => {
            format!("VERSION\t1\t{minor}\nCPID\t{}\n", NEXT.fetch_add(1, Ordering::Relaxed))
        }
        (Some(minor), Door::Master) => format!("VERSION\t1\t{minor}\n"),
    }
}

fn encoded(text: &str) -> String {
    let mut parts = text.split('<');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (plain, rest) = part.split_once('>').unwrap_or((part, ""));
        match plain.strip_suffix('!') {
            Some(plain) => whole.push_str(encode(plain).trim_end_matches('=')),
            None => whole.push_str(&encode(plain)),
        }
        whole.push_str(rest);
    }
    whole
}

struct Talk(BufReader<UnixStream>);

impl Talk {
    /// Reads so many replies, or until nothing comes. Says whether the connection lives.
    fn read(&mut self, expected: usize, replies: &mut Vec<String>) -> Result<bool> {
        let before = replies.len();
        let patience = if expected > 0 { crate::PATIENCE } else { SILENCE };
        transport(self.0.get_ref().set_read_timeout(Some(patience)))?;
        loop {
            if expected > 0 && replies.len() - before >= expected {
                return Ok(true);
            }
            let mut line = Vec::new();
            match self.0.read_until(b'\n', &mut line) {
                Ok(_) if !line.ends_with(b"\n") => return Ok(false),
                Ok(_) => {
                    let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                    let word = line.split('\t').next().unwrap_or_default();
                    // A list ends with this word too, and with its id.
                    let is_handshake = HANDSHAKE.contains(&word) && (word != "DONE" || line == "DONE");
                    if !is_handshake {
                        replies.push(what_counts(&line));
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Ok(true),
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => return Ok(false),
                    _ => return Err(Failure(format!("read from an auth socket: {error}"))),
                },
            }
        }
    }
}

/// Word, id, and of the rest what both servers must agree on. A challenge and a name without `=` stand third.
fn what_counts(line: &str) -> String {
    let mut fields = line.split('\t');
    let mut kept: Vec<&str> = fields.by_ref().take(2).collect();
    let is_positional = matches!(kept.first(), Some(&("CONT" | "USER" | "LIST")));
    kept.extend(fields.by_ref().take(usize::from(is_positional)));
    let rest: Vec<&str> = fields.collect();
    for name in PARAMETERS {
        kept.extend(rest.iter().filter(|field| field.starts_with(name)));
    }
    kept.join("\t")
}
