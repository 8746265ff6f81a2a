//! Each listener spoken to, in its own protocol: a socket that systemd holds open takes connections that nobody answers.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::config::ListenerProtocol;

/// A daemon answers these at once; one that hashes on all processors may take a moment.
const PATIENCE: Duration = Duration::from_secs(3);
/// An answer is longer than that nowhere.
const MOST: usize = 8192;

/// What is said, and what the answer begins with.
fn talk(protocol: ListenerProtocol) -> (&'static [u8], &'static [&'static str]) {
    match protocol {
        // Both greet by themselves.
        ListenerProtocol::AuthClient | ListenerProtocol::AuthMaster => (b"", &["VERSION\t1\t"]),
        ListenerProtocol::Control => (b"{\"command\":\"cache-counts\"}\n", &["{\"counts\":"]),
        ListenerProtocol::Policy => {
            (b"request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\n\n", &["action="])
        }
        // A netstring: nothing stands there, or it could not be found out.
        ListenerProtocol::Socketmap => {
            (b"29:domains keydove-check.invalid,", &["1", "2", "3", "4", "5", "6", "7", "8", "9"])
        }
        ListenerProtocol::Hook => (
            b"USER\t1\tkeydove-check@keydove.invalid\tservice=lmtp\n",
            &["NOTFOUND\t1", "USER\t1", "TEMP\t1"],
        ),
        ListenerProtocol::Portal => (b"{\"request\":\"hello\",\"version\":\"\"}\n", &["{\"answer\":\""]),
        ListenerProtocol::HttpLogin => (b"GET / HTTP/1.0\r\n\r\n", &["HTTP/1."]),
    }
}

/// Why there is no answer as there should be one; the connection is there already.
pub(super) fn speak(protocol: ListenerProtocol, stream: &UnixStream) -> Result<(), String> {
    stream
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
        .map_err(|error| error.to_string())?;
    let (question, beginnings) = talk(protocol);
    let mut connection = stream;
    connection.write_all(question).map_err(|error| error.to_string())?;
    let answer = read_beginning(&mut connection, beginnings)?;
    match beginnings.iter().any(|beginning| answer.starts_with(beginning)) {
        true => Ok(()),
        false => Err(match answer.lines().next().unwrap_or_default() {
            "" => "it closed the connection without a word".to_owned(),
            line => format!("it said `{line}`"),
        }),
    }
}

fn read_beginning(stream: &mut impl Read, beginnings: &[&str]) -> Result<String, String> {
    let mut answer = Vec::new();
    let mut part = [0; 1024];
    let enough = beginnings.iter().map(|beginning| beginning.len()).max().unwrap_or(0);
    while answer.len() < enough.min(MOST) {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&part[..count]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Err(format!("nobody answers within {} s", PATIENCE.as_secs()));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A port: whether it is open, and, where it speaks HTTP without TLS, whether it answers.
pub(super) fn try_port(address: SocketAddr, speaks_tls: bool) -> Result<(), String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(|error| error.to_string())?;
    if speaks_tls {
        return Ok(());
    }
    let (question, beginnings) = talk(ListenerProtocol::HttpLogin);
    let limits = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.write_all(question));
    limits.map_err(|error| error.to_string())?;
    match read_beginning(&mut stream, beginnings)?.starts_with("HTTP/1.") {
        true => Ok(()),
        false => Err("it does not answer in HTTP".to_owned()),
    }
}

/// Connects; `Err` with `None` where there is nobody.
pub(super) fn connect(path: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_netstring_says_how_long_it_is() {
        let (question, _) = talk(ListenerProtocol::Socketmap);
        let text = std::str::from_utf8(question).unwrap();
        let (length, rest) = text.split_once(':').unwrap();
        assert_eq!(length.parse::<usize>().unwrap(), rest.len() - 1);
    }

    #[test]
    fn silence_a_wrong_word_and_the_right_one_are_told_apart() {
        let answered = |answer: &[u8], protocol| {
            let (one, mut other) = UnixStream::pair().unwrap();
            other.write_all(answer).unwrap();
            other.shutdown(std::net::Shutdown::Write).unwrap();
            speak(protocol, &one)
        };
        assert_eq!(answered(b"VERSION\t1\t2\nSPID\t7\n", ListenerProtocol::AuthClient), Ok(()));
        assert!(
            answered(b"220 mail ESMTP\r\n", ListenerProtocol::AuthClient).unwrap_err().contains("220 mail")
        );
        assert!(answered(b"", ListenerProtocol::Policy).unwrap_err().contains("without a word"));
        assert_eq!(answered(b"action=DUNNO\n\n", ListenerProtocol::Policy), Ok(()));
    }
}
