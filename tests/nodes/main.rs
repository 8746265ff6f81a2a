//! Three nodes of a mail system under faults, and a checker that judges what they said.
//!
//! `cargo test --test nodes` tries the checker, and then makes a short run; `make test-nodes` makes long ones. See
//! `tests/README.md`.
#![expect(
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test program talks to the terminal and reads the clock"
)]

mod book;
mod browser;
mod checker;
mod clients;
mod cluster;
mod configuration;
mod faults;
mod front;
mod galera;
mod history;
mod logins;
mod node;
mod portal;
mod proxy;
mod recorder;
mod redis;
mod run;
mod schedule;
mod tokens;
mod wishes;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use keydove_stage as stage;
use libtest_mimic::{Arguments, Failed, Trial};

use run::{Plan, run, seed_of};

/// Which seed; otherwise the clock's.
const SEED: &str = "KEYDOVE_TEST_SEED";
/// How many seconds of faults a long run has; without it the run is the short one.
const SECONDS: &str = "KEYDOVE_NODES_SECONDS";
/// Leaves the run out where no namespaces can be made.
const WITHOUT: &str = "KEYDOVE_NODES_WITHOUT_NAMESPACES";

fn main() -> ExitCode {
    if let Some(code) = portal::become_portal().or_else(stage::root::become_root) {
        return code;
    }
    let mut trials = Vec::new();
    for &(name, case) in checker::cases::CASES {
        let run = move || case().map_err(|failure| Failed::from(failure.0));
        trials.push(Trial::test(format!("checker::{name}"), run));
    }
    trials.push(Trial::test("nodes::three_nodes_keep_eight_promises_under_faults", nodes));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn nodes() -> Result<(), Failed> {
    if let Some(why) = stage::network::is_forbidden() {
        if std::env::var_os(WITHOUT).is_some() {
            eprintln!("NOTHING WAS TESTED: no network can be made here: {why}");
            return Ok(());
        }
        let what = "no network namespaces can be made here, so nothing was tested";
        return Err(format!(
            "{what}: {why}. Run it where root may make them, or set {WITHOUT}=1 to leave it out"
        )
        .into());
    }
    let seed = seed_of(std::env::var(SEED).ok());
    let seconds = std::env::var(SECONDS).ok().and_then(|seconds| seconds.parse().ok());
    eprintln!("nodes: {SEED}={seed}");
    let plan = match seconds.map(Duration::from_secs) {
        None => Plan { seed, steps: schedule::short(seed), residents: 8, pace: Duration::from_secs(3) },
        Some(length) => {
            let steps = schedule::long(seed, length);
            Plan { seed, steps, residents: 60, pace: Duration::from_secs(6) }
        }
    };
    let verdict = run(Path::new(env!("CARGO_BIN_EXE_keydove")), &plan).map_err(|failure| failure.0)?;
    eprintln!("nodes: seed {seed}: the longest were: {}", verdict.maxima);
    let found: Vec<_> = verdict.violations.iter().map(ToString::to_string).collect();
    if found.is_empty() { Ok(()) } else { Err(Failed::from(found.join("\n"))) }
}
