//! Sessions of the portal: signed out is out on every node, and nobody is signed out by an accident.

use crate::history::{Act, Outcome, Time};

use super::passwords::MAIN;
use super::{Invariant, Story, Verdict};

pub(super) fn judge(story: &Story<'_>, verdict: &mut Verdict) {
    for event in story.events() {
        let Act::Session { session } = &event.act else { continue };
        let (mut may_end, mut must_end, mut begun) = (Time::MAX, Time::MAX, Time::MAX);
        for other in story.events() {
            match &other.act {
                Act::SignIn { user, session: of } if of == session && other.result == Outcome::Yes => {
                    begun = other.end;
                    // Whoever is disabled has no session either; since when, the logins show.
                    may_end = may_end.min(story.end_of(user, MAIN).may);
                }
                Act::SignOut { session: of } if of == session => {
                    may_end = may_end.min(other.begin);
                    if other.result == Outcome::Yes {
                        must_end = must_end.min(other.end);
                    }
                }
                _ => {}
            }
        }
        if event.result == Outcome::Yes && event.begin > must_end {
            let late = event.begin - must_end;
            verdict.maxima.sign_out = verdict.maxima.sign_out.max(late);
            if late > story.limits.sign_out {
                let what = format!("{late} ms after the sign-out the session is there: {event:?}");
                verdict.blame(Invariant::Everywhere, what);
            }
        }
        // A node may be a moment behind; after the mending none is.
        let is_settled = story.healed().is_some_and(|healed| event.begin > healed + story.limits.healing)
            || event.begin > begun.saturating_add(story.limits.new_password)
                && !story.was_cut_off(&event.node, begun, event.end);
        if event.result == Outcome::No && event.begin > begun && event.end < may_end && is_settled {
            verdict.blame(Invariant::NothingLost, format!("a session that nobody ended is gone: {event:?}"));
        }
    }
}
