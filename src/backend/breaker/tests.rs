//! Every order of calls and their ends, by moved clocks.

use proptest::prelude::*;
use tokio::time::advance;

use super::*;

const DOWN: TempFailReason = TempFailReason::KeycloakTimeout;
const SLOW: Duration = Duration::from_millis(251);

fn trouble(reason: TempFailReason) -> Result<(), TempFail> {
    Err(TempFail::new(reason, "no answer"))
}

fn begin(breaker: &Breaker) -> Permit {
    breaker.admit(Instant::now()).expect("admitted")
}

fn end(breaker: &Breaker, permit: Permit, end: Result<(), TempFail>) {
    breaker.report(permit, &end, Instant::now());
}

/// A call that is waited for in vain.
async fn fail(breaker: &Breaker) {
    let permit = begin(breaker);
    advance(SLOW).await;
    end(breaker, permit, trouble(DOWN));
}

fn succeed(breaker: &Breaker) {
    end(breaker, begin(breaker), Ok(()));
}

fn admits(breaker: &Breaker) -> bool {
    breaker.admit(Instant::now()).is_ok()
}

/// With so many calls under way that began before.
async fn trip(breaker: &Breaker, others: usize) -> Vec<Permit> {
    let late = (0..others).map(|_| begin(breaker)).collect();
    fail(breaker).await;
    fail(breaker).await;
    assert_eq!(breaker.condition(), Condition::Open);
    late
}

#[tokio::test(start_paused = true)]
async fn it_opens_after_failures_in_a_row_and_says_which() {
    let breaker = Breaker::default();
    fail(&breaker).await;
    succeed(&breaker);
    fail(&breaker).await;
    assert!(admits(&breaker));
    fail(&breaker).await;
    assert_eq!(breaker.condition(), Condition::Open);
    let trouble = breaker.admit(Instant::now()).unwrap_err();
    assert_eq!((trouble.reason, trouble.detail.as_str()), (DOWN, "not asked again yet after: no answer"));
}

