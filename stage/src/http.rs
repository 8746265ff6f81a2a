//! One HTTP request on a connection of its own. HTTP/1.0, so that the answer comes in one piece.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::{Failure, PATIENCE, Result};

/// The header of a form that is posted.
pub(crate) const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// What the server said.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The values of a header, in their order.
    pub(crate) fn header(&self, name: &str) -> impl Iterator<Item = &str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(move |(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// Sends a request, such as `GET /path`, to `host:port`. Each line of `headers` ends with CR and LF.
pub(crate) fn send(address: &str, request: &str, headers: &str, body: &str) -> Result<Answer> {
    let exchange = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let length = body.len();
        let head =
            format!("{request} HTTP/1.0\r\nHost: {address}\r\n{headers}Content-Length: {length}\r\n\r\n");
        stream.write_all((head + body).as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let failed = |error| Failure(format!("{request} at Keycloak: {error}"));
    let answer = exchange().map_err(|error| failed(error.to_string()))?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| failed(answer.clone()))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| failed(head.to_owned()))?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

/// A text as a value of a query or of a form.
pub(crate) fn escape(text: &str) -> String {
    let escaped = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escaped).collect()
}
