//! What callers of the hashing threads may rely on.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::time::timeout;

use super::*;
use crate::credential::scheme::Scheme;

/// `passw0rd` at cost 5, about two milliseconds.
const CHEAP: &str = "{BLF-CRYPT}$2y$05$.OT9xt4pIKr6eJj7b9y4Cu.ZF9H16M39c5l80kzGsJpx/Py6j/DD.";
/// Takes 60 hours, where the caps allow it.
const ENDLESS: &str = "{BLF-CRYPT}$2y$31$.OT9xt4pIKr6eJj7b9y4Cu.ZF9H16M39c5l80kzGsJpx/Py6j/DD.";
/// `pass`, in no time.
const INSTANT: &str = "{SHA256}10/w7o2juYBrGMh32/KbveULW9jk2tejpyUAD+uC6PE=";

/// Longer than any test may take, so that a test that waits in vain fails.
const PATIENCE: Duration = Duration::from_secs(30);

fn start(threads: usize, lanes: usize, queue: usize) -> Hasher {
    let schemes = Policy { max_bcrypt_cost: 31, ..Policy::default() }.with_every_weak_scheme();
    Hasher::start(&Config { threads, lanes, queue, schemes }).unwrap()
}

/// Nobody's password, in SHA-512-crypt: 10 million rounds are several seconds, 1000 are one millisecond.
fn sha_crypt(rounds: u32) -> Secret {
    let digest = ".".repeat(86);
    Secret::from(format!("{{SHA512-CRYPT}}$6$rounds={rounds}$salt${digest}").as_str())
}

/// Until some thread has taken the last waiting job.
async fn all_have_begun(hasher: &Hasher) {
    let emptied = async {
        while hasher.pool.waiting() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, emptied).await.expect("a thread takes the jobs");
}

async fn verify(hasher: &Hasher, stored: &str, password: &str) -> Result<bool, HashingError> {
    timeout(PATIENCE, hasher.verify(stored.into(), password.into())).await.expect("answered in time")
}

#[tokio::test]
async fn right_and_wrong_passwords_are_told_apart() {
    let hasher = start(0, 0, 8);
    assert_eq!(verify(&hasher, CHEAP, "passw0rd").await, Ok(true));
    assert_eq!(verify(&hasher, CHEAP, "passw0rd ").await, Ok(false));
    assert_eq!(verify(&hasher, CHEAP, "").await, Ok(false));
}

#[tokio::test]
async fn parallel_questions_get_their_own_answers_on_any_number_of_lanes() {
    for lanes in 0..=MAX_LANES + 1 {
        let hasher = start(2, lanes, 64);
        let answers = join_all((0..32).map(|i| {
            let password = if i % 3 == 0 { "passw0rd" } else { "wrong" };
            hasher.verify(CHEAP.into(), password.into())
        }));
        for (i, answer) in timeout(PATIENCE, answers).await.unwrap().into_iter().enumerate() {
            assert_eq!(answer, Ok(i % 3 == 0), "question {i} on {lanes} lanes");
        }
    }
}

#[tokio::test]
async fn lanes_are_measured_when_two_passwords_first_share_a_thread() {
    let hasher = start(2, 0, 64);
    let mut endless = Vec::new();
    for measured in [false, false, true] {
        let mut future = Box::pin(hasher.verify(ENDLESS.into(), "x".into()));
        assert_eq!((&mut future).now_or_never(), None);
        all_have_begun(&hasher).await;
        endless.push(future);
        assert_eq!(hasher.pool.has_measured(), measured, "{} passwords, two threads", endless.len());
    }
    drop(endless);
    assert_eq!(verify(&hasher, CHEAP, "passw0rd").await, Ok(true));
}

#[tokio::test]
async fn a_poisoned_cost_takes_no_thread() {
    let hasher = Hasher::start(&Config { threads: 1, queue: 1, ..Config::default() }).unwrap();
    for _ in 0..100 {
        let error = hasher.verify(ENDLESS.into(), "passw0rd".into()).await.unwrap_err();
        assert_eq!(error.temp_fail().reason, TempFailReason::HashTooCostly);
    }
    assert_eq!(verify(&hasher, CHEAP, "passw0rd").await, Ok(true));
}

