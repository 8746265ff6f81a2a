//! Many logins at once: after a restart of keydove, when nobody is known, and after one of the mail server, when all are.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use super::cache::behind;
use super::outage::crowd;
use crate::mailcow::WorldCase;
use crate::mailcow::world::{RIGHT, connect};
use crate::stage::keydove::Keydove;
use crate::stage::relay::Conduct;
use crate::stage::{Failure, Result, attempt};
use crate::{ensure, transport};

/// A mail server's worth of people, and a Keycloak that answers 40 questions a second: 25 s if all goes well, which is six
/// times as long as a login may take.
const PEOPLE: usize = 1000;
const PACE: Duration = Duration::from_millis(25);
/// Logins under way on each connection.
const DEPTH: usize = 40;

/// Once, whatever the database.
pub const CASES: &[WorldCase] = &[("a_cold_start_and_a_storm_of_reconnects_keep_nobody_out", |world| {
    let (relay, keydove) = behind(world, "storm", "\n[cache]\nmax_staleness = \"10m\"\n")?;
    let mut waiting = crowd(world, "storm", PEOPLE)?;
    relay.turn(Conduct::Pace(PACE));
    while !waiting.is_empty() {
        let out = waiting.len();
        waiting = log_in(&keydove, &waiting)?;
        ensure(waiting.len() < out, || format!("none of {out} people got in"))?;
    }
    reconnect(&keydove)?;
    let log = keydove.log();
    ensure(!log.contains("verdict=refuse"), || "somebody was refused".to_owned())?;
    let accepted = log.matches("verdict=accept").count();
    ensure(accepted >= 2 * PEOPLE, || format!("only {accepted} logins were accepted"))
})];

/// Everybody tries once. Returns who has to try again; nobody is refused.
fn log_in(keydove: &Keydove, addresses: &[String]) -> Result<Vec<String>> {
    let mut sockets = Vec::new();
    for addresses in addresses.chunks(DEPTH) {
        let mut socket = connect(keydove)?;
        for (id, address) in (1..).zip(addresses) {
            let response = format!("\0{address}\0{RIGHT}");
            transport(socket.login_with(id, "service=imap\trip=192.0.2.9", response.as_bytes()))?;
        }
        sockets.push((addresses, socket));
    }
    let mut again = Vec::new();
    for (addresses, mut socket) in sockets {
        for _ in addresses {
            let answer = transport(socket.line())?;
            if answer.starts_with("OK\t") {
                continue;
            }
            ensure(answer.ends_with("code=temp_fail"), || answer.clone())?;
            let id = answer.split('\t').nth(1).and_then(|id| id.parse::<usize>().ok());
            let address = id.and_then(|id| addresses.get(id.checked_sub(1)?));
            again.push(address.ok_or_else(|| Failure(format!("whose answer is {answer}?")))?.clone());
        }
    }
    Ok(again)
}

/// Everybody once, and a connection for each login, as after a restart of the mail server. The load client's exit code says
/// whether each was accepted.
fn reconnect(keydove: &Keydove) -> Result<()> {
    let socket = keydove.only_socket()?;
    let mut client = std::process::Command::new(env!("CARGO_BIN_EXE_keydove"));
    client.arg("bench").arg(socket).args([
        "--user",
        "storm-%d@case.example",
        "--people",
        &PEOPLE.to_string(),
    ]);
    let limit = format!("{}s", crate::PATIENCE.as_secs());
    client.args(["--connections", "64", "--connection-per-login", "--each-once", "--duration", &limit]);
    client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = attempt("load", socket, client.spawn())?;
    let password = format!("{RIGHT}\n");
    if let Some(mut stdin) = child.stdin.take() {
        attempt("load", socket, stdin.write_all(password.as_bytes()))?;
    }
    let output = attempt("load", socket, child.wait_with_output())?;
    ensure(output.status.success(), || {
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    })
}
