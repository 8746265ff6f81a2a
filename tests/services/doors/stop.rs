//! A stop waits for logins that somebody will fetch, and for no others.

use std::thread;
use std::time::Duration;

use crate::auth_socket::AuthSocket;
use crate::stage::keydove::{Keydove, remembering};
use crate::stage::{Failure, Result};
use crate::{Case, ensure, eventually, expect, transport};

/// Whose hash costs next to nothing.
const PERSON: &str = "ssha512@example.org";
const LOGINS: u32 = 100;
/// How long keydove waits for what somebody is about to fetch.
const REDEEMED: Duration = Duration::from_secs(4);

pub const CASES: &[Case] = &[
    ("a_stop_does_not_wait_for_logins_that_nobody_redeems", |system| {
        let mut keydove = system.keydove.beside("doors-xmpp", |text| remembering(&text))?;
        warm_up(&keydove)?;
        let mut socket = transport(AuthSocket::client(keydove.only_socket()?, 8100))?;
        for id in 1..=LOGINS {
            transport(socket.login(id, PERSON, "pw"))?;
            expect("a login", socket.line(), &format!("OK\t{id}\tuser={PERSON}"))?;
        }
        let took = keydove.stop()?;
        ensure(took < REDEEMED, || format!("it took {} ms", took.as_millis()))?;
        let log = keydove.log();
        ensure(!log.contains("had to be cut"), || log.clone())
    }),
    ("a_stop_waits_for_the_login_that_a_mail_process_is_about_to_redeem", |system| {
        let path = system.stage().path("keydove/doors-redeem.master");
        let listener = format!("[[listener]]\ndoor = \"auth-master\"\npath = \"{}\"\n\n", path.display());
        let mut keydove = system.keydove.beside("doors-redeem", |text| listener + &remembering(&text))?;
        warm_up(&keydove)?;
        let mut socket = transport(AuthSocket::client(keydove.only_socket()?, 8200))?;
        let mut master = transport(AuthSocket::master(&path))?;
        let cookie = socket.cookie().to_owned();
        let mut log_in = |id: u32| {
            transport(socket.login(id, PERSON, "pw"))?;
            expect("a login", socket.line(), &format!("OK\t{id}\tuser={PERSON}"))
        };
        let mut redeem = |id: u32| {
            transport(master.send(format!("REQUEST\t{id}\t8200\t{id}\t{cookie}\n").as_bytes()))?;
            expect("what the mail process is told", master.line(), &format!("USER\t{id}\t{PERSON}"))
        };
        // From here on keydove knows that somebody fetches logins.
        log_in(1)?;
        redeem(1)?;
        log_in(2)?;
        let log = system.stage().path("log/doors-redeem.log");
        thread::scope(|scope| {
            let stopping = scope.spawn(|| keydove.stop());
            let redeemed = eventually(|| {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                ensure(said.contains("stopping: "), || "it does not stop".to_owned())
            })
            .and_then(|()| redeem(2));
            let stopped = stopping.join().map_err(|_| Failure("the stop panicked".to_owned()))?;
            redeemed.and(stopped)
        })?;
        // One that nobody comes for holds nothing up for long.
        keydove.start_again()?;
        warm_up(&keydove)?;
        let mut socket = transport(AuthSocket::client(keydove.only_socket()?, 8300))?;
        let mut master = transport(AuthSocket::master(&path))?;
        let cookie = socket.cookie().to_owned();
        for id in 1..=2 {
            transport(socket.login(id, PERSON, "pw"))?;
            expect("a login", socket.line(), &format!("OK\t{id}\tuser={PERSON}"))?;
        }
        transport(master.send(format!("REQUEST\t1\t8300\t1\t{cookie}\n").as_bytes()))?;
        expect("what the mail process is told", master.line(), &format!("USER\t1\t{PERSON}"))?;
        keydove.stop()?;
        let log = keydove.log();
        ensure(!log.contains("had to be cut"), || log.clone())
    }),
];

/// Keycloak's first answers may take longer than a login has; from then on keydove knows the person. The login is nobody's any
/// more once its client has left.
fn warm_up(keydove: &Keydove) -> Result<()> {
    eventually(|| {
        let mut socket = transport(AuthSocket::client(keydove.only_socket()?, 8000))?;
        transport(socket.login(1, PERSON, "pw"))?;
        expect("the first login", socket.line(), "OK\t1\tuser=")
    })
}