#[tokio::test]
async fn a_full_queue_turns_away_and_recovers() {
    let hasher = start(1, 1, 1);
    let mut at_work = Box::pin(hasher.verify(ENDLESS.into(), "x".into()));
    assert_eq!((&mut at_work).now_or_never(), None);
    all_have_begun(&hasher).await;
    let mut waiting = Box::pin(hasher.verify(CHEAP.into(), "passw0rd".into()));
    assert_eq!((&mut waiting).now_or_never(), None);
    for _ in 0..3 {
        assert_eq!(verify(&hasher, CHEAP, "passw0rd").await, Err(HashingError::Overloaded));
    }
    drop(at_work);
    assert_eq!(timeout(PATIENCE, waiting).await.unwrap(), Ok(true));
    assert_eq!(verify(&hasher, CHEAP, "passw0rd").await, Ok(true));
}

#[tokio::test]
async fn a_flood_from_one_network_pays_for_the_place_of_a_stranger() {
    let hasher = start(1, 1, 2);
    let from = |stored: &str, address: &str| {
        Box::pin(hasher.verify_from(
            stored.into(),
            "passw0rd".into(),
            Whose { name: "", address: Some(address.parse().unwrap()) },
        ))
    };
    let mut at_work = from(ENDLESS, "192.0.2.1");
    assert_eq!((&mut at_work).now_or_never(), None);
    all_have_begun(&hasher).await;
    let (mut first, mut second) = (from(CHEAP, "192.0.2.2"), from(CHEAP, "192.0.2.3"));
    assert_eq!(((&mut first).now_or_never(), (&mut second).now_or_never()), (None, None));
    let mut stranger = from(CHEAP, "2001:db8::1");
    assert_eq!((&mut stranger).now_or_never(), None);
    assert_eq!(timeout(PATIENCE, second).await.unwrap(), Err(HashingError::Overloaded));
    drop(at_work);
    assert_eq!(timeout(PATIENCE, stranger).await.unwrap(), Ok(true));
    assert_eq!(timeout(PATIENCE, first).await.unwrap(), Ok(true));
}

#[tokio::test]
async fn an_abandoned_computation_gives_its_lane_back() {
    for lanes in [1, MAX_LANES] {
        let hasher = start(1, lanes, 64);
        for _ in 0..3 {
            let mut endless: Vec<_> =
                (0..lanes).map(|_| Box::pin(hasher.verify(ENDLESS.into(), "x".into()))).collect();
            assert!(endless.iter_mut().all(|future| future.now_or_never().is_none()));
            all_have_begun(&hasher).await;
        }
        assert_eq!(verify(&hasher, CHEAP, "passw0rd").await, Ok(true), "{lanes} lanes");
    }
}

#[tokio::test]
async fn an_abandoned_job_gives_its_place_back_and_is_never_hashed() {
    let hasher = start(1, 1, 200);
    let at_work = hasher.verify(sha_crypt(1_000_000), "x".into());
    let abandoned = join_all((0..199).map(|_| hasher.verify(sha_crypt(10_000_000), "x".into())));
    let both = async { tokio::join!(at_work, async { abandoned.now_or_never() }) };
    let (answer, abandoned) = timeout(PATIENCE, both).await.expect("only the first is hashed");
    assert_eq!((answer, abandoned), (Ok(false), None));
    assert_eq!(hasher.pool.waiting(), 0);
    // All of them would keep the thread busy for ten minutes.
    let answer = timeout(PATIENCE, hasher.verify(sha_crypt(1000), "x".into())).await;
    assert_eq!(answer.expect("the thread is free"), Ok(false));
}

