//! mailcow's HTTP login: bytes on the port, mailcow's login chain in a real Dovecot, and shadow mode.

pub mod chain;
pub mod double;
pub mod dovecot;
mod granted;
mod shadow;
mod tap;
mod wire;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use crate::mailcow::WorldCase;
use crate::mailcow::world::{World, prompt};
use crate::run::On;
use crate::stage::keydove::Keydove;
use crate::stage::process::run;
use crate::stage::{Failure, Result, free_port};
use crate::{Group, ensure, eventually, transport};

pub const GROUPS: &[Group<WorldCase>] = &[
    ("http_login", On::Sqlite, wire::CASES),
    ("http_login", On::Sqlite, chain::CASES),
    ("http_login", On::Sqlite, shadow::CASES),
    ("http_login", On::OwnMariaDb, granted::CASES),
];

const YES: &str = r#"{"success":true}"#;
const CANNOT_TELL: (u16, &str) = (401, "null");
const NO: &str = r#"{"success":false}"#;

/// A keydove with this door.
pub struct Served {
    pub keydove: Keydove,
    pub port: u16,
}

impl Served {
    /// Without TLS, with these settings of `[http_login]` and whatever follows.
    pub fn start(world: &World<'_>, name: &'static str, settings: &str) -> Result<Self> {
        Self::start_edited(world, name, settings, |text| text)
    }

    pub fn start_edited(
        world: &World<'_>,
        name: &'static str,
        settings: &str,
        edit: impl FnOnce(String) -> String,
    ) -> Result<Self> {
        let port = free_port()?;
        let table = format!("\n[http_login]\nlisten = \"127.0.0.1:{port}\"\n{settings}");
        let keydove = world.system.keydove.beside(name, |text| edit(prompt(&text)) + &table)?;
        eventually(|| transport(TcpStream::connect((Ipv4Addr::LOCALHOST, port))).map(drop))?;
        Ok(Self { keydove, port })
    }

    /// The status, the content type and the body of the answer to this body.
    pub fn post(&self, body: &[u8]) -> Result<(u16, String, String)> {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: nginx\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        parse(&self.talk(&[head.as_bytes(), body].concat())?)
    }

    /// The answer to a login ends so. 503 stands for "cannot tell", which mailcow's script is told otherwise.
    pub fn answers(&self, login: &str, status: u16) -> Result<()> {
        let (status, body) = match status {
            200 => (status, YES),
            503 => CANNOT_TELL,
            _ => (status, NO),
        };
        let expected = (status, "application/json".to_owned(), body.to_owned());
        let answer = self.post(login.as_bytes())?;
        ensure(answer == expected, || format!("{login}: {answer:?}, not {expected:?}"))
    }

    /// Everything that comes back.
    pub fn talk(&self, bytes: &[u8]) -> Result<String> {
        let mut stream = transport(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)))?;
        transport(stream.set_read_timeout(Some(crate::PATIENCE)))?;
        // Whoever is refused early may find the connection closed.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// The lines of logins over HTTP that hold this text.
    pub fn lines(&self, text: &str) -> Vec<String> {
        let log = self.keydove.log();
        let wanted = |line: &&str| line.contains(" login verdict=") && line.contains(text);
        log.lines().filter(wanted).map(str::to_owned).collect()
    }

    pub fn has_lines(&self, text: &str, count: usize) -> Result<()> {
        eventually(|| {
            let lines = self.lines(text);
            ensure(lines.len() == count, || {
                let all = self.lines("");
                format!("{} lines with `{text}`, not {count}: {lines:#?}\nof {all:#?}", lines.len())
            })
        })
    }
}

/// What mailcow's script sends.
pub fn login(user: &str, password: &str, service: &str) -> String {
    serde_json::json!({ "username": user, "password": password, "real_rip": "192.0.2.9", "service": service })
        .to_string()
}

fn parse(answer: &str) -> Result<(u16, String, String)> {
    let (head, body) =
        answer.split_once("\r\n\r\n").ok_or_else(|| Failure(format!("no answer: {answer:?}")))?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_default();
    let kind = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
    Ok((status, kind.to_owned(), body.to_owned()))
}

/// The number behind a line of `/metrics` that begins so.
fn metric(port: u16, beginning: &str) -> Result<Option<u64>> {
    let text =
        run(std::process::Command::new("curl").args(["-s", &format!("http://127.0.0.1:{port}/metrics")]))?;
    Ok(text.lines().find_map(|line| line.strip_prefix(beginning)?.trim().parse().ok()))
}
