//! The question and the answer on keydove's `hook` socket. `src/frontend/hook` describes the protocol.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use zeroize::Zeroizing;

use super::escaping::{escape, unescape};
use super::options::Options;

/// Less than the 10 s of Postfix, more than keydove's own deadline by default.
const TIMEOUT: Duration = Duration::from_secs(8);
/// keydove's longest reply, with its line end.
const MAX_REPLY: u64 = 8193;
/// The only question of the connection.
const ID: &str = "1";

/// Names and values of a reply, in their order.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// What keydove says.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They may, or they exist; and this is where their mail lives.
    Yes(Fields),
    /// They may not, or do not exist.
    No,
    /// Try again later.
    CannotTell,
}

/// Asks once.
///
/// # Errors
/// What was attempted and went wrong: cannot tell.
pub fn ask(options: &Options, user: &[u8], password: &[u8]) -> Result<Verdict, String> {
    let socket = options.socket.display();
    let explain = |error: std::io::Error| format!("cannot ask keydove at {socket}: {error}");
    let mut stream = UnixStream::connect(&options.socket).map_err(explain)?;
    stream.set_read_timeout(Some(TIMEOUT)).map_err(explain)?;
    stream.set_write_timeout(Some(TIMEOUT)).map_err(explain)?;
    stream.write_all(&question(options, user, password)).map_err(explain)?;
    let mut line = Vec::new();
    BufReader::new(stream.take(MAX_REPLY)).read_until(b'\n', &mut line).map_err(explain)?;
    if line.pop() != Some(b'\n') {
        return Err(format!("keydove at {socket} closed without an answer"));
    }
    read_reply(&line).ok_or_else(|| format!("what answers at {socket} is no keydove of this version"))
}

fn question(options: &Options, user: &[u8], password: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut line = Zeroizing::new(Vec::with_capacity(4096));
    let word = match (options.is_lookup, options.is_passdb_lookup) {
        (true, true) => "PASS",
        (true, false) => "USER",
        (false, _) => "AUTH",
    };
    line.extend_from_slice(format!("VERSION\t1\t0\n{word}\t{ID}\t").as_bytes());
    escape(user, &mut line);
    if !options.is_lookup {
        line.push(b'\t');
        escape(password, &mut line);
    }
    let service = Some(&options.service);
    let known =
        [("service", service), ("rip", options.remote.as_ref()), ("session", options.session.as_ref())];
    for (name, value) in known {
        let Some(value) = value else { continue };
        line.extend_from_slice(format!("\t{name}=").as_bytes());
        escape(value, &mut line);
    }
    if options.secured {
        line.extend_from_slice(b"\tsecured");
    }
    line.push(b'\n');
    line
}

/// `None` for what is no reply to our question.
fn read_reply(line: &[u8]) -> Option<Verdict> {
    let mut fields = line.split(|&byte| byte == b'\t');
    let word = fields.next()?;
    if fields.next()? != ID.as_bytes() {
        return None;
    }
    match word {
        b"OK" | b"USER" => Some(Verdict::Yes(fields.filter_map(read_field).collect())),
        b"FAIL" | b"NOTFOUND" => Some(Verdict::No),
        b"TEMP" => Some(Verdict::CannotTell),
        _ => None,
    }
}

fn read_field(field: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let equals = field.iter().position(|&byte| byte == b'=')?;
    Some((unescape(&field[..equals]), unescape(&field[equals + 1..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reply_is_understood() {
        let fields =
            vec![(b"user".to_vec(), b"a@b.example".to_vec()), (b"home".to_vec(), b"/m/a\tb".to_vec())];
        let reply = read_reply(b"OK\t1\tuser=a@b.example\thome=/m/a\x01tb\tflag");
        assert_eq!(reply, Some(Verdict::Yes(fields)));
        assert_eq!(read_reply(b"USER\t1"), Some(Verdict::Yes(Vec::new())));
        assert_eq!(read_reply(b"FAIL\t1\tcode=disabled"), Some(Verdict::No));
        assert_eq!(read_reply(b"NOTFOUND\t1"), Some(Verdict::No));
        assert_eq!(read_reply(b"TEMP\t1"), Some(Verdict::CannotTell));
        for odd in [&b""[..], b"OK", b"OK\t2\tuser=x", b"VERSION\t1\t2", b"FAIL\t"] {
            assert_eq!(read_reply(odd), None);
        }
    }

    #[test]
    fn every_byte_survives_the_line() {
        let all: Vec<u8> = (0..=255).collect();
        let mut line = Vec::new();
        escape(&all, &mut line);
        assert!(!line.iter().any(|byte| matches!(byte, 0 | b'\t' | b'\r' | b'\n')));
        assert_eq!(unescape(&line), all);
        assert_eq!(unescape(b"a\x01xb\x01"), b"axb");
    }
}