#[tokio::test]
async fn a_long_hash_stands_in_the_way_of_no_bcrypt_and_bcrypt_in_its_way() {
    let hasher = start(1, 1, 8);
    let mut long = Box::pin(hasher.verify(sha_crypt(10_000_000), "x".into()));
    assert_eq!((&mut long).now_or_never(), None);
    all_have_begun(&hasher).await;
    assert_eq!(verify(&hasher, CHEAP, "passw0rd").await, Ok(true));
    assert_eq!((&mut long).now_or_never(), None, "it takes seconds more");
    drop(long);

    let hasher = start(1, 1, 8);
    let mut endless = Box::pin(hasher.verify(ENDLESS.into(), "x".into()));
    assert_eq!((&mut endless).now_or_never(), None);
    all_have_begun(&hasher).await;
    let answer = timeout(PATIENCE, hasher.verify(sha_crypt(1000), "x".into())).await;
    assert_eq!(answer.expect("answered in time"), Ok(false));
}

#[tokio::test]
async fn what_costs_nothing_waits_for_nobody() {
    let hasher = start(1, 1, 1);
    let mut futures: Vec<_> = (0..3).map(|_| Box::pin(hasher.verify(ENDLESS.into(), "x".into()))).collect();
    for future in &mut futures {
        let _ = future.now_or_never();
    }
    let at_once = |password: &str| hasher.verify(INSTANT.into(), password.into()).now_or_never();
    assert_eq!(at_once("pass"), Some(Ok(true)));
    assert_eq!(at_once("passs"), Some(Ok(false)));
    // Longer than any door lets through: not on the reactor.
    assert_eq!(at_once(&"x".repeat(1024)), Some(Ok(false)));
    assert_ne!(at_once(&"x".repeat(1025)), Some(Ok(false)));
}

#[tokio::test]
async fn the_threads_end_with_the_hasher() {
    let pool = Arc::new(Pool::new(1, 8));
    let [lanes, long] = [Arc::clone(&pool), Arc::clone(&pool)];
    let threads =
        [thread::spawn(move || lanes.work_on_lanes(0, 1)), thread::spawn(move || long.work_on_long_jobs())];
    let hasher = Hasher { pool, policy: Policy::default(), seconds: Histogram::of_answers() };
    assert_eq!(verify(&hasher, CHEAP, "passw0rd").await, Ok(true));
    drop(hasher);
    for thread in threads {
        thread.join().unwrap();
    }
}

#[tokio::test]
async fn without_threads_nobody_can_tell() {
    let pool = Arc::new(Pool::new(0, 8));
    pool.stop();
    let hasher = Hasher { pool, policy: Policy::default(), seconds: Histogram::of_answers() };
    assert_eq!(verify(&hasher, CHEAP, "passw0rd").await, Err(HashingError::Stopped));
}

#[test]
fn every_error_is_ignorance_with_its_own_reason() {
    let too_costly = Unusable::TooCostly { scheme: Scheme::BlfCrypt, what: "cost", cost: 31, cap: 15 };
    let cases = [
        (HashingError::Unusable(too_costly), TempFailReason::HashTooCostly),
        (HashingError::Unusable(Unusable::NoScheme), TempFailReason::HashUnusable),
        (HashingError::Unusable(Unusable::NotAllowed(Scheme::Plain)), TempFailReason::HashUnusable),
        (HashingError::Unusable(Unusable::OutOfMemory(Scheme::Argon2id)), TempFailReason::HashingOverload),
        (HashingError::Overloaded, TempFailReason::HashingOverload),
        (HashingError::Stopped, TempFailReason::Stopping),
    ];
    for (error, reason) in cases {
        let told = error.temp_fail();
        assert_eq!((told.reason, told.detail), (reason, error.to_string()));
    }
}

#[test]
fn settings_that_are_left_out_keep_their_defaults() {
    assert_eq!(toml::from_str::<Config>("").unwrap(), Config::default());
    let config: Config = toml::from_str("queue = 7\n[schemes]\nmax_bcrypt_cost = 12").unwrap();
    assert_eq!((config.threads, config.lanes, config.queue, config.schemes.max_bcrypt_cost), (0, 0, 7, 12));
    assert!(toml::from_str::<Config>("que = 7").is_err());
}
