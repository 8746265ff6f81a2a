//! Hashes per second.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use futures_util::future::join_all;
use keydove::credential::hashing::{Config, Hasher};
use keydove::credential::scheme::{Lanes, MAX_LANES, Scheme};

use super::measure::{Cost, block_on, measure, median};
use super::{PASSWORD, Plan, Report, cores, stored, usable};

/// Hashes that the crate computes for one measurement.
const BY_CRATE: usize = 3;
/// Rounds of full lanes in the pool.
const FILLS: usize = 6;

/// Each number of lanes beside the crate, per second of processor time.
pub fn one_core(plan: Plan, report: &mut Report) {
    let hash = usable(&stored(Scheme::BlfCrypt, plan.cost));
    let mut rates = [const { Vec::new() }; MAX_LANES + 1];
    for _ in 0..plan.rounds {
        let ((), cost) = measure(|| (0..BY_CRATE).for_each(|_| by_crate(plan.cost)));
        rates[0].push(BY_CRATE as f64 / cost.processor.as_secs_f64());
        for (lanes, rates) in (1..).zip(&mut rates[1..]) {
            let ((), cost) = measure(|| {
                let mut side_by_side = Lanes::new();
                for _ in 0..lanes {
                    side_by_side.add(&hash, PASSWORD.as_bytes(), ()).expect("a lane is free");
                }
                while !side_by_side.is_empty() {
                    side_by_side.step(|(), matched| assert!(matched));
                }
            });
            rates.push(f64::from(lanes) / cost.processor.as_secs_f64());
        }
    }
    let [by_crate, lanes @ ..] = rates;
    report.add("one core, bcrypt crate", &format!("{:.1} per s", median(by_crate.clone())), 1.0, "-");
    for (number, rates) in (1..).zip(lanes) {
        let ratio = median(rates.iter().zip(&by_crate).map(|(rate, base)| rate / base));
        report.add(&format!("one core, {number} lanes"), &format!("{:.1} per s", median(rates)), ratio, "-");
    }
}

/// The pool beside one thread per core with the crate; and a pool with mixed costs beside equal ones.
pub fn all_cores(plan: Plan, report: &mut Report) {
    let hasher = Hasher::start(&Config::default()).expect("threads start");
    let on_all_lanes =
        Hasher::start(&Config { lanes: MAX_LANES, ..Config::default() }).expect("threads start");
    let equal = vec![plan.cost; FILLS * MAX_LANES * cores()];
    let mixed: Vec<u32> = equal.iter().zip((0..3).cycle()).map(|(cost, more)| cost + more).collect();
    let (mut wall, mut processor, mut by_mixing, mut to_all) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut rate, mut rate_of_crate) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let crate_costs = crate_on_all_cores(plan.cost);
        let lanes = verify_all(&hasher, &equal);
        let lanes_all = verify_all(&on_all_lanes, &equal);
        let others = verify_all(&hasher, &mixed);
        to_all.push(lanes_all.processor.as_secs_f64() / lanes.processor.as_secs_f64());
        let per_hash = |cost: Duration, hashes: usize| cost.as_secs_f64() / hashes as f64;
        let hashes_of_crate = BY_CRATE * cores();
        wall.push(per_hash(crate_costs.wall, hashes_of_crate) / per_hash(lanes.wall, equal.len()));
        processor
            .push(per_hash(crate_costs.processor, hashes_of_crate) / per_hash(lanes.processor, equal.len()));
        by_mixing.push(
            (lanes.processor.as_secs_f64() / work(&equal)) / (others.processor.as_secs_f64() / work(&mixed)),
        );
        rate.push(1.0 / per_hash(lanes.wall, equal.len()));
        rate_of_crate.push(1.0 / per_hash(crate_costs.wall, hashes_of_crate));
    }
    let rates = format!("{:.0} and {:.0} per s", median(rate), median(rate_of_crate));
    report.add("all cores, pool and crate, wall", &rates, median(wall), ">= 3.0");
    report.add("all cores, per processor time", "", median(processor), ">= 3.0");
    report.add("all cores, measured and six lanes", "", median(to_all), "-");
    report.add("all cores, mixed and equal costs", "", median(by_mixing), "-");
}

/// Rounds of so many costs.
fn work(costs: &[u32]) -> f64 {
    costs.iter().map(|cost| f64::from(1_u32 << cost)).sum()
}

fn verify_all(hasher: &Hasher, costs: &[u32]) -> Cost {
    let kinds: BTreeSet<u32> = costs.iter().copied().collect();
    let kinds: BTreeMap<u32, String> =
        kinds.into_iter().map(|cost| (cost, stored(Scheme::BlfCrypt, cost))).collect();
    let (answers, cost) = measure(|| {
        block_on(join_all(
            costs.iter().map(|cost| hasher.verify(kinds[cost].as_str().into(), PASSWORD.into())),
        ))
    });
    assert!(answers.iter().all(|answer| *answer == Ok(true)));
    cost
}

fn crate_on_all_cores(cost: u32) -> Cost {
    let (_, cost) = measure(|| {
        thread::scope(|scope| {
            for _ in 0..cores() {
                scope.spawn(|| (0..BY_CRATE).for_each(|_| by_crate(cost)));
            }
        });
    });
    cost
}

fn by_crate(cost: u32) {
    std::hint::black_box(bcrypt::bcrypt(cost, [7; 16], b"correct horse\0"));
}