#[tokio::test(start_paused = true)]
async fn one_probe_at_a_time_looks_again() {
    let breaker = Breaker::default();
    trip(&breaker, 0).await;
    advance(PAUSE).await;
    let probe = begin(&breaker);
    assert!(!admits(&breaker));
    assert_eq!(breaker.condition(), Condition::HalfOpen);
    end(&breaker, probe, Ok(()));
    assert!(admits(&breaker) && admits(&breaker) && !breaker.is_troubled());
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_to_their_limit() {
    let breaker = Breaker::default();
    trip(&breaker, 0).await;
    for pause in [1, 2, 4, 5, 5] {
        advance(Duration::from_millis(pause * 1000 - 1)).await;
        assert!(!admits(&breaker), "{pause}");
        advance(Duration::from_millis(1)).await;
        fail(&breaker).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_never_came_back_is_given_up_and_its_late_end_says_nothing() {
    for late in [Ok(()), trouble(DOWN)] {
        let breaker = Breaker::default();
        trip(&breaker, 0).await;
        advance(PAUSE).await;
        let lost = begin(&breaker);
        advance(LONGEST_PAUSE).await;
        let probe = begin(&breaker);
        end(&breaker, lost, late);
        assert_eq!(breaker.condition(), Condition::HalfOpen);
        end(&breaker, probe, Ok(()));
        assert_eq!(breaker.condition(), Condition::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_end_of_a_call_from_before_the_trip_is_no_probes_end() {
    for late_end in [Ok(()), trouble(DOWN), trouble(TempFailReason::KeycloakRateLimited)] {
        let breaker = Breaker::default();
        let mut late = trip(&breaker, 3).await;
        end(&breaker, late.pop().unwrap(), late_end.clone());
        assert_eq!(breaker.condition(), Condition::Open, "{late_end:?}");
        advance(PAUSE).await;
        let probe = begin(&breaker);
        end(&breaker, late.pop().unwrap(), late_end.clone());
        assert_eq!(breaker.condition(), Condition::HalfOpen, "{late_end:?}");
        end(&breaker, probe, Ok(()));
        end(&breaker, late.pop().unwrap(), late_end.clone());
        fail(&breaker).await;
        assert_eq!(breaker.condition(), Condition::Closed, "{late_end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_at_once_opens_nothing_unless_it_asks_to_be_spared() {
    let breaker = Breaker::default();
    for reason in [TempFailReason::SqlError, TempFailReason::KeycloakRefused] {
        (0..100).for_each(|_| end(&breaker, begin(&breaker), trouble(reason)));
        assert_eq!(breaker.condition(), Condition::Closed);
    }
    (0..2).for_each(|_| end(&breaker, begin(&breaker), trouble(TempFailReason::KeycloakRateLimited)));
    assert_eq!(breaker.condition(), Condition::Open);
}

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Event {
    Pass(u64),
    Ask,
    /// One of the calls under way ends.
    End(usize, How),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Well,
    Badly,
    Spare,
}

fn event() -> impl Strategy<Value = Event> {
    let how = prop_oneof![1 => Just(How::Well), 3 => Just(How::Badly), 1 => Just(How::Spare)];
    prop_oneof![
        2 => prop_oneof![Just(1), Just(100), Just(251), Just(999), Just(1000), Just(2000), Just(5000)]
            .prop_map(Event::Pass),
        3 => Just(Event::Ask),
        3 => (0..8_usize, how).prop_map(|(which, how)| Event::End(which, how)),
    ]
}

/// The rules in plain words: an era lasts until the breaker opens, closes or sends a probe; ends of calls count in the
/// era of their beginning.
#[derive(Default)]
struct Model {
    era: usize,
    bad: u32,
    /// The pause and its end, in milliseconds.
    open: Option<(u64, u64)>,
    probed_at: Option<u64>,
}

impl Model {
    fn ask(&mut self, now: u64) -> Option<usize> {
        if let Some((_, until)) = self.open {
            if now < until || self.probed_at.is_some_and(|at| now < at + 5000) {
                return None;
            }
            self.probed_at = Some(now);
            self.era += 1;
        }
        Some(self.era)
    }

    fn end(&mut self, (began, era): (u64, usize), how: How, now: u64) {
        if era != self.era {
            return;
        }
        if how == How::Well || how == How::Badly && now - began <= 250 {
            self.era += usize::from(self.open.is_some());
            (self.bad, self.open, self.probed_at) = (0, None, None);
            return;
        }
        self.bad += 1;
        let pause = match self.open {
            Some((pause, _)) => (2 * pause).min(5000),
            None if self.bad >= 2 => 1000,
            None => return,
        };
        self.era += 1;
        (self.open, self.probed_at) = (Some((pause, now + pause)), None);
    }

    fn condition(&self) -> Condition {
        match (self.open, self.probed_at) {
            (None, _) => Condition::Closed,
            (Some(_), None) => Condition::Open,
            (Some(_), Some(_)) => Condition::HalfOpen,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_order_of_events_ends_as_the_rules_say(events in prop::collection::vec(event(), 0..60)) {
        let start = Instant::now();
        let (breaker, mut model) = (Breaker::default(), Model::default());
        let (mut now, mut calls) = (0, Vec::new());
        for event in events {
            let at = start + Duration::from_millis(now);
            match event {
                Event::Pass(millis) => now += millis,
                Event::Ask => {
                    let (permit, expected) = (breaker.admit(at).ok(), model.ask(now));
                    prop_assert_eq!(permit.is_some(), expected.is_some());
                    calls.extend(permit.zip(expected).map(|(permit, era)| (permit, (now, era))));
                }
                Event::End(which, how) if !calls.is_empty() => {
                    let (permit, call) = calls.swap_remove(which % calls.len());
                    let end = match how {
                        How::Well => Ok(()),
                        How::Badly => trouble(DOWN),
                        How::Spare => trouble(TempFailReason::KeycloakServerError),
                    };
                    breaker.report(permit, &end, at);
                    model.end(call, how, now);
                }
                Event::End(..) => {}
            }
            prop_assert_eq!(breaker.condition(), model.condition(), "after {:?} at {} ms", event, now);
        }
    }
}
