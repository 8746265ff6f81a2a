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

mod access;
mod account_states;
mod app_passwords;
mod auth_policy;
mod auth_socket;
mod backends;
mod check;
mod commands;
mod conformance;
mod control;
mod credentials;
mod demands;
mod directory;
mod doors;
mod events;
mod explain;
mod explain_truth;
mod fault_matrix;
mod first_login;
mod guesses;
mod hashes;
mod hook;
mod hostile;
mod housekeeping;
mod http_login;
mod indistinguishable;
mod json;
mod kicks;
mod logins;
mod mail;
mod mailcow;
mod mailcow_mode;
mod mailcow_setup;
mod mailcow_switches;
mod master_users;
mod nodes;
mod notices;
mod oauth;
mod operations;
mod organizations;
mod outages;
mod people;
mod planted_faults;
mod portal;
mod portal_socket;
mod postfix_doors;
mod protocol_edges;
mod reasons;
mod record_file;
mod restart;
mod run;
mod sentinel;
mod setup;
mod sqlite_files;
mod stopping;
mod sync;
mod takeover;
mod throttling;
mod tls;
mod versions;

use std::process::ExitCode;
use std::sync::Arc;

use keydove_stage as stage;
use libtest_mimic::{Arguments, Trial};

use mailcow::WorldCase;
use run::{Body, On, Run};
use stage::clients;
use stage::system::System;
use stage::{Failure, PATIENCE, Result};

