//! Small mail clients that return the server's own words. Standard library only, everything with a time limit.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use socket2::{Domain, Socket, Type};

use crate::PATIENCE;

thread_local! {
    static SOURCE: Cell<Ipv4Addr> = const { Cell::new(Ipv4Addr::LOCALHOST) };
}

/// What happens in there comes from this address of loopback, as far as this thread goes.
pub fn coming_from<T>(address: [u8; 4], act: impl FnOnce() -> T) -> T {
    let before = SOURCE.replace(address.into());
    let end = act();
    SOURCE.set(before);
    end
}

/// A name and a password.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// The user name, normally an address.
    pub user: &'a str,
    /// The password.
    pub password: &'a str,
}

impl Login<'_> {
    /// The response of the PLAIN mechanism (RFC 4616), in base64.
    fn plain(&self) -> String {
        encode(&format!("\0{}\0{}", self.user, self.password))
    }
}

/// The last line of an IMAP `LOGIN`, without its tag.
pub fn imap_login(port: u16, login: Login<'_>) -> io::Result<String> {
    let mut imap = Imap::connect(port)?;
    imap.login(login)
}

/// The last line of an IMAP `AUTHENTICATE PLAIN` with an initial response (RFC 4959), without its tag.
pub fn imap_authenticate(port: u16, login: Login<'_>) -> io::Result<String> {
    let mut imap = Imap::connect(port)?;
    imap.command(&format!("AUTHENTICATE PLAIN {}", login.plain())).map(last)
}

/// Reads the challenge of an IMAP `AUTHENTICATE` that is refused in two steps, answers it, and returns both: the text of
/// the challenge, and the tagged line without its tag. Without a challenge the text is empty.
pub fn imap_token(port: u16, mechanism: &str, response: &str, answer: &str) -> io::Result<(String, String)> {
    let mut lines = Lines::connect(port)?;
    lines.read()?;
    let mut line = lines.ask(&format!("a AUTHENTICATE {mechanism} {}", encode(response)))?;
    let mut challenge = String::new();
    while let Some(text) = line.strip_prefix("+ ") {
        challenge = decode(text);
        line = lines.ask(answer)?;
    }
    while !line.starts_with("a ") {
        line = lines.read()?;
    }
    Ok((challenge, line[2..].to_owned()))
}

/// The same with SMTP `AUTH`, where the token comes in a line of its own.
pub fn smtp_token(port: u16, mechanism: &str, response: &str, answer: &str) -> io::Result<(String, String)> {
    let mut smtp = Smtp::connect(port)?;
    let first = smtp.command(&format!("AUTH {mechanism}"))?;
    if !first.starts_with("334") {
        return Ok((String::new(), first));
    }
    let second = smtp.command(&encode(response))?;
    match second.strip_prefix("334 ") {
        Some(text) => Ok((decode(text), smtp.command(answer)?)),
        None => Ok((String::new(), second)),
    }
}

/// What an SMTP server offers after EHLO.
pub fn smtp_capabilities(port: u16) -> io::Result<Vec<String>> {
    let mut smtp = Smtp::connect(port)?;
    smtp.0.write("EHLO client.example.org")?;
    let mut offered = Vec::new();
    loop {
        let line = smtp.0.read()?;
        let goes_on = line.as_bytes().get(3) == Some(&b'-');
        offered.push(line);
        if !goes_on {
            return Ok(offered);
        }
    }
}

/// The answer to POP3 `PASS`.
pub fn pop3_login(port: u16, login: Login<'_>) -> io::Result<String> {
    let mut lines = Lines::connect(port)?;
    lines.read()?;
    lines.ask(&format!("USER {}", login.user))?;
    lines.ask(&format!("PASS {}", login.password))
}

/// The answer to ManageSieve `AUTHENTICATE "PLAIN"` (RFC 5804).
pub fn sieve_login(port: u16, login: Login<'_>) -> io::Result<String> {
    let mut lines = Lines::connect(port)?;
    // The capabilities come first, up to a line with OK.
    while !lines.read()?.starts_with("OK") {}
    lines.ask(&format!("AUTHENTICATE \"PLAIN\" \"{}\"", login.plain()))
}

/// The answer to SMTP `AUTH PLAIN` with an initial response.
pub fn smtp_login(port: u16, login: Login<'_>) -> io::Result<String> {
    Smtp::connect(port)?.auth_plain(login)
}

/// The answer to the second step of SMTP `AUTH LOGIN`.
pub fn smtp_auth_login(port: u16, login: Login<'_>) -> io::Result<String> {
    let mut smtp = Smtp::connect(port)?;
    for line in ["AUTH LOGIN", &encode(login.user)] {
        let answer = smtp.command(line)?;
        if !answer.starts_with("334") {
            return Ok(answer);
        }
    }
    smtp.command(&encode(login.password))
}

/// An IMAP session.
pub struct Imap {
    lines: Lines,
    tag: u32,
}

