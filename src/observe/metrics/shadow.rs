//! Logins that another server decided, and what keydove would have said.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What mailcow says; `none` is no answer, or one that its script does not take for one.
const THEIRS: [&str; 3] = ["accept", "refuse", "none"];
const OURS: [&str; 3] = ["accept", "refuse", "cannot_tell"];

/// Counts pairs of verdicts. Never knows who they were about.
#[derive(Debug, Default)]
pub struct ShadowMetrics([[AtomicU64; 3]; 3]);

/// One pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShadowCount {
    /// `accept`, `refuse` or `none`.
    pub mailcow: &'static str,
    /// `accept`, `refuse` or `cannot_tell`.
    pub keydove: &'static str,
    /// How many.
    pub count: u64,
}

impl ShadowMetrics {
    /// Counts one; a word that is none counts nowhere.
    pub fn count(&self, mailcow: &str, keydove: &str) {
        let theirs = THEIRS.iter().position(|word| *word == mailcow);
        let ours = OURS.iter().position(|word| *word == keydove);
        if let (Some(theirs), Some(ours)) = (theirs, ours) {
            self.0[theirs][ours].fetch_add(1, Relaxed);
        }
    }

    /// What was counted so far, with pairs that never came.
    pub fn snapshot(&self) -> Vec<ShadowCount> {
        let row = |(mailcow, row): (&'static str, &[AtomicU64; 3])| {
            let pairs = OURS.into_iter().zip(row);
            let count = |(keydove, count): (_, &AtomicU64)| ShadowCount {
                mailcow,
                keydove,
                count: count.load(Relaxed),
            };
            pairs.map(count).collect::<Vec<_>>()
        };
        THEIRS.into_iter().zip(&self.0).flat_map(row).collect()
    }

    /// How many there were, and how many of them had two different verdicts.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        let counts = self.snapshot();
        let sum = |is_wanted: fn(&ShadowCount) -> bool| {
            counts.iter().filter(|count| is_wanted(count)).map(|count| count.count).sum()
        };
        (sum(|_| true), sum(|count| count.mailcow != count.keydove))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_is_no_difference() {
        let metrics = ShadowMetrics::default();
        assert_eq!(metrics.totals(), (0, 0));
        for (mailcow, keydove) in [
            ("accept", "accept"),
            ("refuse", "refuse"),
            ("refuse", "refuse"),
            ("accept", "refuse"),
            ("refuse", "cannot_tell"),
            ("none", "accept"),
            ("accept", "accepted"),
        ] {
            metrics.count(mailcow, keydove);
        }
        assert_eq!(metrics.totals(), (6, 3));
        let agreed = ShadowCount { mailcow: "refuse", keydove: "refuse", count: 2 };
        assert!(metrics.snapshot().contains(&agreed));
    }
}
