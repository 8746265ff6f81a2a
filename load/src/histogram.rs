//! Latencies in buckets that grow with the value: small, quick to add to, and never more than 0.8 % wrong.

use std::time::Duration;

/// Buckets per doubling. Below this number of nanoseconds each value has a bucket of its own.
const STEPS: u64 = 128;
/// Enough for 2⁴³ ns, more than two hours.
const BUCKETS: usize = 38 * STEPS as usize;

/// How often which latency was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// An empty one.
    #[must_use]
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

    /// Adds all that another one has.
    pub fn merge(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(own, more)| *own += more);
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// How many were added.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest, exactly.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// The latency that `per_mille` of all stay within; zero if there is none.
    #[must_use]
    pub fn quantile(&self, per_mille: u64) -> Duration {
        let wanted = (self.count * per_mille.min(1000)).div_ceil(1000).max(1);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_nanos(end_of(bucket).min(self.max));
            }
        }
        self.max()
    }

    /// The counts by doublings: an upper end, and how many latencies lie below it and above the end before.
    #[must_use]
    pub fn doublings(&self) -> Vec<(Duration, u64)> {
        let groups = self.buckets.chunks(STEPS as usize).enumerate();
        let rows = groups.map(|(group, counts)| {
            let end = end_of((group + 1) * STEPS as usize - 1) + 1;
            (Duration::from_nanos(end), counts.iter().sum::<u64>())
        });
        let rows: Vec<_> = rows.collect();
        let first = rows.iter().position(|row| row.1 > 0).unwrap_or(0);
        let last = rows.iter().rposition(|row| row.1 > 0).map_or(first, |last| last + 1);
        rows[first..last].to_vec()
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_one_has_no_latencies() {
        let empty = Histogram::new();
        assert_eq!((empty.count(), empty.max(), empty.quantile(990)), (0, Duration::ZERO, Duration::ZERO));
        assert!(empty.doublings().is_empty());
    }

    #[test]
    fn quantiles_count_from_below() {
        let mut histogram = Histogram::new();
        (1..=100).for_each(|nanos| histogram.add(Duration::from_nanos(nanos)));
        for (per_mille, nanos) in [(0, 1), (10, 1), (500, 50), (505, 51), (990, 99), (1000, 100), (2000, 100)]
        {
            assert_eq!(histogram.quantile(per_mille), Duration::from_nanos(nanos), "{per_mille}");
        }
    }

    #[test]
    fn a_latency_beyond_all_buckets_is_kept_as_the_longest() {
        let mut histogram = Histogram::new();
        histogram.add(Duration::from_secs(1 << 40));
        assert_eq!(histogram.count(), 1);
        assert_eq!(histogram.max(), Duration::from_nanos(u64::MAX));
    }

    proptest! {
        #[test]
        fn a_value_lies_in_its_bucket_and_the_bucket_is_narrow(nanos in 0_u64..1 << 43) {
            let bucket = bucket_of(nanos);
            prop_assert!(bucket < BUCKETS);
            prop_assert!(nanos <= end_of(bucket));
            prop_assert!(bucket == 0 || end_of(bucket - 1) < nanos);
            prop_assert!((end_of(bucket) - nanos) as f64 <= nanos as f64 * 0.008);
        }

        #[test]
        fn merged_ones_are_as_one(left in prop::collection::vec(0_u64..1 << 40, 0..50),
                                  right in prop::collection::vec(0_u64..1 << 40, 0..50)) {
            let of = |values: &[u64]| {
                let mut histogram = Histogram::new();
                values.iter().for_each(|&nanos| histogram.add(Duration::from_nanos(nanos)));
                histogram
            };
            let mut merged = of(&left);
            merged.merge(&of(&right));
            prop_assert_eq!(&merged, &of(&[left, right].concat()));
            prop_assert_eq!(merged.doublings().iter().map(|row| row.1).sum::<u64>(), merged.count());
        }
    }
}
