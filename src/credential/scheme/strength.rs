//! How much a stolen hash would hold back somebody who tries passwords against it.

use serde::Serialize;

use super::hash::Hash;
use super::{Policy, Stored};

/// bcrypt: what OWASP asks for at least, and PHP made until version 8.4.
const BCRYPT_COST: u64 = 10;
/// SHA-crypt: the default of crypt(3).
const SHA_CRYPT_ROUNDS: u64 = 5000;
/// PBKDF2: Dovecot's default of 5000 is of 2011, and a graphics card tries millions a second of these.
const PBKDF2_ROUNDS: u64 = 100_000;
/// Argon2: memory in KiB times passes; the least of what OWASP lists as equally good.
const ARGON2_MEMORY_PASSES: u64 = 35_840;

/// What a hash is worth, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Strength {
    /// Of a weak scheme, which is used only where the configuration allows it.
    Weak,
    /// Salted, but made in no time: one digest, or few rounds.
    Cheap,
    /// As it should be.
    Good,
}

impl Stored {
    /// What the hash is worth.
    #[must_use]
    pub fn strength(&self) -> Strength {
        if self.scheme.is_weak() {
            return Strength::Weak;
        }
        let costs: Vec<u64> = self.costs().into_iter().map(|(_, cost)| cost).collect();
        let is_good = match (&self.hash, costs.as_slice()) {
            (Hash::Bcrypt(_), [cost]) => *cost >= BCRYPT_COST,
            (Hash::ShaCrypt(_), [rounds]) => *rounds >= SHA_CRYPT_ROUNDS,
            (Hash::Pbkdf2(_), [rounds]) => *rounds >= PBKDF2_ROUNDS,
            (Hash::Argon2(_), [memory, passes, _]) => memory.saturating_mul(*passes) >= ARGON2_MEMORY_PASSES,
            _ => false,
        };
        if is_good { Strength::Good } else { Strength::Cheap }
    }

    /// What verifying costs, each with its unit in words: `cost`, `rounds`, `memory in KiB`, `passes`, `lanes`. Empty
    /// for one digest and for plain text.
    #[must_use]
    pub fn costs(&self) -> Vec<(&'static str, u64)> {
        let expenses = self.hash.expenses(&Policy::default());
        expenses.into_iter().map(|expense| (expense.what, expense.cost)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Strength;
    use crate::credential::scheme::parse;

    #[test]
    fn few_rounds_are_cheap_and_weak_schemes_stay_weak() {
        let bcrypt = "dxbXFVz0ZvxaFGvBkQHkZeWLGj3bHqOEVVCkkTZeaXmOn2E8CcpY.";
        for (text, strength, costs) in [
            (format!("{{BLF-CRYPT}}$2y$10${bcrypt}"), Strength::Good, &[("cost", 10)][..]),
            (format!("{{BLF-CRYPT}}$2y$09${bcrypt}"), Strength::Cheap, &[("cost", 9)]),
            (format!("{{PBKDF2}}$1$salt$5000${}", "0".repeat(40)), Strength::Cheap, &[("rounds", 5000)]),
            (format!("{{PBKDF2}}$1$salt$100000${}", "0".repeat(40)), Strength::Good, &[("rounds", 100_000)]),
            (
                format!("{{ARGON2ID}}$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ${}", "A".repeat(43)),
                Strength::Good,
                &[("memory in KiB", 19456), ("passes", 2), ("lanes", 1)],
            ),
            (
                format!("{{ARGON2ID}}$argon2id$v=19$m=4096,t=2,p=1$c2FsdHNhbHQ${}", "A".repeat(43)),
                Strength::Cheap,
                &[("memory in KiB", 4096), ("passes", 2), ("lanes", 1)],
            ),
            (format!("{{SSHA}}{}", "A".repeat(32)), Strength::Cheap, &[]),
            (format!("{{PLAIN-MD5}}{}", "0".repeat(32)), Strength::Weak, &[]),
            ("{PLAIN}secret".to_owned(), Strength::Weak, &[]),
        ] {
            let stored = parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((stored.strength(), stored.costs().as_slice()), (strength, costs), "{text}");
        }
    }
}
