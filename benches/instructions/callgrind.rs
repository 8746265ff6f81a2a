//! This program under `callgrind`, one run for each part, and what that run has counted.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::logins::{LOGINS, Part};

/// The first argument of the program when it runs under `callgrind`,
pub const ROLE: &str = "count-this";
/// and when it counts how often memory is asked for. Counting that takes instructions, so it is a run of its own.
pub const MEMORY_ROLE: &str = "count-memory";
/// `callgrind` counts while this function of `logins` runs.
const COLLECTED: &str = "*logins::collected*";
/// The tag of a password is set aside wherever it is made.
const TAG: &str = "Verified::tag";

/// Of one login.
pub struct Cost {
    pub instructions: f64,
    pub allocations: f64,
}

/// Counts one part.
pub fn measure(part: Part) -> Result<Cost, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("instructions-{}", part.name()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|error| format!("make {}: {error}", folder.display()))?;
    let counted = folder.join("counted");
    run(under_valgrind(&counted)?, ROLE, part, &folder)?;
    let program = Command::new(this_program()?);
    let allocations = run(program, MEMORY_ROLE, part, &folder.join("memory"))?;
    let text = std::fs::read_to_string(&counted);
    let text = text.map_err(|error| format!("read {}: {error}", counted.display()))?;
    let _ = std::fs::remove_dir_all(&folder);
    let profile = Profile::read(&text);
    if profile.total == 0 {
        return Err(format!("callgrind has counted nothing of {}", part.name()));
    }
    let of_one = |count: u64| count as f64 / LOGINS as f64;
    let instructions = match part {
        Part::Tag => profile.tags,
        _ => profile.total - profile.tags,
    };
    Ok(Cost { instructions: of_one(instructions), allocations: of_one(allocations) })
}

fn this_program() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("find this program: {error}"))
}

fn under_valgrind(counted: &Path) -> Result<Command, String> {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--quiet", &format!("--toggle-collect={COLLECTED}")])
        .arg(format!("--callgrind-out-file={}", counted.display()))
        .arg(this_program()?);
    Ok(command)
}

/// Runs the logins of one part, and returns how often they have asked for memory.
fn run(mut command: Command, role: &str, part: Part, folder: &Path) -> Result<u64, String> {
    std::fs::create_dir_all(folder).map_err(|error| format!("make {}: {error}", folder.display()))?;
    // The log of logins is made and written, and nobody reads it.
    command.args([role, part.name()]).arg(folder).stderr(Stdio::null());
    let output = command.output().map_err(|error| {
        format!(
            "run {command:?}: {error}; `apt-get install valgrind` brings valgrind, and tests/setup does not"
        )
    })?;
    if !output.status.success() {
        let (name, status) = (part.name(), output.status);
        return Err(format!("the logins of {name} ended with {status}; run {command:?} to see why"));
    }
    let said = String::from_utf8_lossy(&output.stdout).trim().parse();
    said.map_err(|error| format!("the logins of {} said no number: {error}", part.name()))
}

/// What a file of `callgrind` says.
#[derive(Default)]
struct Profile {
    /// Instructions in all.
    total: u64,
    /// Those within tags.
    tags: u64,
}

impl Profile {
    /// A function's lines are those of its own, `place instructions`, and of its calls, which have a line `calls=COUNT`
    /// before them. A name is given in full where its number comes first.
    fn read(text: &str) -> Self {
        let mut profile = Self::default();
        let mut names = HashMap::<&str, &str>::new();
        let (mut function, mut is_call) = ("", false);
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("fn=") {
                function = named(&mut names, name);
            } else if let Some(name) = line.strip_prefix("cfn=") {
                named(&mut names, name);
            } else if line.starts_with("calls=") {
                is_call = true;
            } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
                let cost: u64 = line.split(' ').nth(1).and_then(|cost| cost.parse().ok()).unwrap_or(0);
                if !is_call {
                    profile.total += cost;
                }
                if function.contains(TAG) {
                    profile.tags += cost;
                }
                is_call = false;
            }
        }
        profile
    }
}

/// `(7) name` or, once that was said, `(7)`.
fn named<'a>(names: &mut HashMap<&'a str, &'a str>, text: &'a str) -> &'a str {
    match text.split_once(' ') {
        Some((number, name)) => {
            names.insert(number, name);
            name
        }
        None => names.get(text).copied().unwrap_or(text),
    }
}
