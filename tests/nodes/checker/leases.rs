//! One holder of a lease at a time, and no writes with an older number.

use std::collections::BTreeMap;

use crate::history::{Act, Outcome, Time};

use super::{Invariant, Story, Verdict};

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
