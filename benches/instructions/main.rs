//! What one login of somebody known costs, in instructions and allocations, by step: `cargo bench --bench instructions`.
//!
//! A count of instructions does not depend on how busy a machine is, so it shows what a change costs where a clock shows
//! nothing. Each step is run in this process, without sockets, under `callgrind`, which counts nothing but that step. The tag
//! of the password is counted apart: `callgrind` does not know the processor's SHA instructions.
//!
//! The table is compared with `kept.tsv` beside this file; more than 5 % over it ends with exit code 1. With `KEEP=1` the
//! new numbers are kept.
//!
//! * `callgrind`: runs this program under valgrind, and reads what it has counted.
//! * `logins`: what is counted.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark talks to the terminal")]

mod callgrind;
mod keycloak;
mod logins;

use std::path::Path;
use std::process::ExitCode;

use callgrind::Cost;
use logins::Part;

/// Beside this file, so that a change of the numbers is a change that somebody looks at.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions/kept.tsv");
/// Hash maps draw their keys at random, so a count differs by a little from run to run.
const TOLERANCE: f64 = 1.05;
/// A table that grows asks for memory once in a hundred logins or so.
const ODD_ALLOCATIONS: f64 = 0.05;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, part, folder] = &arguments[..]
        && [callgrind::ROLE, callgrind::MEMORY_ROLE].contains(&role.as_str())
    {
        let Some(part) = Part::named(part) else { return ExitCode::FAILURE };
        let counts_memory = role == callgrind::MEMORY_ROLE;
        println!("{}", logins::run(part, counts_memory, Path::new(folder)));
        return ExitCode::SUCCESS;
    }
    // Under `cargo test --benches`, where nothing is optimised, the numbers mean nothing.
    let is_trial = !arguments.iter().any(|argument| argument == "--bench");
    match measure(is_trial) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("the benchmark cannot run: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the table; says whether no number has grown.
fn measure(is_trial: bool) -> Result<bool, String> {
    let kept = kept()?;
    println!("one login of somebody known; the tag of the password is counted apart, in the last row");
    println!("{:<10}{:>14}{:>8}{:>14}{:>8}", "step", "instructions", "kept", "allocations", "kept");
    let (mut lines, mut has_grown) = (String::new(), false);
    for part in Part::ALL {
        let Cost { instructions, allocations } = callgrind::measure(part)?;
        let before = kept.iter().find(|(name, ..)| name == part.name()).map(|&(_, one, two)| (one, two));
        let show = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
        };
        println!(
            "{:<10}{instructions:>14.0}{:>8}{allocations:>14.2}{:>8}",
            part.name(),
            show(before.map(|(one, _)| one), 0),
            show(before.map(|(_, two)| two), 2),
        );
        lines.push_str(&format!("{}\t{instructions:.0}\t{allocations:.2}\n", part.name()));
        has_grown |= before.is_some_and(|(one, two)| {
            instructions > one * TOLERANCE || allocations > two * TOLERANCE + ODD_ALLOCATIONS
        });
    }
    if is_trial {
        return Ok(true);
    }
    if std::env::var_os("KEEP").is_some() {
        std::fs::write(KEPT, lines).map_err(|error| format!("write {KEPT}: {error}"))?;
        return Ok(true);
    }
    if has_grown {
        println!(
            "a number is more than 5 % above what {KEPT} keeps; if that is meant, run this again with KEEP=1"
        );
    }
    Ok(!has_grown)
}

/// Name, instructions, allocations.
fn kept() -> Result<Vec<(String, f64, f64)>, String> {
    let text = match std::fs::read_to_string(KEPT) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("read {KEPT}: {error}")),
    };
    let read = |line: &str| {
        let mut fields = line.split('\t');
        Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    text.lines().map(|line| read(line).ok_or_else(|| format!("{KEPT}: not a row: {line}"))).collect()
}
