//! How often something took how long.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const MICROS: f64 = 1_000_000.0;

/// Counts durations by size. The counts are not taken at one moment; what is counted meanwhile may be in one of
/// them and not yet in another, which the next look mends.
#[derive(Debug)]
pub struct Histogram {
    /// Upper bounds in microseconds, ascending.
    bounds: &'static [u64],
    /// One more than bounds.
    counts: Box<[AtomicU64]>,
    sum_micros: AtomicU64,
}

/// What a histogram held at some moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistogramSnapshot {
    /// All durations together, in seconds.
    pub sum: f64,
    /// How many they were.
    pub count: u64,
    /// The upper bound of each bucket in seconds, the last infinite, and how many are in this bucket alone.
    pub buckets: Vec<(f64, u64)>,
}

impl Histogram {
    /// 0.1 ms to 10 s: answers, calls, hashes.
    #[must_use]
    pub fn of_answers() -> Self {
        const BOUNDS: [u64; 16] = [
            100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
            2_500_000, 5_000_000, 10_000_000,
        ];
        Self::new(&BOUNDS)
    }

    /// A minute to two days: how old something is.
    #[must_use]
    pub fn of_ages() -> Self {
        const MINUTE: u64 = 60_000_000;
        const HOUR: u64 = 60 * MINUTE;
        const BOUNDS: [u64; 9] =
            [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR, 48 * HOUR];
        Self::new(&BOUNDS)
    }

    fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum_micros: AtomicU64::new(0) }
    }

    /// Counts one.
    pub fn observe(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = self.bounds.partition_point(|bound| *bound < micros);
        self.counts[bucket].fetch_add(1, Relaxed);
        self.sum_micros.fetch_add(micros, Relaxed);
    }

    /// What it holds now.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a sum of years would lose microseconds")]
    pub fn snapshot(&self) -> HistogramSnapshot {
        let bounds = self.bounds.iter().map(|bound| *bound as f64 / MICROS).chain([f64::INFINITY]);
        let buckets: Vec<_> =
            bounds.zip(&*self.counts).map(|(bound, count)| (bound, count.load(Relaxed))).collect();
        HistogramSnapshot {
            sum: self.sum_micros.load(Relaxed) as f64 / MICROS,
            count: buckets.iter().map(|(_, count)| count).sum(),
            buckets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::of_answers();
        for micros in [0, 100, 101, 10_000_000, 10_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let HistogramSnapshot { sum, count, buckets } = histogram.snapshot();
        assert_eq!((count, sum), (5, 20.000_202));
        assert_eq!(buckets[0], (0.0001, 2));
        assert_eq!(buckets[1], (0.00025, 1));
        assert_eq!(buckets[15], (10.0, 1));
        assert_eq!(buckets[16], (f64::INFINITY, 1));
    }
}
