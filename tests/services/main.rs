//! Logins through real servers: Dovecot, Postfix, Keycloak and, for one half of the tests, MariaDB.
//!
//! A case is a plain function over a running [`System`]. Each case runs once per database. Cases that only log in run side
//! by side; cases that stop a server have it for themselves, while those of the other database go on. The servers start
//! when the first case needs them, and they end before this program does, which is why it has a main function of its own.
#![expect(
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test program talks to the terminal and reads the clock"
)]

mod account_states;
mod app_passwords;
mod auth_policy;
mod auth_socket;
mod check;
mod clients;
mod conformance;
mod control;
mod demands;
mod directory;
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
mod shared;
mod stage;
mod stopping;
mod sync;
mod takeover;
mod throttling;
mod tls;
mod traps;
mod versions;
mod wants;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use shared::Shared;
use stage::system::{Database, System};
use stage::{Failure, Result};

/// A case that logs in and changes nothing that another case sees.
type Case = (&'static str, fn(&System) -> Result<()>);
/// A case that stops and starts servers, or changes rows.
type LoneCase = (&'static str, fn(&mut System) -> Result<()>);

fn main() -> ExitCode {
    if let Some(code) = stage::root::become_root() {
        return code;
    }
    let arguments = Arguments::from_args();
    let sqlite = Arc::new(Shared::new(Database::Sqlite));
    let mariadb = Arc::new(Shared::new(Database::MariaDb));
    let mut all = in_turns(trials("sqlite", &sqlite), trials("mariadb", &mariadb));
    all.push(Trial::test("every_case_of_mailcow_has_a_test", || Ok(mailcow_cases::every_number_is_taken()?)));
    all.push(Trial::test("every_pitfall_has_its_test", || Ok(pitfalls::every_pitfall_has_its_test()?)));
    all.push(Trial::test("every_trap_has_its_place", || Ok(traps::every_trap_has_its_place()?)));
    let server_cases =
        outages::SERVER_CASES.iter().chain(mailcow_mode::SERVER_CASES).chain(fault_matrix::SERVER_CASES);
    all.extend(server_cases.map(|&case| alone("mariadb", &mariadb, case)));
    all.extend(mailcow_cases::STORMS.iter().map(|&(name, case)| {
        let shared = Arc::clone(&sqlite);
        Trial::test(format!("sqlite::{name}"), move || Ok(shared.with_world(case)?))
    }));
    all.extend(directory_trials(&sqlite));
    let is_other_version = stage::keycloak::chosen_version().is_some();
    if is_other_version {
        all = of_versions(&sqlite);
    }
    let conclusion = libtest_mimic::run(&arguments, all);
    let mut seen = sqlite.end(conclusion.has_failed());
    seen.extend(mariadb.end(conclusion.has_failed()));
    let whole =
        arguments.filter.is_none() && arguments.skip.is_empty() && !arguments.ignored && !arguments.list;
    if whole
        && !is_other_version
        && !conclusion.has_failed()
        && let Err(failure) = reasons::all_were_seen(&seen)
    {
        eprintln!("{failure}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

/// What is run with another version of Keycloak; the database does not matter there.
fn of_versions(sqlite: &Arc<Shared>) -> Vec<Trial> {
    let plain = versions::chosen().into_iter().map(|(name, case)| {
        let shared = Arc::clone(sqlite);
        Trial::test(format!("sqlite::{name}"), move || Ok(shared.with(case)?))
    });
    plain.chain(directory_trials(sqlite)).collect()
}

fn directory_trials(sqlite: &Arc<Shared>) -> Vec<Trial> {
    let cases = directory::CASES.iter().copied().flatten().map(|&(name, case)| {
        let shared = Arc::clone(sqlite);
        Trial::test(format!("sqlite::directory::{name}"), move || Ok(shared.with_world(case)?))
    });
    cases.collect()
}

fn trials(database: &str, shared: &Arc<Shared>) -> Vec<Trial> {
    let side_by_side = logins::CASES
        .iter()
        .chain(demands::CASES)
        .chain(hostile::CASES)
        .chain(json::CASES)
        .chain(stopping::CASES)
        .chain(tls::CASES)
        .chain(mail::CASES)
        .chain(pitfalls::CASES)
        .chain(people::CASES)
        .chain(operations::CASES)
        .chain(check::CASES)
        .chain(control::CASES)
        .chain(explain::CASES)
        .chain(events::CASES)
        .chain(versions::CASES)
        .chain(kicks::CASES)
        .chain(postfix_doors::CASES)
        .chain(oauth::CASES)
        .map(|&(name, case)| {
            let shared = Arc::clone(shared);
            Trial::test(format!("{database}::{name}"), move || Ok(shared.with(case)?))
        });
    let alone = outages::CASES
        .iter()
        .chain(first_login::CASES)
        .chain(app_passwords::CASES)
        .chain(mailcow_mode::CASES)
        .chain(restart::CASES)
        .chain(pitfalls::LONE_CASES)
        .chain(conformance::CASES)
        .chain(takeover::CASES)
        .chain(master_users::CASES)
        .chain(fault_matrix::LONE_CASES)
        .chain(wants::LONE_CASES)
        .chain(wants::SERVERS)
        .chain(hook::CASES.iter().copied().flatten())
        .chain(operations::LONE_CASES)
        .chain(record_file::CASES)
        .chain(events::LONE_CASES)
        .chain(throttling::LONE_CASES)
        .chain(oauth::LONE_CASES)
        .map(|&case| alone(database, shared, case));
    let cases = mailcow_cases::CASES
        .iter()
        .chain(mailcow_cases::TRAPS)
        .chain(fault_matrix::CASES)
        .chain(&[wants::CASES, wants::IDENTITY, throttling::CASES, auth_policy::CASES])
        .chain(http_login::CASES)
        .chain(&[housekeeping::CASES])
        .copied()
        .flatten()
        .map(|&(name, case)| {
            let shared = Arc::clone(shared);
            Trial::test(format!("{database}::{name}"), move || Ok(shared.with_world(case)?))
        });
    let syncs = sync::CASES.iter().copied().flatten().map(|&(name, case)| {
        let shared = Arc::clone(shared);
        Trial::test(format!("{database}::sync::{name}"), move || Ok(shared.with_world(case)?))
    });
    let states = account_states::CASES.iter().map(|&(name, case)| {
        let shared = Arc::clone(shared);
        Trial::test(format!("{database}::account_states::{name}"), move || Ok(shared.with_world(case)?))
    });
    side_by_side.chain(cases).chain(syncs).chain(states).chain(alone).collect()
}

/// One of each at a time: a case that has the servers of one database for itself holds up nobody on the other's.
fn in_turns(some: Vec<Trial>, others: Vec<Trial>) -> Vec<Trial> {
    assert_eq!(some.len(), others.len(), "a case for one database only is lost here");
    some.into_iter().zip(others).flat_map(<[Trial; 2]>::from).collect()
}

fn alone(database: &str, shared: &Arc<Shared>, (name, case): LoneCase) -> Trial {
    let shared = Arc::clone(shared);
    Trial::test(format!("{database}::{name}"), move || Ok(shared.alone(case)?))
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
