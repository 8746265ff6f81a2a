//! One budget of guesses for an account and an address, at however many nodes they are tried.

use std::collections::BTreeMap;

use crate::history::{Act, Event, Outcome};

use super::{Invariant, Story, Verdict};

pub(super) fn judge(story: &Story<'_>, verdict: &mut Verdict) {
    let mut judged: BTreeMap<(&str, &str), Vec<&Event>> = BTreeMap::new();
    for event in story.events() {
        if let (Act::Guess { user, from }, Outcome::No | Outcome::Yes) = (&event.act, event.result) {
            judged.entry((user, from)).or_default().push(event);
        }
    }
    let budget = usize::try_from(story.limits.guesses).unwrap_or(usize::MAX);
    for ((user, from), mut guesses) in judged {
        guesses.sort_by_key(|event| event.end);
        let Some(last) = guesses.get(budget.saturating_sub(1)) else { continue };
        let heard = last.end + story.limits.guesses_heard;
        let late: Vec<_> = guesses
            .iter()
            .filter(|event| {
                event.begin > heard && !story.was_cut_off(&event.node, guesses[0].begin, event.end)
            })
            .collect();
        if let Some(first) = late.first() {
            let what = format!(
                "{} guesses of {user} from {from} were judged after the budget was used up: {first:?}",
                late.len()
            );
            verdict.blame(Invariant::OneBudget, what);
        }
    }
}
