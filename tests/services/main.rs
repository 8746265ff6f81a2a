//! Logins through real servers: Dovecot, Postfix, Keycloak and, for one half of the tests, MariaDB.
//!
//! A case is a plain function over a running [`System`], which it has for itself. The cases run side by side, in another
//! order each time; `tests/README.md` says how one is run and added. What they share, Keycloak and MariaDB, ends before
//! this program does, which is why it has a main function of its own.
#![expect(
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test program talks to the terminal and reads the clock"
)]

mod app_passwords;
mod auth_policy;
mod auth_socket;
mod check;
mod conformance;
mod control;
mod demands;
mod events;
mod explain;
mod fault_matrix;
mod first_login;
mod hook;
mod hostile;
mod housekeeping;
mod http_login;
mod json;
mod kicks;
mod logins;
mod mail;
mod mailcow_cases;
mod mailcow_mode;
mod master_users;
mod oauth;
mod operations;
mod outages;
mod people;
mod pitfalls;
mod postfix_doors;
#[path = "../house/reason_codes.rs"]
mod reason_codes;
mod reasons;
mod record_file;
mod restart;
mod run;
mod stopping;
mod sync;
mod takeover;
mod throttling;
mod tls;
mod wants;

use std::process::ExitCode;
use std::sync::Arc;

use keydove_stage as stage;
use libtest_mimic::{Arguments, Trial};

use mailcow_cases::WorldCase;
use run::{Body, On, Run};
use stage::clients;
use stage::system::System;
use stage::{Failure, Result};

/// A case that logs in and changes nothing that another case sees.
type Case = (&'static str, fn(&System) -> Result<()>);
/// A case that stops and starts servers, or changes rows.
type LoneCase = (&'static str, fn(&mut System) -> Result<()>);

fn main() -> ExitCode {
    if let Some(code) = stage::root::become_root() {
        return code;
    }
    let run = Arc::new(Run::default());
    let trials = all(&run);
    run.conclude(Arguments::from_args(), trials).exit_code()
}

/// Every case, by what it needs.
fn all(run: &Arc<Run>) -> Vec<Trial> {
    let looking: &[&[Case]] = &[
        logins::CASES,
        demands::CASES,
        hostile::CASES,
        json::CASES,
        stopping::CASES,
        tls::CASES,
        mail::CASES,
        pitfalls::CASES,
        people::CASES,
        operations::CASES,
        check::CASES,
        control::CASES,
        explain::CASES,
        events::CASES,
        kicks::CASES,
        postfix_doors::CASES,
        oauth::CASES,
    ];
    let acting: &[&[LoneCase]] = &[
        outages::CASES,
        first_login::CASES,
        app_passwords::CASES,
        mailcow_mode::CASES,
        restart::CASES,
        pitfalls::LONE_CASES,
        conformance::CASES,
        takeover::CASES,
        master_users::CASES,
        fault_matrix::LONE_CASES,
        wants::LONE_CASES,
        wants::SERVERS,
        operations::LONE_CASES,
        record_file::CASES,
        events::LONE_CASES,
        throttling::LONE_CASES,
        oauth::LONE_CASES,
    ];
    let asking: &[&[&[WorldCase]]] = &[
        mailcow_cases::CASES,
        mailcow_cases::TRAPS,
        fault_matrix::CASES,
        &[wants::CASES, wants::IDENTITY, throttling::CASES, auth_policy::CASES, housekeeping::CASES],
        http_login::CASES,
    ];
    let own: &[&[LoneCase]] =
        &[outages::SERVER_CASES, mailcow_mode::SERVER_CASES, fault_matrix::SERVER_CASES];
    let mut all = Vec::new();
    let mut add = |on, name: &str, case| all.extend(run.trials(on, name, case));
    looking
        .iter()
        .copied()
        .flatten()
        .for_each(|&(name, case)| add(On::BothDatabases, name, Body::Looks(case)));
    acting
        .iter()
        .chain(hook::CASES)
        .copied()
        .flatten()
        .for_each(|&(name, case)| add(On::BothDatabases, name, Body::Acts(case)));
    asking
        .iter()
        .copied()
        .flatten()
        .copied()
        .flatten()
        .for_each(|&(name, case)| add(On::BothDatabases, name, Body::Asks(case)));
    mailcow_cases::STORMS.iter().for_each(|&(name, case)| add(On::Sqlite, name, Body::Asks(case)));
    for &(name, case) in sync::CASES.iter().copied().flatten() {
        add(On::BothDatabases, &format!("sync::{name}"), Body::Asks(case));
    }
    own.iter().copied().flatten().for_each(|&(name, case)| add(On::OwnMariaDb, name, Body::Acts(case)));
    all
}

/// Compares a server's answer with what it must begin with.
fn expect(what: &str, answer: std::io::Result<String>, beginning: &str) -> Result<()> {
    match answer {
        Ok(answer) if answer.starts_with(beginning) => Ok(()),
        Ok(answer) => Err(Failure(format!("{what}: expected `{beginning}`, got `{answer}`"))),
        Err(error) => Err(Failure(format!("{what}: expected `{beginning}`, got an error: {error}"))),
    }
}

/// Says what does not hold.
fn ensure(holds: bool, complaint: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Failure(complaint())) }
}

/// Tries until it holds, for so long. The last complaint counts.
fn within(limit: std::time::Duration, mut holds: impl FnMut() -> Result<()>) -> Result<()> {
    let start = std::time::Instant::now();
    loop {
        match holds() {
            Err(_) if start.elapsed() < limit => std::thread::sleep(std::time::Duration::from_millis(50)),
            end => return end,
        }
    }
}

/// A connection that fails where none may.
fn transport<T>(result: std::io::Result<T>) -> Result<T> {
    result.map_err(|error| Failure(format!("the connection failed: {error}")))
}
