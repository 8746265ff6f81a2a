//! A browser that does not say `Sec-Fetch-Site`, as Safari before 16.4: Chromium behind a relay that takes these headers away
//! and notes what it says in `Origin`.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::super::stage::process::accepts;
use super::super::stage::{Failure, Result, attempt, free_port};
use super::super::{LoneCase, ensure, eventually};
use super::browser::{Browser, Scripts};
use super::{ALICE, make, sign_in, start};

pub const CASES: &[LoneCase] = &[("a_browser_that_says_only_its_origin_can_use_all_of_it", |system| {
    let mut portal = start(system)?;
    let (own, behind) = (port_of(&portal.address), free_port()?);
    // The portal moves, and the relay takes its place.
    let path = system.stage().path("keydove/portal.toml");
    let text = attempt("read", &path, fs::read_to_string(&path))?;
    let text = text.replace(&format!("127.0.0.1:{own}"), &format!("127.0.0.1:{behind}"));
    attempt("write", &path, fs::write(&path, text))?;
    portal.stop();
    let origins = relay(own, behind)?;
    portal.start_again()?;
    eventually(|| ensure(accepts(behind), || portal.log()))?;
    let browser = Browser::start(system.stage(), "browser", Scripts::On)?;
    sign_in(&browser, &portal, ALICE, "app-passwords")?;
    make(&browser, &portal, "old phone")?;
    browser.click("header button")?;
    browser.wait_for_address("/signed-out")?;
    let said = origins.lock().unwrap_or_else(PoisonError::into_inner);
    let is_own = said.len() >= 2 && said.iter().all(|origin| *origin == portal.address);
    ensure(is_own, || format!("forms came from {said:?}"))
})];

fn port_of(address: &str) -> u16 {
    address.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_default()
}

type Origins = Arc<Mutex<Vec<String>>>;

/// Hands on one request a connection.
fn relay(from: u16, to: u16) -> Result<Origins> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, from));
    let listener = listener.map_err(|error| Failure(format!("listen at {from}: {error}")))?;
    let origins = Origins::default();
    let notes = Arc::clone(&origins);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let notes = Arc::clone(&notes);
            thread::spawn(move || hand_on(client, to, &notes));
        }
    });
    Ok(origins)
}

fn hand_on(client: TcpStream, to: u16, notes: &Origins) -> io::Result<()> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, to))?;
    let mut reader = BufReader::new(client.try_clone()?);
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(origin) = lower.strip_prefix("origin:") {
            notes.lock().unwrap_or_else(PoisonError::into_inner).push(origin.trim().to_owned());
        }
        if !lower.starts_with("sec-fetch-") && !lower.starts_with("connection:") {
            head.push_str(&line);
        }
    }
    write!(server, "{head}connection: close\r\n\r\n")?;
    let mut answers = server.try_clone()?;
    let mut back = client;
    let answered = thread::spawn(move || {
        io::copy(&mut answers, &mut back)?;
        back.shutdown(Shutdown::Both)
    });
    let mut rest = [0; 4096];
    while let Ok(read @ 1..) = reader.read(&mut rest) {
        if server.write_all(&rest[..read]).is_err() {
            break;
        }
    }
    answered.join().unwrap_or(Ok(()))
}
