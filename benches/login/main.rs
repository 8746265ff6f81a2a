//! How fast logins are answered: `cargo bench --bench login` prints keydove's numbers beside those of a plain echo
//! server of same-size lines, taken in turns in one run, because only ratios mean something on a busy machine.
//!
//! * The first table needs nothing: mailboxes with `authsource = mailcow` and an `{SSHA512}` hash in their row, so
//!   each login passes the door, the decision, SQLite and a hashing thread, but no Keycloak and no slow hash.
//! * The second shows cold logins end to end. It needs a Keycloak with the test realm `mail`: `make demo` starts one
//!   and prints its port; then `KEYDOVE_BENCH_KEYCLOAK=http://127.0.0.1:PORT cargo bench --bench login`.
//!
//! The ratios are also written to `target/bench/ratios.tsv`. A wrong, a missing and a superfluous reply end the
//! benchmark with exit code 1. Without cargo's `--bench`, as under `cargo test --benches`, it only shows that it works.

mod client;
mod cold;
mod cpu;
mod daemon;
mod echo;
mod histogram;
mod hot;
mod requests;
mod table;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use table::Ratios;

/// How long and how often is measured.
#[derive(Clone, Copy, Debug)]
struct Plan {
    rounds: usize,
    warm_up: Duration,
    window: Duration,
}

/// Six loads, two servers: about 50 s.
const FULL: Plan =
    Plan { rounds: 3, warm_up: Duration::from_millis(150), window: Duration::from_millis(1200) };
/// Long enough for every kind of reply.
const TRIAL: Plan =
    Plan { rounds: 1, warm_up: Duration::from_millis(50), window: Duration::from_millis(200) };

fn main() -> ExitCode {
    let plan = if std::env::args().any(|argument| argument == "--bench") { FULL } else { TRIAL };
    match run(plan) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            say("some replies were wrong, missing, or never asked for: the numbers mean nothing");
            ExitCode::FAILURE
        }
        Err(error) => {
            say(&format!("the benchmark cannot run: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs every part; says whether all replies were right.
fn run(plan: Plan) -> io::Result<bool> {
    let folder = Folder::new()?;
    let mut ratios = Ratios::default();
    say(&cpu::describe_machine());
    let mut sound = hot::measure(plan, &folder.0, &mut ratios)?;
    match keycloak_address() {
        Some(address) => sound &= cold::measure(plan, &folder.0, &address, &mut ratios)?,
        None => say("\ncold logins: left out; KEYDOVE_BENCH_KEYCLOAK names no Keycloak with the test realm"),
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap_or(Path::new("target"));
    let file = target.join("bench").join("ratios.tsv");
    ratios.write(&file)?;
    say(&format!("\nratios: {}", file.display()));
    Ok(sound)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark has no configuration file")]
fn keycloak_address() -> Option<String> {
    std::env::var("KEYDOVE_BENCH_KEYCLOAK").ok().filter(|address| !address.is_empty())
}

#[expect(clippy::print_stdout, reason = "the one place that writes to the terminal")]
fn say(text: &str) {
    println!("{text}");
}

/// A folder for sockets and databases; it goes away with its value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("keydove-bench-{}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
