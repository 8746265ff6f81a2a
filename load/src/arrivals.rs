//! Chance: who comes next, and when.

use std::time::Duration;

/// The xorshift generator of Marsaglia: quick, and the same logins in every run.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// One of `0..limit`, which must not be empty.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        // The upper half times the limit, without a division.
        let product = u128::from(self.next()) * limit as u128;
        (product >> 64) as usize
    }

    /// The time to the next of so many events per second: exponentially distributed.
    pub(crate) fn gap(&mut self, per_second: f64) -> Duration {
        let uniform = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        Duration::from_secs_f64(-(1.0 - uniform).ln() / per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_turn() {
        let mut random = Random::new();
        let mut seen = [0_u32; 10];
        (0..10_000).for_each(|_| seen[random.below(10)] += 1);
        assert!(seen.iter().all(|&count| (800..1200).contains(&count)), "{seen:?}");
        assert_eq!(random.below(1), 0);
    }

    #[test]
    fn gaps_have_their_mean_and_spread() {
        let mut random = Random::new();
        let gaps: Vec<f64> = (0..50_000).map(|_| random.gap(28.0).as_secs_f64()).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        assert!((mean * 28.0 - 1.0).abs() < 0.03, "{mean}");
        let longer = gaps.iter().filter(|&&gap| gap > mean).count() as f64 / gaps.len() as f64;
        // e⁻¹ of an exponential distribution lie above its mean.
        assert!((longer - 0.368).abs() < 0.01, "{longer}");
    }
}
