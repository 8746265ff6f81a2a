//! Processor time from `/proc`, and what machine this is.

use std::io;
use std::path::Path;
use std::time::Duration;

/// `USER_HZ`: how many ticks `/proc/*/stat` has per second on every Linux but Alpha's.
const TICKS_PER_SECOND: u64 = 100;

/// The processor time of a process (`/proc/PID`) or a thread (`/proc/PID/task/TID`): user and system together.
pub fn read(folder: &Path) -> io::Result<Duration> {
    let stat = std::fs::read_to_string(folder.join("stat"))?;
    // The name in field 2 may hold blanks and brackets; `utime` and `stime` are fields 14 and 15 (proc(5)).
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks = ticks.sum::<Result<u64, _>>().map_err(io::Error::other)?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// Cores and processor model, for the head of a table.
pub fn describe_machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = about.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    format!("{cores} cores, {model}, {}", std::env::consts::ARCH)
}
