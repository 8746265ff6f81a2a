//! Does keydove answer over HTTP where mailcow's Dovecot asks?

use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use zeroize::Zeroizing;

use super::super::super::output::say;
use super::super::super::storage::Failure;
use super::super::login::TestUser;
use super::super::running::wait;
use super::super::wire::Wire;
use super::DOVECOT;
use super::compose::Compose;

/// Where keydove listens in the containers' network.
pub(super) const PORT: u16 = 9082;
/// Longer than mailcow may take.
const LIMIT: Duration = Duration::from_secs(30);
/// What a request without a login gets, from mailcow in shadow mode and from keydove after it.
const NO_LOGIN: &str = "\"success\":false} 400";

/// Asks from Dovecot's container, by address or by name, without a login: nobody's count of failures grows.
pub(super) fn from_container(compose: &Compose, host: &str) -> Result<(), Failure> {
    let url = format!("https://{host}:{PORT}");
    let mut last = Ok(String::new());
    let is_there = wait(|| {
        let curl = ["curl", "-sk", "--max-time", "20", "-d", "{}", "-w", " %{http_code}", &url];
        last = compose.inside(DOVECOT, &curl);
        last.as_ref().is_ok_and(|answer| answer.contains(NO_LOGIN))
    });
    if is_there {
        say(&format!("  mailcow's Dovecot reaches keydove at {url}"));
        return Ok(());
    }
    let said = match last {
        Ok(answer) => format!("the answer is: {answer}"),
        Err(error) => error.to_string(),
    };
    Err(Failure::System(format!(
        "mailcow's Dovecot does not get an answer from {url}; {said}\nLet the containers' network (br-mailcow) reach port {PORT} \
         in the host's firewall. In shadow mode the answer is mailcow's own: `docker compose logs php-fpm-mailcow nginx-mailcow`"
    )))
}

/// The test user logs in over HTTP, as at Dovecot.
pub(super) fn log_in(test: &TestUser, host: &str) -> Result<(), Failure> {
    let answer =
        ask(test, host).map_err(|error| Failure::System(format!("https://{host}:{PORT}: {error}")))?;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    if status == "200" && answer.contains("\"success\":true") {
        say(&format!("  {} logs in at keydove", test.user));
        return Ok(());
    }
    let body = answer.rsplit("\r\n\r\n").next().unwrap_or_default();
    Err(Failure::Data(format!(
        "the test user {} cannot log in at https://{host}:{PORT}; the answer is {status} {}\nIs it the right password? \
         `journalctl -u keydove` has the reason (in shadow mode the answer is mailcow's)",
        test.user,
        body.trim()
    )))
}

fn ask(test: &TestUser, host: &str) -> std::io::Result<String> {
    let ip: IpAddr = host.parse().map_err(std::io::Error::other)?;
    let mut wire = Wire::connect(SocketAddr::new(ip, PORT), LIMIT)?.secure()?;
    let body = Zeroizing::new(
        serde_json::json!({
            "username": test.user.as_str(),
            "password": String::from_utf8_lossy(test.password.expose()),
            "real_rip": "127.0.0.1",
            "service": "imap",
        })
        .to_string(),
    );
    // The line's end counts.
    let length = body.len() + 2;
    wire.send(&format!(
        "POST / HTTP/1.1\r\nHost: keydove\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n"
    ))?;
    wire.send(&body)?;
    let mut answer = Vec::new();
    // The other side may close without a word of TLS.
    let end = wire.read_to_end(&mut answer);
    match answer.is_empty() {
        true => end.and_then(|_| Err(std::io::Error::other("no answer"))),
        false => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}
