//! Latencies in buckets that grow with the value: small, quick to add to, and never more than 0.8 % wrong.

use std::time::Duration;

/// Buckets per doubling. Below this number of nanoseconds each value has a bucket of its own.
const STEPS: u64 = 128;
/// Enough for 2⁴³ ns, more than two hours.
const BUCKETS: usize = 38 * STEPS as usize;

/// How often which latency was seen.
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Histogram {
    /// An empty one.
    pub fn new() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0, max: 0 }
    }

    /// Adds one latency.
    pub fn add(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(nanos).min(BUCKETS - 1)] += 1;
        self.count += 1;
        self.max = self.max.max(nanos);
    }

    /// How many were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest, exactly.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// The latency that `per_mille` of all stay within; zero if there is none.
    pub fn quantile(&self, per_mille: u64) -> Duration {
        let wanted = (self.count * per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_nanos(end_of(bucket).min(self.max));
            }
        }
        self.max()
    }
}

/// The first `STEPS` values one by one, then `STEPS` buckets for each doubling.
fn bucket_of(nanos: u64) -> usize {
    let excess = nanos.max(STEPS).ilog2() - STEPS.ilog2();
    let place = u64::from(excess) * STEPS + (nanos >> excess);
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// The largest value of a bucket.
fn end_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let excess = (bucket / STEPS).saturating_sub(1);
    ((bucket - excess * STEPS + 1) << excess) - 1
}
