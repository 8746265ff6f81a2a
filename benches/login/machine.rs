//! What is measured with: clocks, processor time, memory; and what machine this is.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use super::stage::{Failure, Result, attempt};

pub fn now() -> Instant {
    Instant::now()
}

/// The processor time of a process, all its threads together. Time that the system gives to others is not in it.
pub fn processor_time(process: u32) -> Result<Duration> {
    let read = || clock_gettime(clock_getcpuclockid(Pid::from_raw(process as i32))?);
    let time = read().map_err(|error| Failure(format!("read the processor time of {process}: {error}")))?;
    Ok(time.into())
}

/// The processor time of this process.
pub fn own_processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

/// The memory that a process has in use, in KiB (`VmRSS`).
pub fn resident_kib(process: u32) -> Result<f64> {
    status_kib(process, "VmRSS:")
}

/// The most memory that a process has had in use, in KiB (`VmHWM`).
pub fn peak_kib(process: u32) -> Result<f64> {
    status_kib(process, "VmHWM:")
}

fn status_kib(process: u32, name: &str) -> Result<f64> {
    let path = format!("/proc/{process}/status");
    let status = attempt("read", Path::new(&path), fs::read_to_string(&path))?;
    let used =
        status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    used.ok_or_else(|| Failure(format!("{path} names no {name}")))
}

pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Cores, processor model and how much others use it, for the head of a table.
pub fn describe() -> String {
    let about = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = about.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?").to_owned();
    format!("{} cores, {model}, {}; load average at the start {load}", cores(), std::env::consts::ARCH)
}

pub fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

pub fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// The middle one; the mean of two.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}
