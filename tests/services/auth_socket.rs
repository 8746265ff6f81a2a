//! The auth protocol by hand, for what no mail server would say.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::clients::encode;

/// A PLAIN login, as a mail server passes it on.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The name.
    pub user: &'a str,
    /// The password.
    pub password: &'a str,
    /// The service.
    pub service: &'a str,
    /// The mail client's address, if it is told.
    pub remote: Option<&'a str>,
}

/// A connection to an auth socket.
pub struct AuthSocket {
    reader: BufReader<UnixStream>,
    /// What the server said about itself, by the first field of the line.
    pub handshake: Vec<String>,
}

impl AuthSocket {
    /// Connects to an auth-client socket and shakes hands as the client with this process id.
    pub fn client(path: &Path, cpid: u32) -> io::Result<Self> {
        let mut socket = Self::connect(path, "DONE")?;
        socket.send(format!("VERSION\t1\t2\nCPID\t{cpid}\n").as_bytes())?;
        Ok(socket)
    }

    /// Connects to an auth-master socket.
    pub fn master(path: &Path) -> io::Result<Self> {
        let mut socket = Self::connect(path, "SPID\t")?;
        socket.send(b"VERSION\t1\t1\n")?;
        Ok(socket)
    }

    fn connect(path: &Path, last: &str) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(crate::PATIENCE))?;
        stream.set_write_timeout(Some(crate::PATIENCE))?;
        let mut socket = Self { reader: BufReader::new(stream), handshake: Vec::new() };
        loop {
            let line = socket.line()?;
            let done = line.starts_with(last);
            socket.handshake.push(line);
            if done {
                return Ok(socket);
            }
        }
    }

    /// The connection's secret.
    pub fn cookie(&self) -> &str {
        self.handshake.iter().find_map(|line| line.strip_prefix("COOKIE\t")).unwrap_or_default()
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    /// Sends a PLAIN login.
    pub fn login(&mut self, id: u32, user: &str, password: &str) -> io::Result<()> {
        self.attempt(id, Attempt { user, password, service: "imap", remote: Some("192.0.2.9") })
    }

    /// Sends a PLAIN login for any service and from anywhere.
    pub fn attempt(&mut self, id: u32, attempt: Attempt<'_>) -> io::Result<()> {
        let Attempt { user, password, service, remote } = attempt;
        let response = encode(&format!("\0{user}\0{password}"));
        let remote = remote.map_or_else(String::new, |remote| format!("\trip={remote}"));
        let line = format!("AUTH\t{id}\tPLAIN\tservice={service}\tsecured{remote}\tresp={response}\n");
        self.send(line.as_bytes())
    }

    /// Sends a token by XOAUTH2 with parameters of one's own, and answers the challenge if there is one. Returns the
    /// final reply, and whether there was a challenge.
    pub fn token(&mut self, parameters: &str, user: &str, token: &str) -> io::Result<(String, bool)> {
        let response = encode(&format!("user={user}\x01auth=Bearer {token}\x01\x01"));
        self.send(format!("AUTH\t1\tXOAUTH2\t{parameters}\tresp={response}\n").as_bytes())?;
        let reply = self.line()?;
        if !reply.starts_with("CONT\t1\t") {
            return Ok((reply, false));
        }
        self.send(b"CONT\t1\t\n")?;
        Ok((self.line()?, true))
    }

    /// The next line. An error of the kind `UnexpectedEof` when the server has closed.
    pub fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// Whether the server closes without another word.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.line(), Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset))
    }

    /// Sends a PLAIN login with parameters of one's own, such as `service=imap\trip=192.0.2.9`, and a response as it is.
    pub fn login_with(&mut self, id: u32, parameters: &str, response: &[u8]) -> io::Result<()> {
        let response = BASE64_STANDARD.encode(response);
        self.send(format!("AUTH\t{id}\tPLAIN\t{parameters}\tresp={response}\n").as_bytes())
    }
}