/// A case that logs in and changes nothing that another case sees.
type Case = (&'static str, fn(&System) -> Result<()>);
/// A case that stops and starts servers, or changes rows.
type LoneCase = (&'static str, fn(&mut System) -> Result<()>);

fn main() -> ExitCode {
    if let Some(code) = portal::become_portal() {
        return code;
    }
    if let Some(code) = stage::root::become_root() {
        return code;
    }
    let run = Arc::new(Run::default());
    let trials = if stage::keycloak::chosen_version().is_some() { versions::all(&run) } else { all(&run) };
    run.conclude(Arguments::from_args(), trials).exit_code()
}

/// Cases of one subject, and where they run.
type Group<C> = (&'static str, On, &'static [C]);

/// Every case.
fn all(run: &Arc<Run>) -> Vec<Trial> {
    let mut all = Vec::new();
    for &(subject, on, cases) in LOOKING {
        all.extend(cases.iter().flat_map(|&(name, case)| run.trials(subject, on, name, Body::Looks(case))));
    }
    for &(subject, on, cases) in ACTING.iter().chain(hook::GROUPS) {
        all.extend(cases.iter().flat_map(|&(name, case)| run.trials(subject, on, name, Body::Acts(case))));
    }
    let asking = [
        ASKING,
        mailcow::GROUPS,
        fault_matrix::GROUPS,
        http_login::GROUPS,
        sync::GROUPS,
        directory::GROUPS,
        doors::GROUPS,
        guesses::GROUPS,
    ];
    for &(subject, on, cases) in asking.into_iter().flatten() {
        all.extend(cases.iter().flat_map(|&(name, case)| run.trials(subject, on, name, Body::Asks(case))));
    }
    all
}

/// Cases that log in and look.
const LOOKING: &[Group<Case>] = &[
    ("check", On::BothDatabases, check::CASES),
    ("control", On::Sqlite, control::CASES),
    ("portal_socket", On::Sqlite, portal_socket::CASES),
    ("portal_socket", On::Sqlite, portal_socket::ADMIN_CASES),
    ("portal_socket", On::BothDatabases, portal_socket::ADMIN_ROWS),
    ("credentials", On::Sqlite, credentials::CASES),
    ("demands", On::Sqlite, demands::CASES),
    ("doors", On::Sqlite, doors::CASES),
    ("events", On::Sqlite, events::CASES),
    ("explain", On::BothDatabases, explain::CASES),
    ("explain", On::BothDatabases, explain_truth::CASES),
    ("hostile", On::Sqlite, hostile::CASES),
    ("json", On::Sqlite, json::CASES),
    ("kicks", On::Sqlite, kicks::CASES),
    ("logins", On::Sqlite, logins::CASES),
    ("mail", On::Sqlite, mail::CASES),
    ("oauth", On::Sqlite, oauth::CASES),
    ("operations", On::Sqlite, operations::CASES),
    ("people", On::BothDatabases, people::CASES),
    ("protocol_edges", On::Sqlite, protocol_edges::CASES),
    ("postfix", On::Sqlite, postfix_doors::CASES),
    ("stopping", On::Sqlite, stopping::CASES),
    ("tls", On::Sqlite, tls::CASES),
    ("versions", On::Sqlite, versions::CASES),
];

/// Cases that stop servers and start them.
const ACTING: &[Group<LoneCase>] = &[
    ("app_passwords", On::BothDatabases, app_passwords::CASES),
    ("backends", On::BothDatabases, backends::CASES),
    ("backends", On::Sqlite, backends::PROXIES),
    ("conformance", On::Sqlite, conformance::CASES),
    ("events", On::Sqlite, events::LONE_CASES),
    ("fault_matrix", On::OwnMariaDb, fault_matrix::SERVER_CASES),
    ("fault_matrix", On::Sqlite, fault_matrix::LONE_CASES),
    ("first_login", On::BothDatabases, first_login::CASES),
    ("mailcow_mode", On::BothDatabases, mailcow_mode::CASES),
    ("mailcow_mode", On::OwnMariaDb, mailcow_mode::SERVER_CASES),
    ("mailcow_switches", On::Sqlite, mailcow_switches::CASES),
    ("mailcow_setup", On::OwnMariaDb, mailcow_setup::CASES),
    ("master_users", On::Sqlite, master_users::CASES),
    ("notices", On::BothDatabases, notices::CASES),
    ("oauth", On::Sqlite, oauth::LONE_CASES),
    ("operations", On::Sqlite, operations::LONE_CASES),
    ("outages", On::BothDatabases, outages::CASES),
    ("outages", On::OwnMariaDb, outages::SERVER_CASES),
    ("planted_faults", On::OwnMariaDb, planted_faults::CASES),
    ("portal", On::BothDatabases, portal::CASES),
    ("portal", On::Sqlite, portal::PAGES),
    ("portal", On::Sqlite, portal::ROLE_CASES),
    ("portal", On::Sqlite, portal::EVERY_PAGE_CASES),
    ("portal", On::BothDatabases, portal::ADMIN_CASES),
    ("portal", On::Sqlite, portal::ERRAND_CASES),
    ("portal", On::Sqlite, portal::ADMIN_PAGES),
    ("portal", On::Sqlite, portal::WEIGHT_CASES),
    ("portal", On::Sqlite, portal::formats::CASES),
    ("portal", On::Sqlite, portal::old_browser::CASES),
    ("protocol_edges", On::Sqlite, protocol_edges::LONE_CASES),
    ("record_file", On::BothWithOwnMariaDb, record_file::CASES),
    ("restart", On::BothDatabases, restart::CASES),
    ("setup", On::Sqlite, setup::CASES),
    ("setup", On::Sqlite, setup::portal::CASES),
    ("sqlite_files", On::Sqlite, sqlite_files::CASES),
    ("takeover", On::Sqlite, takeover::CASES),
    ("throttling", On::Sqlite, throttling::LONE_CASES),
    ("access", On::Sqlite, access::LONE_CASES),
    ("access", On::Sqlite, access::SERVERS),
];

/// Cases that ask one keydove, set up as mailcow's is.
const ASKING: &[Group<WorldCase>] = &[
    ("account_states", On::Sqlite, account_states::CASES),
    ("auth_policy", On::Sqlite, auth_policy::CASES),
    ("hashes", On::Sqlite, hashes::CASES),
    ("housekeeping", On::BothDatabases, housekeeping::CASES),
    ("indistinguishable", On::Sqlite, indistinguishable::CASES),
    ("nodes", On::BothDatabases, nodes::CASES),
    ("organizations", On::Sqlite, organizations::CASES),
    ("sentinel", On::Sqlite, sentinel::CASES),
    ("throttling", On::Sqlite, throttling::CASES),
    ("access", On::BothDatabases, access::CASES),
    ("access", On::BothDatabases, access::IDENTITY),
];

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

/// Tries until it holds. The last complaint counts.
fn eventually(mut holds: impl FnMut() -> Result<()>) -> Result<()> {
    let start = std::time::Instant::now();
    loop {
        match holds() {
            Err(_) if start.elapsed() < PATIENCE => std::thread::sleep(std::time::Duration::from_millis(50)),
            end => return end,
        }
    }
}

/// A time that was measured, for whoever reads along.
#[expect(clippy::print_stdout, reason = "the run's own output")]
fn say(text: &str) {
    println!("{text}");
}

/// How often something may be late: a busy machine is now and then, a fault always.
const LATE_TRIES: usize = 5;

/// Tries until it took less than `limit` once, and says how long it took then. It must hold each time.
fn in_time(limit: std::time::Duration, mut holds: impl FnMut() -> Result<()>) -> Result<std::time::Duration> {
    let mut late = Vec::new();
    while late.len() < LATE_TRIES {
        let start = std::time::Instant::now();
        holds()?;
        let took = start.elapsed();
        if took < limit {
            return Ok(took);
        }
        late.push(took);
    }
    Err(Failure(format!("it never took less than {limit:?}, but {late:?}")))
}

/// A connection that fails where none may.
fn transport<T>(result: std::io::Result<T>) -> Result<T> {
    result.map_err(|error| Failure(format!("the connection failed: {error}")))
}
