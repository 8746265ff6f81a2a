//! After everything was mended: one mailbox for each newcomer, nothing lost, and every node says what the database says.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Act, Event, Outcome, Time};

use super::passwords::MAIN;
use super::{Invariant, Story, Verdict};

pub(super) fn judge(story: &Story<'_>, verdict: &mut Verdict) {
    rows(story, verdict);
    let Some(healed) = story.healed() else { return };
    lost(story, healed, verdict);
    answers(story, healed, verdict);
}

/// One row in each table for whoever came for the first time, on every node.
fn rows(story: &Story<'_>, verdict: &mut Verdict) {
    for event in story.events() {
        let Act::Rows { user, rows } = &event.act else { continue };
        let mut logins = story.logins();
        let has_come = logins
            .any(|(login, of, _)| of == user && login.result == Outcome::Yes && login.end < event.begin);
        for (table, &number) in rows {
            if number > 1 {
                let what = format!("{user} has {number} rows in {table}: {event:?}");
                verdict.blame(Invariant::OneMailbox, what);
            }
            if number == 0 && has_come {
                let what = format!("{user} has logged in and has no row in {table}: {event:?}");
                verdict.blame(Invariant::NothingLost, what);
            }
        }
    }
}

/// What was said to be made is there, what was said to be revoked is not.
fn lost(story: &Story<'_>, healed: Time, verdict: &mut Verdict) {
    let mut standings: BTreeMap<(&str, &str), BTreeSet<bool>> = BTreeMap::new();
    for event in story.events().filter(|event| event.begin > healed) {
        if let Act::Standing { user, key } = &event.act {
            standings.entry((user, key)).or_default().insert(event.result == Outcome::Yes);
        }
    }
    for ((user, key), said) in &standings {
        if said.len() > 1 {
            verdict.blame(Invariant::Agreement, format!("the databases disagree about {key} of {user}"));
        }
    }
    for event in story.events().filter(|event| event.result == Outcome::Yes) {
        let (user, key, stands) = match &event.act {
            Act::Make { user, key, .. } => (user, key, true),
            Act::Revoke { user, key } => (user, key, false),
            _ => continue,
        };
        let is_open = stands && revoked_or_expired(story, user, key);
        let said = standings.get(&(user.as_str(), key.as_str()));
        if !is_open && said.is_none_or(|said| !said.contains(&stands)) {
            verdict.blame(Invariant::NothingLost, format!("the database does not hold it: {event:?}"));
        }
    }
}

/// Whether the password itself may have ended: that its person was disabled does not change its row.
fn revoked_or_expired(story: &Story<'_>, user: &str, key: &str) -> bool {
    story.events().any(|event| match &event.act {
        Act::Revoke { user: of, key: which } => of == user && which == key && event.result != Outcome::No,
        Act::Make { user: of, key: which, expires } => of == user && which == key && expires.is_some(),
        _ => false,
    })
}

/// Every node's answers are those that the database and Keycloak give rise to.
fn answers(story: &Story<'_>, healed: Time, verdict: &mut Verdict) {
    // Whether the last answer of a node fits; a node that was asked before must have one.
    let mut nodes: BTreeMap<&str, (Time, bool)> = BTreeMap::new();
    for (event, user, key) in story.logins() {
        let last = nodes.entry(&event.node).or_insert((healed, false));
        if event.begin <= healed {
            continue;
        }
        let Some(right) = expected(story, user, key, event) else { continue };
        let fits = event.result == if right { Outcome::Yes } else { Outcome::No };
        if !fits {
            verdict.maxima.healing = verdict.maxima.healing.max(event.end - healed);
            if event.begin > healed + story.limits.healing {
                verdict.blame(Invariant::Agreement, format!("long after the mending: {event:?}"));
            }
        }
        if event.begin >= last.0 {
            *last = (event.begin, fits);
        }
    }
    for (node, (_, fits)) in nodes {
        if !fits {
            verdict.blame(
                Invariant::Agreement,
                format!("after the mending {node} has not come to answer rightly"),
            );
        }
    }
}

/// Whether this password opens. `None`: that nobody knows.
fn expected(story: &Story<'_>, user: &str, key: &str, login: &Event) -> Option<bool> {
    let mut made = story.events().filter_map(|event| match &event.act {
        Act::Make { user: of, key: which, .. } if of == user && which == key => Some(event.result),
        _ => None,
    });
    match made.next() {
        None if key != MAIN => return Some(false),
        // Whoever was told nothing does not know the password either.
        Some(result) if result != Outcome::Yes => return None,
        _ => {}
    }
    let end = story.end_of(user, key);
    if end.must < login.begin {
        Some(false)
    } else if end.may > login.end {
        Some(true)
    } else {
        None
    }
}
