//! One holder of a lease at a time, and no writes with an older number.

use std::collections::BTreeMap;

use crate::history::{Act, Event, Outcome, Time};

use super::{Invariant, Story, Verdict};

/// In milliseconds: what a line of the log leaves out.
const ROUNDING: Time = 50;

pub(super) fn judge(story: &Story<'_>, verdict: &mut Verdict) {
    // Holder, and when it was first seen and last begun to be seen.
    let mut holders: BTreeMap<(&str, u64), (&str, Time)> = BTreeMap::new();
    for event in story.events() {
        let Act::Lease { work, holder, fence } = &event.act else { continue };
        if event.result != Outcome::Yes {
            continue;
        }
        let (known, seen) = *holders.entry((work, *fence)).or_insert((holder, event.end));
        if known != holder {
            let what = format!("{known} and {holder} both hold {work} with the number {fence}: {event:?}");
            verdict.blame(Invariant::OneHolder, what);
        }
        holders.insert((work, *fence), (known, seen.min(event.end)));
    }
    turns(story, verdict);
    for event in story.events() {
        let Act::Write { work, fence } = &event.act else { continue };
        let newer = holders
            .iter()
            .find(|((of, number), (_, seen))| of == work && number > fence && *seen < event.begin);
        if let (Outcome::Yes, Some(((_, number), (holder, _)))) = (event.result, newer) {
            let what =
                format!("{holder} held {work} with the number {number}, and an older one wrote: {event:?}");
            verdict.blame(Invariant::OneHolder, what);
        }
    }
}

/// Two nodes do not do it at one time.
fn turns(story: &Story<'_>, verdict: &mut Verdict) {
    let mut turns: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for event in story.events() {
        if let Act::Turn { work } = &event.act {
            turns.entry(work).or_default().push(event);
        }
    }
    for turns in turns.values_mut() {
        turns.sort_by_key(|event| event.begin);
        let Some(mut last) = turns.first().copied() else { continue };
        for turn in &turns[1..] {
            if turn.node != last.node && turn.begin + ROUNDING < last.end {
                let what = format!("two nodes did the same at one time: {last:?} and {turn:?}");
                verdict.blame(Invariant::OneHolder, what);
            }
            if turn.end > last.end {
                last = turn;
            }
        }
    }
}