impl Imap {
    /// Connects and takes the greeting.
    pub fn connect(port: u16) -> io::Result<Self> {
        let mut lines = Lines::connect(port)?;
        lines.read()?;
        Ok(Self { lines, tag: 0 })
    }

    /// Logs in with `LOGIN`. Returns the tagged line without its tag.
    pub fn login(&mut self, login: Login<'_>) -> io::Result<String> {
        self.command(&format!("LOGIN {} {}", quote(login.user), quote(login.password))).map(last)
    }

    /// Sends a command. Returns the lines of its answer; the last is the tagged one, without its tag.
    pub fn command(&mut self, command: &str) -> io::Result<Vec<String>> {
        self.tag += 1;
        let tag = format!("a{} ", self.tag);
        self.lines.write(&format!("{tag}{command}"))?;
        let mut answer = Vec::new();
        loop {
            let line = self.lines.read()?;
            if let Some(result) = line.strip_prefix(&tag) {
                answer.push(result.to_owned());
                return Ok(answer);
            }
            answer.push(line);
        }
    }

    /// Waits for news (RFC 2177) in the mailbox that is open.
    pub fn idle(&mut self) -> io::Result<()> {
        let line = self.lines.ask("idle IDLE")?;
        if line.starts_with('+') { Ok(()) } else { Err(io::Error::other(line)) }
    }

    /// No longer waits.
    pub fn end_idle(&mut self) -> io::Result<()> {
        self.lines.write("DONE")?;
        while !self.lines.read()?.starts_with("idle ") {}
        Ok(())
    }

    /// The next line of the server's own accord.
    pub fn next_line(&mut self) -> io::Result<String> {
        self.lines.read()
    }

    /// The whole text of a message in the inbox with this subject, if there is one.
    pub fn find_message(&mut self, subject: &str) -> io::Result<Option<String>> {
        self.command("SELECT INBOX")?;
        let found = self.command(&format!("SEARCH HEADER SUBJECT {}", quote(subject)))?;
        let number = found
            .iter()
            .find_map(|line| line.strip_prefix("* SEARCH ")?.split(' ').next().map(str::to_owned));
        let Some(number) = number else { return Ok(None) };
        let lines = self.command(&format!("FETCH {number} BODY.PEEK[]"))?;
        Ok(Some(lines.join("\n")))
    }
}

/// An SMTP session.
pub struct Smtp(Lines);

impl Smtp {
    /// Connects, takes the greeting and says EHLO.
    pub fn connect(port: u16) -> io::Result<Self> {
        let mut smtp = Self(Lines::connect(port)?);
        smtp.answer()?;
        smtp.command("EHLO client.example.org")?;
        Ok(smtp)
    }

    /// The same for LMTP (RFC 2033), which greets with LHLO and is sent to as SMTP is where there is one recipient.
    pub fn connect_lmtp(port: u16) -> io::Result<Self> {
        let mut lmtp = Self(Lines::connect(port)?);
        lmtp.answer()?;
        lmtp.command("LHLO client.example.org")?;
        Ok(lmtp)
    }

    /// `AUTH PLAIN` with an initial response.
    pub fn auth_plain(&mut self, login: Login<'_>) -> io::Result<String> {
        self.command(&format!("AUTH PLAIN {}", login.plain()))
    }

    /// Sends a mail. Returns the first answer that is no success, or the last.
    pub fn send(&mut self, from: &str, to: &str, subject: &str, body: &str) -> io::Result<String> {
        for command in [format!("MAIL FROM:<{from}>"), format!("RCPT TO:<{to}>"), "DATA".to_owned()] {
            let answer = self.command(&command)?;
            if !answer.starts_with(['2', '3']) {
                return Ok(answer);
            }
        }
        self.command(&format!("From: <{from}>\r\nTo: <{to}>\r\nSubject: {subject}\r\n\r\n{body}\r\n."))
    }

    /// Sends a line. Returns the last line of the answer.
    pub fn command(&mut self, command: &str) -> io::Result<String> {
        self.0.write(command)?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<String> {
        loop {
            let line = self.0.read()?;
            // More lines follow where a hyphen follows the code.
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line);
            }
        }
    }
}

/// A connection in lines.
struct Lines(BufReader<TcpStream>);

impl Lines {
    fn connect(port: u16) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((SOURCE.get(), 0)).into())?;
        socket.connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into(), PATIENCE)?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes())
    }

    fn read(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\n") {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
        }
        Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
    }

    fn ask(&mut self, line: &str) -> io::Result<String> {
        self.write(line)?;
        self.read()
    }
}

/// The tagged line.
fn last(mut lines: Vec<String>) -> String {
    lines.pop().unwrap_or_default()
}

/// A quoted string of IMAP (RFC 3501).
fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn decode(text: &str) -> String {
    String::from_utf8_lossy(&BASE64_STANDARD.decode(text).unwrap_or_default()).into_owned()
}

/// Base64, as SASL responses are sent.
pub fn encode(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}
