//! How fast passwords are hashed: `cargo bench --bench hashing` prints the lanes beside the `bcrypt` crate, in turns in
//! one run, because only ratios mean something on a busy machine.
//!
//! * One core: hashes per second of processor time, for each number of lanes.
//! * All cores: the whole pool beside one thread per core with the crate; and costs that differ beside equal ones.
//! * Latency: one login alone, through the pool, beside a lane without any pool; logins that arrive at random, 14 a
//!   second and core; one login while every other core time goes to Argon2.
//!
//! The ratios are also written to `target/bench/hashing.tsv`. A wrong answer ends the benchmark with a panic. Without
//! cargo's `--bench`, as under `cargo test --benches`, it only shows that it works.

mod latency;
mod measure;
mod rates;

use std::fmt::Write as _;
use std::path::Path;

use keydove::credential::scheme;
use keydove::credential::scheme::{Policy, SALT_BYTES, Scheme, Usable};

/// The password that every hash here is of.
const PASSWORD: &str = "correct horse";

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Plan {
    rounds: usize,
    /// bcrypt's; what mailcow and PHP choose, or the least.
    cost: u32,
    /// Logins of one round of random arrivals.
    arrivals: usize,
}

/// About two minutes on two cores.
const FULL: Plan = Plan { rounds: 9, cost: 10, arrivals: 280 };
const TRIAL: Plan = Plan { rounds: 1, cost: 4, arrivals: 20 };

fn main() -> std::io::Result<()> {
    let plan = if std::env::args().any(|argument| argument == "--bench") { FULL } else { TRIAL };
    let mut report = Report::default();
    say(&format!("{} cores; bcrypt cost {}; medians of {} rounds", cores(), plan.cost, plan.rounds));
    rates::one_core(plan, &mut report);
    rates::all_cores(plan, &mut report);
    latency::alone(plan, &mut report);
    latency::beside_argon2(plan, &mut report);
    latency::random_arrivals(plan, &mut report);
    report.write()
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A stored hash of [`PASSWORD`].
fn stored(scheme: Scheme, cost: u32) -> String {
    scheme::generate(scheme, Some(cost), PASSWORD.as_bytes(), &[7; SALT_BYTES]).expect("a hash is made")
}

fn usable(stored: &str) -> Usable {
    scheme::parse(stored.as_bytes()).and_then(|hash| hash.permit(&Policy::default())).expect("it is usable")
}

#[expect(clippy::print_stdout, reason = "the one place that writes to the terminal")]
fn say(text: &str) {
    println!("{text}");
}

/// The table on the terminal and the file of ratios.
#[derive(Debug, Default)]
struct Report(String);

impl Report {
    /// One line: a name, what was measured, and a ratio with its goal.
    fn add(&mut self, name: &str, measured: &str, ratio: f64, goal: &str) {
        say(&format!("{name:<34} {measured:>34}   {ratio:>6.2}   {goal}"));
        // Writing into a `String` does not fail.
        let _ = writeln!(self.0, "{}\t{ratio:.4}\t{goal}", name.replace(' ', "_"));
    }

    fn write(&self) -> std::io::Result<()> {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap_or(Path::new("target"));
        let folder = target.join("bench");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("hashing.tsv"), &self.0)
    }
}
