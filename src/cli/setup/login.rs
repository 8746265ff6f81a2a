//! A login of the test user: at keydove's own socket, and by IMAP at Dovecot.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use super::super::storage::Failure;
use super::command;
use crate::auth::{Secret, Username};

/// More than the deadline of a login, and the delay of a refusal.
const LIMIT: Duration = Duration::from_secs(15);
/// Larger than any line that a server sends here.
const MAX_ANSWER: u64 = 1 << 16;

/// Who logs in.
#[derive(Debug)]
pub(super) struct TestUser {
    pub(super) user: Username,
    pub(super) password: Secret,
}

/// How a try ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The password opened the mailbox.
    In,
    /// It could not be tried, and why.
    NotTried(String),
    /// It was refused or put off, in the server's words.
    Out(String),
}

impl TestUser {
    fn plain(&self) -> Zeroizing<String> {
        let user = self.user.as_str().as_bytes();
        let message = Zeroizing::new([b"\0", user, b"\0", self.password.expose()].concat());
        Zeroizing::new(BASE64_STANDARD.encode(&message))
    }

    /// Logs in at a socket of the auth client protocol.
    pub(super) fn at_socket(&self, socket: &Path) -> Result<End, Failure> {
        let failed = |error: std::io::Error| Failure::System(format!("{}: {error}", socket.display()));
        let mut stream = UnixStream::connect(socket).map_err(failed)?;
        stream.set_read_timeout(Some(LIMIT)).map_err(failed)?;
        let ask = Zeroizing::new(format!(
            "VERSION\t1\t2\nCPID\t{}\nAUTH\t1\tPLAIN\tservice=imap\tsecured\tno-penalty\tresp={}\n",
            std::process::id(),
            *self.plain()
        ));
        stream.write_all(ask.as_bytes()).map_err(failed)?;
        for line in BufReader::new(stream.take(MAX_ANSWER)).lines() {
            let line = line.map_err(failed)?;
            if line.starts_with("OK\t1\t") || line == "OK\t1" {
                return Ok(End::In);
            }
            if let Some(words) = line.strip_prefix("FAIL\t1") {
                return Ok(End::Out(words.replace('\t', " ").trim().to_owned()));
            }
        }
        Ok(End::Out("the connection was closed".to_owned()))
    }

    /// Logs in at the IMAP port of this machine's Dovecot, as far as it takes a password there without TLS.
    pub(super) fn by_imap(&self, config: &Path) -> Result<End, Failure> {
        let setting = "service/imap-login/inet_listener/imap/port";
        let port = command::output(command::program("doveconf").arg("-c").arg(config).args(["-h", setting]));
        let Some(port) = port.ok().and_then(|port| port.trim().parse().ok()).filter(|port| *port != 0) else {
            return Ok(End::NotTried("Dovecot has no IMAP port without TLS".to_owned()));
        };
        match self.over_imap(port) {
            Ok(end) => Ok(end),
            Err(error) => Ok(End::Out(format!("IMAP at port {port}: {error}"))),
        }
    }

    fn over_imap(&self, port: u16) -> std::io::Result<End> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let mut lines = BufReader::new(stream.try_clone()?.take(MAX_ANSWER)).lines();
        let mut next = || lines.next().unwrap_or_else(|| Err(std::io::ErrorKind::UnexpectedEof.into()));
        let greeting = next()?;
        if greeting.contains("LOGINDISABLED") {
            return Ok(End::NotTried("Dovecot takes no password without TLS there".to_owned()));
        }
        let ask = Zeroizing::new(format!("a AUTHENTICATE PLAIN {}\r\n", *self.plain()));
        stream.write_all(ask.as_bytes())?;
        loop {
            let line = next()?;
            if let Some(end) = line.strip_prefix("a ") {
                let _ = stream.write_all(b"b LOGOUT\r\n");
                return Ok(match end.starts_with("OK") {
                    true => End::In,
                    false => End::Out(end.to_owned()),
                });
            }
        }
    }
}
