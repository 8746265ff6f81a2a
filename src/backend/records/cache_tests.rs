//! The clock stands still unless a test moves it; the source is a queue of answers.
#![expect(clippy::disallowed_methods, reason = "tests start tasks")]

#[path = "cache_kept_tests.rs"]
mod kept;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::time::{advance, sleep};

use super::*;
use crate::backend::records::{Fetch, RecordWatch};

#[derive(Debug, PartialEq)]
struct Number(u32);

impl Record for Number {
    fn bytes(&self) -> usize {
        4
    }

    fn is_absence(&self) -> bool {
        self.0 == 0
    }

    fn inherit(&self, _older: &Self) {}

    fn outdates(&self, older: &Self) -> bool {
        self != older
    }
}

/// How long the source takes, and what it says.
type Answer = (Duration, Result<u32, TempFailReason>);

/// What the source says next, how long that takes, and how often it was asked.
#[derive(Clone, Default)]
struct Source {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<AtomicUsize>,
    troubled: Arc<AtomicBool>,
}

impl Source {
    fn will_say(&self, delay_ms: u64, answer: Result<u32, TempFailReason>) {
        self.answers.lock().unwrap().push_back((Duration::from_millis(delay_ms), answer));
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn records(&self) -> Records<Number> {
        self.records_of(1 << 20)
    }

    fn records_of(&self, max_bytes: usize) -> Records<Number> {
        self.records_watched(max_bytes, None)
    }

    fn records_watched(
        &self,
        max_bytes: usize,
        watch: Option<Arc<dyn RecordWatch<Number>>>,
    ) -> Records<Number> {
        let lifetimes = Lifetimes {
            fresh: Duration::from_secs(60),
            absent: Duration::from_secs(10),
            stale_limit: Duration::from_secs(3600),
            patience: Duration::from_secs(1),
            refetch_pause: Duration::from_secs(5),
            max_bytes,
        };
        let source = self.clone();
        let fetcher = move |_: Username| -> Fetch<Number> {
            let source = source.clone();
            Box::pin(async move {
                source.asked.fetch_add(1, Ordering::Relaxed);
                let next = source.answers.lock().unwrap().pop_front();
                let (delay, answer) = next.expect("the source was asked too often");
                sleep(delay).await;
                answer.map(Number).map_err(|reason| TempFail::new(reason, "away"))
            })
        };
        let troubled = Arc::clone(&self.troubled);
        let source = RecordSource {
            fetcher: Arc::new(fetcher),
            troubled: Arc::new(move |_| troubled.load(Ordering::Relaxed)),
            watch,
        };
        Records::new(lifetimes, Arc::new(|task| drop(tokio::spawn(task))), source)
    }
}

fn alice() -> Username {
    Username::parse(b"alice@example.org").unwrap()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const AWAY: Result<u32, TempFailReason> = Err(TempFailReason::KeycloakRefused);

#[tokio::test(start_paused = true)]
async fn a_fresh_record_asks_nobody() {
    let source = Source::default();
    let records = source.records();
    source.will_say(5, Ok(1));
    for _ in 0..1000 {
        assert_eq!(records.get(&alice()).await.unwrap().record.0, 1);
    }
    let counts = records.counts();
    assert_eq!((counts.hits, counts.misses, counts.fetches, counts.entries), (999, 1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn everybody_who_waits_shares_one_fetch() {
    let source = Source::default();
    let records = source.records();
    source.will_say(5, Ok(1));
    let user = alice();
    let all = join_all((0..200).map(|_| records.get(&user))).await;
    assert!(all.into_iter().all(|held| held.unwrap().record.0 == 1));
    assert_eq!(source.asked(), 1);
}

/// One client that leaves takes nobody along.
#[tokio::test(start_paused = true)]
async fn who_leaves_takes_no_fetch_along() {
    let source = Source::default();
    let records = source.records();
    source.will_say(500, Ok(1));
    let user = alice();
    assert!(timeout(Duration::from_millis(10), records.get(&user)).await.is_err());
    assert_eq!(records.get(&user).await.unwrap().record.0, 1);
    assert_eq!(source.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_record_is_never_taken_as_it_is_beyond_its_time() {
    let source = Source::default();
    let records = source.records();
    let user = alice();
    for round in 1..50 {
        source.will_say(0, Ok(round));
        let held = records.get(&user).await.unwrap();
        assert_eq!(held.record.0, round);
        advance(secs(60)).await;
        assert!(records.peek(&user, Instant::now()).is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_hot_record_is_fetched_in_the_background() {
    let source = Source::default();
    let records = source.records();
    source.will_say(0, Ok(1));
    source.will_say(10, Ok(2));
    let user = alice();
    assert_eq!(records.get(&user).await.unwrap().record.0, 1);
    advance(secs(41)).await;
    // It is answered with what is there, and by the next login the new one has come.
    assert_eq!(records.get(&user).await.unwrap().record.0, 1);
    sleep(Duration::from_millis(20)).await;
    assert_eq!(records.get(&user).await.unwrap().record.0, 2);
    assert_eq!((source.asked(), records.counts().misses), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn while_the_source_is_away_the_old_record_serves_up_to_its_limit() {
    let source = Source::default();
    let records = source.records();
    source.will_say(0, Ok(1));
    let user = alice();
    records.get(&user).await.unwrap();
    advance(secs(3000)).await;
    source.will_say(0, AWAY);
    let held = records.get(&user).await.unwrap();
    assert_eq!((held.record.0, held.stale.unwrap().reason), (1, TempFailReason::KeycloakRefused));
    advance(secs(599)).await;
    source.will_say(0, AWAY);
    assert!(records.get(&user).await.is_ok());
    advance(secs(1)).await;
    source.will_say(0, AWAY);
    assert_eq!(records.get(&user).await.unwrap_err().reason, TempFailReason::KeycloakRefused);
    // It was not forgotten, and the next answer counts at once.
    source.will_say(0, Ok(2));
    assert_eq!(records.get(&user).await.unwrap().record.0, 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_source_is_waited_for_only_where_there_is_nothing_else() {
    let source = Source::default();
    let records = source.records();
    source.will_say(10_000, Ok(1));
    let user = alice();
    let began = Instant::now();
    assert_eq!(records.get(&user).await.unwrap().record.0, 1);
    assert_eq!(began.elapsed(), secs(10));
    advance(secs(60)).await;
    source.will_say(10_000, Ok(2));
    let began = Instant::now();
    let held = records.get(&user).await.unwrap();
    assert_eq!((held.record.0, held.stale.unwrap().reason), (1, TempFailReason::Deadline));
    assert_eq!(began.elapsed(), secs(1));
    // The answer is kept although nobody waits for it any more.
    sleep(secs(10)).await;
    assert_eq!(records.get(&user).await.unwrap().record.0, 2);
    // Of a source in trouble nobody expects an answer.
    advance(secs(60)).await;
    source.troubled.store(true, Ordering::Relaxed);
    source.will_say(10_000, Ok(3));
    let began = Instant::now();
    assert_eq!(records.get(&user).await.unwrap().record.0, 2);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

/// T6, T7: trouble is no absence, and an absence is short.
#[tokio::test(start_paused = true)]
async fn an_absence_is_short_and_never_stale_and_trouble_is_none() {
    let source = Source::default();
    let records = source.records();
    let user = alice();
    source.will_say(0, AWAY);
    assert!(records.get(&user).await.is_err());
    source.will_say(0, Ok(0));
    assert_eq!(records.get(&user).await.unwrap().record.0, 0);
    advance(secs(8)).await;
    assert_eq!(records.get(&user).await.unwrap().record.0, 0);
    advance(secs(2)).await;
    source.will_say(0, AWAY);
    assert!(records.get(&user).await.is_err());
    source.will_say(0, Ok(1));
    assert_eq!(records.get(&user).await.unwrap().record.0, 1);
    assert_eq!(source.asked(), 4);
}

/// However many passwords do not fit, the source is asked once a pause, and a new record is found in time.
#[tokio::test(start_paused = true)]
async fn a_thousand_mismatches_ask_once_a_pause() {
    let source = Source::default();
    let records = source.records();
    let user = alice();
    source.will_say(0, Ok(1));
    records.get(&user).await.unwrap();
    advance(secs(30)).await;
    source.will_say(5, Ok(1));
    source.will_say(5, Ok(2));
    let guesses = (0..1000_u64).map(|number| {
        let (records, user) = (&records, &user);
        async move {
            sleep(Duration::from_millis(5 * number)).await;
            let since = Instant::now();
            records.get_newer(user, since, since + secs(4)).await
        }
    });
    let ends = join_all(guesses).await;
    assert_eq!(source.asked(), 3);
    let too_early = ends.iter().filter(|end| end.is_err()).count();
    assert!((150..=250).contains(&too_early), "{too_early}");
    for end in ends.iter().flatten() {
        assert!(end.stale.is_none());
    }
    // Whoever came last was told what is true by then.
    assert_eq!(ends.last().unwrap().as_ref().unwrap().record.0, 2);
}

#[tokio::test(start_paused = true)]
async fn a_record_as_old_as_the_question_needs_no_other() {
    let source = Source::default();
    let records = source.records();
    let user = alice();
    source.will_say(5, Ok(1));
    let began = Instant::now();
    records.get(&user).await.unwrap();
    assert_eq!(records.get_newer(&user, began, began + secs(4)).await.unwrap().record.0, 1);
    assert_eq!(source.asked(), 1);
}

/// A fetch that began before the question is waited for, but its answer is not taken.
#[tokio::test(start_paused = true)]
async fn a_fetch_that_began_earlier_is_no_newer_record() {
    let source = Source::default();
    let records = source.records();
    let user = alice();
    source.will_say(100, Ok(1));
    source.will_say(100, Ok(2));
    let (first, second) = tokio::join!(records.get(&user), async {
        sleep(Duration::from_millis(50)).await;
        let now = Instant::now();
        records.get_newer(&user, now, now + secs(6)).await
    });
    assert_eq!((first.unwrap().record.0, second.unwrap().record.0), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_longer_fresh_is_asked_for_and_serves_while_nobody_can_tell() {
    let source = Source::default();
    let records = source.records();
    let user = alice();
    source.will_say(0, Ok(1));
    records.get(&user).await.unwrap();
    assert_eq!(records.expire_where(|record| record.0 == 2), 0);
    assert!(records.peek(&user, Instant::now()).is_some());
    assert_eq!(records.expire_where(|record| record.0 == 1), 1);
    assert!(records.peek(&user, Instant::now()).is_none());
    source.will_say(0, AWAY);
    assert_eq!(records.get(&user).await.unwrap().record.0, 1);
    source.will_say(0, Ok(2));
    assert_eq!(records.get(&user).await.unwrap().record.0, 2);
    // A fetch that began before is not kept.
    advance(secs(60)).await;
    source.will_say(100, Ok(3));
    let (_, held) = tokio::join!(
        async {
            sleep(Duration::from_millis(50)).await;
            records.expire_where(|_| true)
        },
        records.get(&user)
    );
    assert_eq!((held.unwrap().record.0, records.look(&user).unwrap().record.0), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn whoever_saves_records_is_told_when_one_is_no_longer_so() {
    let source = Source::default();
    let records = source.records();
    let user = alice();
    source.will_say(0, Ok(1));
    records.get(&user).await.unwrap();
    let before = records.withdrawals();
    for (says, is_another) in [(1, false), (2, true), (2, false)] {
        let known = records.withdrawals();
        advance(secs(60)).await;
        source.will_say(0, Ok(says));
        records.get(&user).await.unwrap();
        assert_eq!(records.withdrawals() != known, is_another, "{says}");
    }
    records.forget(&user);
    assert!(records.withdrawals() > before + 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_is_asked_for_again() {
    let source = Source::default();
    let records = source.records();
    let user = alice();
    source.will_say(0, Ok(1));
    records.get(&user).await.unwrap();
    assert!(records.forget(&user) && !records.forget(&user));
    // What was on its way when it was forgotten is told to who waits, and not kept.
    source.will_say(100, Ok(2));
    source.will_say(0, Ok(3));
    let (held, ()) = tokio::join!(records.get(&user), async {
        sleep(Duration::from_millis(50)).await;
        records.forget(&user);
    });
    assert_eq!(held.unwrap().record.0, 2);
    assert_eq!(records.get(&user).await.unwrap().record.0, 3);
    assert_eq!(records.flush(), 1);
    assert_eq!(records.counts().entries, 0);
}

#[tokio::test(start_paused = true)]
async fn what_others_did_drops_no_fetch() {
    let source = Source::default();
    let records = source.records();
    let user = alice();
    source.will_say(100, Ok(1));
    let (held, ()) = tokio::join!(records.get(&user), async {
        sleep(Duration::from_millis(50)).await;
        assert!(records.forget_where(|record| record.0 == 2).is_empty());
        assert_eq!(records.expire_where(|record| record.0 == 2), 0);
    });
    assert_eq!(held.unwrap().record.0, 1);
    assert_eq!(records.get(&user).await.unwrap().record.0, 1);
    assert_eq!(source.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_joins_what_was_under_way_when_something_was_forgotten() {
    let source = Source::default();
    let records = source.records();
    let user = alice();
    // The second fetch is faster; the first one must not take its place.
    source.will_say(300, Ok(1));
    source.will_say(10, Ok(2));
    let (slow, fast) = tokio::join!(records.get(&user), async {
        sleep(Duration::from_millis(50)).await;
        records.forget_where(|record| record.0 == 7);
        records.get(&user).await
    });
    assert_eq!((slow.unwrap().record.0, fast.unwrap().record.0), (1, 2));
    assert_eq!(records.get(&user).await.unwrap().record.0, 2);
}
