//! Right passwords are not refused, revoked ones open nothing, new ones open everywhere.

use crate::history::{Act, Event, Outcome, Time};

use super::{End, Invariant, Story, Verdict};

/// The key of Keycloak's password.
pub const MAIN: &str = "main";

pub(super) fn judge(story: &Story<'_>, verdict: &mut Verdict) {
    for (event, user, key) in story.logins() {
        let Some(made) = made(story, user, key) else {
            if event.result == Outcome::Yes {
                verdict.blame(
                    Invariant::Revoked,
                    format!("{key} of {user} was never right and opened: {event:?}"),
                );
            }
            continue;
        };
        let end = story.end_of(user, key);
        match event.result {
            Outcome::Yes if event.begin > end.must => late(story, event, end, verdict),
            Outcome::No if event.begin > made && event.end < end.may && !story.was_killed_during(event) => {
                refused(story, event, event.begin - made, verdict);
            }
            _ => {}
        }
    }
}

/// Since when a key is right, if ever.
fn made(story: &Story<'_>, user: &str, key: &str) -> Option<Time> {
    if key == MAIN {
        return Some(0);
    }
    // It may be right although nobody was told so. Then it is never wrong, and never missing.
    story.events().find_map(|event| match &event.act {
        Act::Make { user: of, key: which, .. } if of == user && which == key => {
            Some(if event.result == Outcome::Yes { event.end } else { Time::MAX })
        }
        _ => None,
    })
}

fn late(story: &Story<'_>, event: &Event, end: End, verdict: &mut Verdict) {
    let late = event.begin - end.must;
    let cut_off = story.was_cut_off(&event.node, event.begin - late, event.end);
    let (maximum, limit) = if cut_off {
        (&mut verdict.maxima.revocation_cut_off, story.limits.revocation_cut_off)
    } else if end.by_keycloak {
        (&mut verdict.maxima.disabled, story.limits.disabled)
    } else {
        (&mut verdict.maxima.revocation, story.limits.revocation)
    };
    *maximum = (*maximum).max(late);
    if late > limit {
        let what = format!("{late} ms after its end was acknowledged a password opened: {event:?}");
        verdict.blame(Invariant::Revoked, what);
    }
}

fn refused(story: &Story<'_>, event: &Event, age: Time, verdict: &mut Verdict) {
    let Act::Login { user, key } = &event.act else { return };
    let opened_there = story.logins().any(|(other, ..)| {
        other.act == event.act
            && other.node == event.node
            && other.result == Outcome::Yes
            && other.end < event.begin
    });
    if key == MAIN || opened_there {
        verdict.blame(Invariant::RightPassword, format!("{key} of {user} was refused: {event:?}"));
        return;
    }
    // A node that could not reach its database knows nothing of it.
    if story.was_cut_off(&event.node, event.begin - age, event.end) {
        if age > story.limits.revocation_cut_off {
            verdict.blame(Invariant::Everywhere, format!("{age} ms old, {key} was refused: {event:?}"));
        }
        return;
    }
    verdict.maxima.new_password = verdict.maxima.new_password.max(age);
    if age > story.limits.new_password {
        verdict.blame(Invariant::Everywhere, format!("{age} ms old, {key} was refused: {event:?}"));
    }
}
