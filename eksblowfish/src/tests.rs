//! The tables, computed. What keydove makes of them is held against another implementation in its own tests.

use super::pi;

/// The fraction of pi in words, most significant first: Machin's formula in fixed point.
fn compute_pi(words: usize) -> Vec<u32> {
    const SPARE: usize = 2;
    let places = words + SPARE;
    let divide = |number: &mut [u32], by: u32| {
        number.iter_mut().fold(0, |rest, word| {
            let value = rest << 32 | u64::from(*word);
            *word = (value / u64::from(by)) as u32;
            value % u64::from(by)
        });
    };
    // The first word of each number is its integral part.
    let mut pi = vec![0_u32; places + 1];
    for (factor, x) in [(16, 5), (-4_i64, 239)] {
        let mut power = vec![0_u32; places + 1];
        power[0] = factor.unsigned_abs() as u32;
        divide(&mut power, x);
        let mut positive = factor > 0;
        for odd in (1..).step_by(2) {
            if power.iter().all(|&word| word == 0) {
                break;
            }
            let mut term = power.clone();
            divide(&mut term, odd);
            pi.iter_mut().zip(term).rev().fold(0_i64, |carry, (word, term)| {
                let term = i64::from(term) * if positive { 1 } else { -1 };
                let sum = i64::from(*word) + term + carry;
                *word = sum as u32;
                sum >> 32
            });
            divide(&mut power, x * x);
            positive = !positive;
        }
    }
    assert_eq!(pi[0], 3);
    pi[1..=words].to_vec()
}

#[test]
fn the_tables_are_the_digits_of_pi() {
    let shipped: Vec<u32> = pi::P.iter().chain(pi::S.as_flattened()).copied().collect();
    assert_eq!(shipped, compute_pi(18 + 4 * 256));
}
