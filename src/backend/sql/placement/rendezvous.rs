//! Weighted rendezvous hashing: each backend gets a score for a mailbox, and the highest wins.
//!
//! Every node comes to the same answer without asking another. When a backend comes, only mailboxes that it wins change;
//! when one goes, only those that it had.

use sha2::{Digest, Sha256};

use crate::auth::Username;

/// A backend that may get new mailboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub name: Box<str>,
    /// Its share of new mailboxes, beside the weights of the others; 0 gets none.
    pub weight: u32,
}

/// Which of them a mailbox goes to; `None` where none has a weight.
pub(super) fn choose<'a>(
    user: &Username,
    candidates: impl Iterator<Item = &'a Candidate>,
) -> Option<&'a Candidate> {
    let scored = candidates
        .filter(|candidate| candidate.weight > 0)
        .map(|candidate| (score(user, candidate), candidate));
    // By the name where two scores are equal, so that the order of the settings decides nothing.
    let best = scored
        .max_by(|(one, left), (other, right)| one.total_cmp(other).then_with(|| left.name.cmp(&right.name)));
    best.map(|(_, candidate)| candidate)
}

/// The greatest of `w1` numbers that are equally spread has the better chance against that of `w2` numbers, as `w1` to
/// `w2`: -w / ln(x) has the same order, with x from the hash of both names.
fn score(user: &Username, candidate: &Candidate) -> f64 {
    let digest = Sha256::new()
        .chain_update(candidate.name.as_bytes())
        .chain_update([0])
        .chain_update(user.as_str())
        .finalize();
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    // 53 bits, which a float holds exactly; never 0 and never 1.
    let number = (u64::from_be_bytes(bytes) >> 11) as f64 + 0.5;
    let x = number / (1_u64 << 53) as f64;
    -f64::from(candidate.weight) / x.ln()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn user(number: usize) -> Username {
        Username::parse(format!("u{number}@example.org").as_bytes()).unwrap()
    }

    fn candidates(weights: &[u32]) -> Vec<Candidate> {
        let name = |index| format!("b{index}").into_boxed_str();
        weights.iter().enumerate().map(|(index, &weight)| Candidate { name: name(index), weight }).collect()
    }

    fn chosen<'a>(user: &Username, candidates: &'a [Candidate]) -> Option<&'a str> {
        choose(user, candidates.iter()).map(|candidate| &*candidate.name)
    }

    proptest! {
        #[test]
        fn the_order_of_the_settings_decides_nothing(
            number in 0..1_000_000_usize,
            weights in prop::collection::vec(0..9_u32, 0..9),
        ) {
            let mut candidates = candidates(&weights);
            let first = chosen(&user(number), &candidates).map(str::to_owned);
            candidates.reverse();
            let second = chosen(&user(number), &candidates).map(str::to_owned);
            prop_assert_eq!(&first, &second);
            prop_assert_eq!(first.is_some(), weights.iter().any(|&weight| weight > 0));
        }

        #[test]
        fn a_backend_that_goes_moves_its_own_mailboxes_only(
            number in 0..1_000_000_usize,
            weights in prop::collection::vec(1..9_u32, 2..9),
            gone in any::<prop::sample::Index>(),
        ) {
            let all = candidates(&weights);
            let gone = all[gone.index(all.len())].name.clone();
            let rest: Vec<_> = all.iter().filter(|one| one.name != gone).cloned().collect();
            let (before, after) = (chosen(&user(number), &all), chosen(&user(number), &rest));
            prop_assert!(before == after || before == Some(&*gone));
            prop_assert!(after.is_some());
        }

        #[test]
        fn a_heavier_backend_only_wins(
            number in 0..1_000_000_usize,
            weights in prop::collection::vec(1..9_u32, 2..9),
            heavier in any::<prop::sample::Index>(),
        ) {
            let before = candidates(&weights);
            let mut after = before.clone();
            let heavier = heavier.index(after.len());
            after[heavier].weight += 1;
            let (old, new) = (chosen(&user(number), &before), chosen(&user(number), &after));
            prop_assert!(old == new || new == Some(&*after[heavier].name));
        }
    }

    #[test]
    fn weights_are_shares() {
        let candidates = candidates(&[1, 2, 5, 0]);
        let mut counts = [0_u32; 4];
        for number in 0..8000 {
            let name = chosen(&user(number), &candidates).unwrap();
            counts[name[1..].parse::<usize>().unwrap()] += 1;
        }
        for (count, expected) in counts.into_iter().zip([1000_u32, 2000, 5000, 0]) {
            assert!(count.abs_diff(expected) < 150, "{counts:?}");
        }
        assert_eq!(counts[3], 0);
    }

    /// Written down once: another order of the bytes would send new mailboxes elsewhere on nodes of another version.
    #[test]
    fn every_version_comes_to_the_same_answer() {
        let candidates = candidates(&[1, 1, 2]);
        let chosen: Vec<_> = (0..8).map(|number| chosen(&user(number), &candidates).unwrap()).collect();
        assert_eq!(chosen.join(" "), "b1 b2 b2 b2 b2 b1 b0 b1");
    }
}
