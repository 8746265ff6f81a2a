//! How many lanes suit this processor.
//!
//! The best number depends on the size of the first-level cache, on how many loads a core issues at once, and on
//! whether another thread shares the core. Every worker measures by itself, when all of them do, so that they feel
//! each other as they will under load. What else runs only makes a worker wait, and then its measurement is the same.
//!
//! It is done when the number first matters: a start costs nothing, and a server where two passwords never meet on
//! one core need not know.

use std::time::{Duration, Instant};

use crate::credential::scheme::{Lanes, MAX_LANES};

/// The shortest of so many turns counts, because whatever disturbs makes it longer.
const TURNS: usize = 12;
/// About a fifth of a millisecond.
const STEPS: u32 = 4;
/// Even if a busy machine leaves too little time for all turns.
const PATIENCE: Duration = Duration::from_millis(40);
/// What an extra lane must gain, in per mille: every login pays for it by waiting for more neighbours.
const WORTH: u32 = 20;

/// Measures for about 15 ms, and never much longer than 40 ms. Returns 1 to [`MAX_LANES`].
pub(super) fn calibrate() -> usize {
    measure(read_clock)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a speed is measured, and nothing is decided by the time of day"
)]
fn read_clock() -> Instant {
    Instant::now()
}

fn measure(clock: impl Fn() -> Instant) -> usize {
    let mut kinds: [Lanes<()>; MAX_LANES] = std::array::from_fn(|lane| Lanes::rehearsal(lane + 1));
    let mut shortest = [Duration::MAX; MAX_LANES];
    let begin = clock();
    for _ in 0..TURNS {
        for (lanes, shortest) in kinds.iter_mut().zip(&mut shortest) {
            // The others' tables have taken its place in the cache.
            lanes.step(|(), _| ());
            let begin = clock();
            (0..STEPS).for_each(|_| lanes.step(|(), _| ()));
            *shortest = (clock() - begin).min(*shortest);
        }
        if clock() - begin > PATIENCE {
            break;
        }
    }
    choose(shortest)
}

/// The number of lanes with the most computations per time; `times[n]` is what one step of `n + 1` lanes takes.
fn choose(times: [Duration; MAX_LANES]) -> usize {
    let mut best = 1;
    for lanes in 2..=MAX_LANES {
        let [time, time_of_best] = [times[lanes - 1], times[best - 1]].map(|time| time.as_nanos());
        // More computations per time, as cross products, with the margin.
        if lanes as u128 * time_of_best * 1000 > best as u128 * time * u128::from(1000 + WORTH) {
            best = lanes;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn choose_by_micros(times: [u64; MAX_LANES]) -> usize {
        choose(times.map(Duration::from_micros))
    }

    #[test]
    fn the_most_hashes_per_time_win() {
        // Measured on a processor with 32 KiB of first-level cache.
        assert_eq!(choose_by_micros([272, 288, 326, 378, 445, 511]), 6);
        // A small cache: the fourth lane drives the others out.
        assert_eq!(choose_by_micros([272, 288, 326, 800, 1000, 1200]), 3);
        assert_eq!(choose_by_micros([100, 200, 300, 400, 500, 600]), 1);
    }

    #[test]
    fn a_lane_that_gains_next_to_nothing_is_left_out() {
        assert_eq!(choose_by_micros([1000, 1000, 1000, 1000, 1245, 1490]), 4);
        assert_eq!(choose_by_micros([1000, 1000, 1000, 1000, 1200, 1490]), 5);
        assert_eq!(choose([Duration::ZERO; MAX_LANES]), 1);
    }

    #[test]
    fn on_a_crawling_machine_one_turn_is_enough() {
        let begin = read_clock();
        let looks = Cell::new(0);
        let crawling = || {
            looks.set(looks.get() + 1);
            begin + PATIENCE * looks.get()
        };
        // Every measurement takes the same time, whatever the number of lanes.
        assert_eq!(measure(crawling), MAX_LANES);
        assert_eq!(looks.get(), 2 + 2 * MAX_LANES as u32);
    }
}
