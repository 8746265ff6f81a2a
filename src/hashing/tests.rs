//! What callers of the hashing threads may rely on.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::*;
use crate::scheme::Scheme;

/// `passw0rd` at cost 5, about two milliseconds.
const CHEAP: &str = "{BLF-CRYPT}$2y$05$.OT9xt4pIKr6eJj7b9y4Cu.ZF9H16M39c5l80kzGsJpx/Py6j/DD.";

/// Longer than any test may take, so that a test that waits in vain fails.
const PATIENCE: Duration = Duration::from_secs(30);

fn start(threads: usize, queue: usize) -> Hasher {
    Hasher::start(&Config { threads, queue, ..Config::default() }).unwrap()
}

/// Nobody's password; as slow as its cost says: 12 is about 0.2 seconds, 15 about two.
fn slow(cost: u32) -> Secret {
    Secret::from(CHEAP.replace("$05$", &format!("${cost:02}$")).as_str())
}

async fn verify(hasher: &Hasher, stored: &str, password: &str) -> Result<bool, HashingError> {
    timeout(PATIENCE, hasher.verify(stored.into(), password.into())).await.expect("answered in time")
}

#[tokio::test]
async fn right_and_wrong_passwords_are_told_apart() {
    let hasher = start(0, 8);
    assert_eq!(verify(&hasher, CHEAP, "passw0rd").await, Ok(true));
    assert_eq!(verify(&hasher, CHEAP, "passw0rd ").await, Ok(false));
}

#[tokio::test]
async fn parallel_questions_get_their_own_answers() {
    let hasher = start(2, 64);
    let answers = join_all((0..64).map(|i| {
        let password = if i % 3 == 0 { "passw0rd" } else { "wrong" };
        hasher.verify(CHEAP.into(), password.into())
    }));
    for (i, answer) in timeout(PATIENCE, answers).await.unwrap().into_iter().enumerate() {
        assert_eq!(answer, Ok(i % 3 == 0), "question {i}");
    }
}

#[tokio::test]
async fn a_poisoned_cost_takes_no_thread() {
    let hasher = start(1, 1);
    for _ in 0..100 {
        let error = hasher.verify(slow(31), "passw0rd".into()).await.unwrap_err();
        assert_eq!(error.temp_fail().reason, TempFailReason::HashTooCostly);
    }
    assert_eq!(verify(&hasher, CHEAP, "passw0rd").await, Ok(true));
}

#[tokio::test]
async fn a_full_queue_turns_away_and_recovers() {
    let hasher = start(1, 1);
    let answers = join_all((0..5).map(|_| hasher.verify(slow(12), "passw0rd".into())));
    let answers = timeout(PATIENCE, answers).await.unwrap();
    let turned_away = answers.iter().filter(|answer| **answer == Err(HashingError::Overloaded)).count();
    let hashed = answers.iter().filter(|answer| **answer == Ok(false)).count();
    assert_eq!(turned_away + hashed, 5);
    assert!(turned_away >= 3, "one at work, one waiting, {turned_away} turned away");
    assert!(hashed >= 1);
    assert_eq!(verify(&hasher, CHEAP, "passw0rd").await, Ok(true));
}

#[tokio::test]
async fn an_abandoned_job_is_never_hashed() {
    let hasher = start(1, 64);
    let at_work = hasher.verify(slow(10), "x".into());
    let abandoned = join_all((0..60).map(|_| hasher.verify(slow(15), "x".into())));
    tokio::select! {
        biased;
        _ = async { tokio::join!(at_work, async { timeout(Duration::ZERO, abandoned).await.unwrap_err() }) } => {}
        () = tokio::time::sleep(PATIENCE) => panic!("the first job is never done"),
    }
    // Sixty hashes of cost 15 would keep one thread busy for two minutes.
    assert_eq!(verify(&hasher, CHEAP, "passw0rd").await, Ok(true));
}

#[tokio::test]
async fn the_threads_end_with_the_hasher() {
    let (queue, jobs) = sync_channel(1);
    let jobs = Arc::new(Mutex::new(jobs));
    let thread = thread::spawn({
        let jobs = Arc::clone(&jobs);
        move || work(&jobs)
    });
    let hasher = Hasher { queue, policy: Policy::default() };
    assert_eq!(verify(&hasher, CHEAP, "passw0rd").await, Ok(true));
    drop(hasher);
    thread.join().unwrap();
}

#[tokio::test]
async fn without_threads_nobody_can_tell() {
    let (queue, jobs) = sync_channel(1);
    drop(jobs);
    let hasher = Hasher { queue, policy: Policy::default() };
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
    assert_eq!((config.threads, config.queue, config.schemes.max_bcrypt_cost), (0, 7, 12));
    assert!(toml::from_str::<Config>("que = 7").is_err());
}
