//! How long one login waits for its hash.

use std::time::Duration;

use futures_util::future::{join_all, select};
use keydove::credential::hashing::{Config, Hasher, MAX_LANES};
use keydove::credential::scheme::Scheme;

use super::measure::{block_on, measure, median, millis, now, quantile};
use super::{PASSWORD, Plan, Report, cores, stored, usable};

/// Where one computation per core would be busy four fifths of the time, and logins would queue.
const ARRIVALS_PER_SECOND_AND_CORE: f64 = 14.0;
/// Random arrivals are measured less often, because a round takes ten seconds.
const ROUNDS: usize = 3;

/// One login in an idle pool beside one lane without a pool, and beside the crate.
pub fn alone(plan: Plan, report: &mut Report) {
    let hasher = start();
    let text = stored(Scheme::BlfCrypt, plan.cost);
    let (mut pool, mut to_lane, mut to_crate) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.rounds * 3 {
        let lane = one_lane(&text);
        let through_pool = wait(&hasher, &text);
        let ((), by_crate) = measure(|| {
            drop(std::hint::black_box(bcrypt::bcrypt(plan.cost, [7; 16], b"correct horse\0").to_vec()))
        });
        pool.push(millis(through_pool));
        to_lane.push(millis(through_pool) / millis(lane));
        to_crate.push(millis(through_pool) / millis(by_crate.wall));
    }
    report.add("one login, to one lane", &format!("{:.1} ms", median(pool)), median(to_lane), "<= 1.10");
    report.add("one login, to the crate", "", median(to_crate), "-");
}

/// One login while all threads for other schemes are busy, beside one alone. Behind a whole Argon2 hash in one
/// queue it would wait for that too; this is shown for comparison.
pub fn beside_argon2(plan: Plan, report: &mut Report) {
    let hasher = start();
    let text = stored(Scheme::BlfCrypt, plan.cost);
    let argon2 = stored(Scheme::Argon2id, 3);
    let (mut slowed, mut in_one_queue) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let alone = millis(wait(&hasher, &text));
        let (_, one_argon2) = measure(|| assert_eq!(usable(&argon2).matches(PASSWORD.as_bytes()), Ok(true)));
        in_one_queue.push((millis(one_argon2.wall) + alone) / alone);
        let beside = block_on(async {
            let busy = join_all((0..cores()).map(async |_| {
                loop {
                    assert_eq!(hasher.verify(argon2.as_str().into(), PASSWORD.into()).await, Ok(true));
                }
            }));
            let login = Box::pin(async {
                let begin = now();
                assert_eq!(hasher.verify(text.as_str().into(), PASSWORD.into()).await, Ok(true));
                now() - begin
            });
            match select(Box::pin(busy), login).await {
                futures_util::future::Either::Left(_) => unreachable!("the others never end"),
                futures_util::future::Either::Right((time, _)) => time,
            }
        });
        slowed.push(millis(beside) / alone);
    }
    report.add("one login beside argon2", "", median(slowed), "-");
    report.add("one login behind argon2", "not keydove's way", median(in_one_queue), "-");
}

/// Logins that arrive at random, as they do, beside one login alone in the same round.
pub fn random_arrivals(plan: Plan, report: &mut Report) {
    let hasher = start();
    let text = stored(Scheme::BlfCrypt, plan.cost);
    let mean = Duration::from_secs_f64(1.0 / (ARRIVALS_PER_SECOND_AND_CORE * cores() as f64));
    let (mut half, mut most) = (Vec::new(), Vec::new());
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for _ in 0..plan.rounds.min(ROUNDS) {
        let alone = median((0..9).map(|_| millis(wait(&hasher, &text))));
        let mut at = Duration::ZERO;
        let arrivals: Vec<Duration> = (0..plan.arrivals)
            .map(|_| {
                at += mean.mul_f64(random.exponential());
                at
            })
            .collect();
        let times = block_on(async {
            let begin = now();
            join_all(arrivals.into_iter().map(async |at| {
                tokio::time::sleep_until((begin + at).into()).await;
                let arrival = now();
                assert_eq!(hasher.verify(text.as_str().into(), PASSWORD.into()).await, Ok(true));
                millis(now() - arrival) / alone
            }))
            .await
        });
        half.push(quantile(times.iter().copied(), 500));
        most.push(quantile(times, 950));
    }
    let load = format!("{ARRIVALS_PER_SECOND_AND_CORE} per s and core");
    report.add("random arrivals, p50 to alone", &load, median(half), "-");
    report.add("random arrivals, p95 to alone", &load, median(most), "<= 1.60");
}

/// A pool that has measured its lanes and sleeps.
fn start() -> Hasher {
    let hasher = Hasher::start(&Config::default()).expect("threads start");
    let text = stored(Scheme::BlfCrypt, 8);
    let answers = (0..MAX_LANES * cores()).map(|_| hasher.verify(text.as_str().into(), PASSWORD.into()));
    assert!(block_on(join_all(answers)).into_iter().all(|answer| answer == Ok(true)));
    hasher
}

fn wait(hasher: &Hasher, text: &str) -> Duration {
    let (answer, cost) = measure(|| block_on(hasher.verify(text.into(), PASSWORD.into())));
    assert_eq!(answer, Ok(true));
    cost.wall
}

fn one_lane(text: &str) -> Duration {
    let hash = usable(text);
    let (answer, cost) = measure(|| hash.matches(PASSWORD.as_bytes()));
    assert_eq!(answer, Ok(true));
    cost.wall
}

/// The xorshift generator of Marsaglia: the same arrivals in every run.
struct Random(u64);

impl Random {
    /// Exponentially distributed with the mean 1.
    fn exponential(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let uniform = (self.0 >> 11) as f64 / (1_u64 << 53) as f64;
        -(1.0 - uniform).ln()
    }
}
