//! A login of the test user: at keydove's own socket, by IMAP at Dovecot, and by SMTP at Postfix.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use super::super::storage::Failure;
use super::command;
use super::postfix::Port;
use super::wire::Wire;
use crate::auth::{Secret, Username};

/// More than the deadline of a login, and the delay of a refusal.
const LIMIT: Duration = Duration::from_secs(15);
/// By what name the test user's mail client greets.
const HELLO: &str = "EHLO localhost";
/// Larger than any line that keydove sends here.
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
                let verdict = if words.contains("temp_fail") { "temporary failure" } else { "refused" };
                return Ok(End::Out(format!("{verdict} ({})", words.replace('\t', " ").trim())));
            }
        }
        Ok(End::Out("the connection was closed".to_owned()))
    }

    /// Logs in at the IMAP port of this machine's Dovecot; under TLS, where it takes a password only so.
    pub(super) fn by_imap(&self, config: &Path) -> End {
        let setting = "service/imap-login/inet_listener/imap/port";
        let port = command::output(command::program("doveconf").arg("-c").arg(config).args(["-h", setting]));
        let Some(port) = port.ok().and_then(|port| port.trim().parse().ok()).filter(|port| *port != 0) else {
            return End::NotTried("Dovecot has no port for IMAP with STARTTLS".to_owned());
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        self.over_imap(address).unwrap_or_else(|error| End::Out(format!("IMAP at {address}: {error}")))
    }

    fn over_imap(&self, address: SocketAddr) -> io::Result<End> {
        let mut wire = Wire::connect(address, LIMIT)?;
        wire.answer(|_| true)?;
        wire.send("a CAPABILITY")?;
        let able = wire.answer(|line| line.starts_with("a "))?.concat();
        if able.contains("LOGINDISABLED") {
            if !able.contains("STARTTLS") {
                return Ok(End::NotTried("Dovecot takes no password without TLS, and has no TLS".to_owned()));
            }
            wire.send("b STARTTLS")?;
            wire.answer(|line| line.starts_with("b "))?;
            wire = wire.secure()?;
        }
        wire.send(&Zeroizing::new(format!("c AUTHENTICATE PLAIN {}", *self.plain())))?;
        let answer = wire.answer(|line| line.starts_with("c ") || line.starts_with("* BYE"))?;
        let answer = answer.last().map(String::as_str).unwrap_or_default();
        let _ = wire.send("d LOGOUT");
        Ok(match answer.starts_with("c OK") {
            true => End::In,
            false => End::Out(answer.trim_start_matches("c ").to_owned()),
        })
    }

    /// Logs in at a submission port of this machine's Postfix.
    pub(super) fn by_smtp(&self, port: &Port) -> End {
        let address = port.address;
        self.over_smtp(port).unwrap_or_else(|error| End::Out(format!("SMTP at {address}: {error}")))
    }

    fn over_smtp(&self, port: &Port) -> io::Result<End> {
        let is_last = |line: &str| line.as_bytes().get(3) != Some(&b'-');
        let mut wire = Wire::connect(port.address, LIMIT)?;
        if port.is_under_tls {
            wire = wire.secure()?;
        }
        wire.answer(is_last)?;
        wire.send(HELLO)?;
        let mut able = wire.answer(is_last)?;
        if able.iter().any(|line| line.ends_with("STARTTLS")) {
            wire.send("STARTTLS")?;
            wire.answer(is_last)?;
            wire = wire.secure()?;
            wire.send(HELLO)?;
            able = wire.answer(is_last)?;
        }
        if !able.iter().any(|line| line.contains("AUTH") && line.contains("PLAIN")) {
            return Ok(End::Out("Postfix does not offer AUTH PLAIN there".to_owned()));
        }
        wire.send(&Zeroizing::new(format!("AUTH PLAIN {}", *self.plain())))?;
        let answer = wire.answer(is_last)?.join(" ");
        let _ = wire.send("QUIT");
        Ok(match answer.starts_with("235") {
            true => End::In,
            false => End::Out(answer),
        })
    }
}
