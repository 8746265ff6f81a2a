//! Clocks, a runtime, and what is made of many measurements.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// What a piece of work took on the wall and on all processors together.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub wall: Duration,
    pub processor: Duration,
}

/// Does something, and says what it took.
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    let (processor, begin) = (processor_time(), now());
    let result = work();
    (result, Cost { wall: now() - begin, processor: processor_time() - processor })
}

#[expect(clippy::disallowed_methods, reason = "this is what the benchmark measures with")]
pub fn now() -> Instant {
    Instant::now()
}

/// Of the whole process. Time that the system gives to others is not in it.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("Linux has this clock").into()
}

/// Runs on this thread, as keydove's reactor does.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime starts").block_on(future)
}

pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    quantile(values, 500)
}

/// The value that so many per mille stay within.
pub fn quantile(values: impl IntoIterator<Item = f64>, per_mille: usize) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get((values.len() * per_mille / 1000).min(values.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

pub fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
