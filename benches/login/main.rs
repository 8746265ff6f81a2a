//! How fast logins are answered: `cargo bench --bench login` prints one table of ratios, every one taken in one run and in
//! turns, because only ratios mean something on a busy machine.
//!
//! It starts what it needs by itself, on loopback, in a folder of its own: keydove, an echo server, Dovecot's auth
//! server, a Keycloak with the test realm. `tests/setup` has installed what that needs. It takes about a quarter of an
//! hour.
//!
//! * `hot`: people whom every server knows; `cold`: people who need a hash; `real`: through Keycloak, with `sync`; `memory`;
//!   `restart`. `cargo bench --bench login -- memory restart` runs these parts only.
//! * `goals` lists every number and its goal. A number that could not be measured, and a reply that was wrong, missing
//!   or not asked for, end the benchmark with exit code 1. A goal that was not met does not.
//!
//! `target/bench` gets `ratios.tsv`, `table.md` for README.md, and the plots. Without cargo's `--bench`, as under
//! `cargo test --benches`, it only shows that everything works, with few people and short rounds, in `target/bench/trial`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark talks to the terminal and reads the clock"
)]

mod cold;
mod dovecot;
mod echo;
mod goals;
mod hot;
mod keydove;
mod loads;
mod machine;
mod memory;
mod people;
mod plot;
mod real;
mod report;
mod restart;
mod stand_in;
mod sync;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use keydove_stage as stage;
use plot::{Chart, Line};
use report::Report;
use stage::{Failure, Result, Stage, attempt};

/// How long and how often is measured.
struct Plan {
    is_trial: bool,
    rounds: usize,
    warm_up: Duration,
    window: Duration,
    /// Who are hot.
    hot_people: usize,
    /// Who are cold, and once hot again.
    cold_people: usize,
    /// Of these, how many Dovecot hashes for in one round.
    dovecot_people: usize,
    /// Of these, how many log in alone in one round.
    singles: usize,
    /// bcrypt's; what mailcow and PHP choose, or the least.
    cost: u32,
    /// People of Keycloak's double whose memory is measured; they are more than the hot ones.
    remembered: usize,
    /// Mailboxes by the million.
    sizes: [usize; 3],
    /// How long wrong guesses run beside right logins.
    storm: Duration,
    /// People whom the sync goes through.
    synced: usize,
    /// Guesses in 5 s that Keycloak's calls are counted for.
    guesses: usize,
}

const FULL: Plan = Plan {
    is_trial: false,
    rounds: 3,
    warm_up: Duration::from_millis(150),
    window: Duration::from_millis(800),
    hot_people: 1000,
    cold_people: 256,
    dovecot_people: 48,
    singles: 20,
    cost: 10,
    remembered: 10_000,
    sizes: [100, 10_000, 1_000_000],
    storm: Duration::from_secs(4),
    synced: 20_000,
    guesses: 1000,
};
/// Enough for every kind of reply.
const TRIAL: Plan = Plan {
    is_trial: true,
    rounds: 1,
    warm_up: Duration::from_millis(20),
    window: Duration::from_millis(100),
    hot_people: 50,
    cold_people: 40,
    dovecot_people: 32,
    singles: 2,
    cost: 4,
    remembered: 200,
    sizes: [10, 100, 1000],
    storm: Duration::from_millis(400),
    synced: 200,
    guesses: 100,
};

/// What can be run alone.
const PARTS: [&str; 5] = ["hot", "cold", "real", "memory", "restart"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, socket, user] = &arguments[..]
        && role == echo::ROLE
    {
        return match echo::serve(Path::new(socket), user) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("the echo server ended: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let plan = if arguments.iter().any(|argument| argument == "--bench") { FULL } else { TRIAL };
    let parts: Vec<&str> = arguments.iter().map(String::as_str).filter(|part| PARTS.contains(part)).collect();
    match run(&plan, &parts) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            say("some numbers are missing, or some replies were wrong: see above");
            ExitCode::FAILURE
        }
        Err(failure) => {
            say(&format!("the benchmark cannot run: {failure}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs these parts, all where none is named; says whether every number is there and every reply was right.
fn run(plan: &Plan, parts: &[&str]) -> Result<bool> {
    let wanted = |part: &str| parts.is_empty() || parts.contains(&part);
    let (head, folder) = (report::head(plan), report::folder(plan)?);
    say(&head);
    let stage = Stage::new()?;
    let mut report = Report::default();
    // These cost nothing but time, so that each part has people of its own.
    let remembered = Arc::new(people::hashes(plan.remembered, 4)?);
    let hashes = people::hashes(plan.cold_people, plan.cost)?;
    let hot = wanted("hot")
        .then(|| part("hot logins", hot::measure(plan, &stage, &remembered, &mut report)))
        .flatten();
    let at_random = wanted("cold")
        .then(|| part("cold logins", cold::measure(plan, &stage, &hashes, &mut report)))
        .flatten();
    if wanted("real") {
        let keycloak = part("logins through Keycloak", real::measure(plan, &stage, &hashes, &mut report));
        if let Some(keycloak) = keycloak {
            part("the sync", sync::measure(plan, &stage, &keycloak, &mut report));
        }
    }
    let memory = wanted("memory")
        .then(|| part("memory", memory::measure(plan, &stage, &remembered, &mut report)))
        .flatten();
    if wanted("restart") {
        part("the restart", restart::measure(plan, &stage, &mut report));
    }
    let (rates, mut lines) = hot.unzip();
    let at_random = at_random.map(|sample| loads::percentiles("keydove, cold, at random", &sample));
    lines.get_or_insert_default().extend(at_random);
    let charts = [("rates.svg", rates), ("latencies.svg", lines.map(latencies)), ("memory.svg", memory)];
    for (name, chart) in charts {
        if let Some(chart) = chart {
            let path = folder.join(name);
            attempt("write", &path, fs::write(&path, chart.svg()))?;
        }
    }
    report.finish(&head, &folder)?;
    Ok(report.is_whole() || !parts.is_empty())
}

fn latencies(lines: Vec<Line>) -> Chart {
    Chart {
        title: "latency, over percentiles",
        labels: loads::PER_MILLE.iter().map(|per_mille| format!("p{}", *per_mille as f64 / 10.0)).collect(),
        unit: "µs",
        lines,
    }
}

/// A part that fails leaves its numbers missing; the others go on.
fn part<T>(name: &str, result: Result<T>) -> Option<T> {
    result.map_err(|Failure(failure)| say(&format!("  !! {name}: {failure}"))).ok()
}

/// A server that cannot be started leaves missing what is compared with it.
fn optional<T>(result: Result<T>) -> Option<T> {
    part("missing", result)
}

fn say(text: &str) {
    println!("{text}");
}
