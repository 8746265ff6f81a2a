//! Judges a history. Pure: events in, violations and measured maxima out.

mod agreement;
#[path = "checker/cases.rs"]
pub mod cases;
mod guesses;
mod leases;
mod passwords;
mod sessions;

use std::fmt;

use crate::history::{Act, Event, Outcome, Time};
use crate::schedule::{FRONT, Fault, NODES, Part};
pub use passwords::MAIN;

/// How much is allowed, in milliseconds unless it says otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long what was revoked may open, on a node that nothing was wrong with since.
    pub revocation: Time,
    /// How long somebody may log in whom Keycloak has disabled, on such a node.
    pub disabled: Time,
    /// Both on a node that was cut off meanwhile.
    pub revocation_cut_off: Time,
    /// How long a new app password may be refused.
    pub new_password: Time,
    /// How long an ended session may be there.
    pub sign_out: Time,
    /// How long nodes may disagree after everything was mended.
    pub healing: Time,
    /// How long a node that is whole again may still go by what it knew.
    pub recovery: Time,
    /// How many guesses of one account are judged, on all nodes together.
    pub guesses: u64,
    /// How much later than that each node has heard of it.
    pub guesses_heard: Time,
}

/// The eight promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// 1: a right password is accepted, or nobody can tell.
    RightPassword,
    /// 2: what was revoked, expired or disabled opens nothing.
    Revoked,
    /// 3: first logins at all nodes at once make one mailbox.
    OneMailbox,
    /// 4: a lease has one holder, and an older one writes nothing.
    OneHolder,
    /// 5: guesses spread over nodes get one budget.
    OneBudget,
    /// 6: signed out is out everywhere, and a new app password opens everywhere.
    Everywhere,
    /// 7: after everything was mended all nodes agree.
    Agreement,
    /// 8: nothing that was acknowledged is lost.
    NothingLost,
}

/// What must not be.
#[derive(Clone, Debug)]
pub struct Violation {
    /// What was promised.
    pub of: Invariant,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. {:?}: {}", self.of as u8 + 1, self.of, self.what)
    }
}

/// The longest that was seen, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Maxima {
    /// From a revocation to the last login that it opened, on nodes that nothing was wrong with.
    pub revocation: Time,
    /// From somebody's end in Keycloak to their last login, on such nodes.
    pub disabled: Time,
    /// Both on nodes that were cut off.
    pub revocation_cut_off: Time,
    /// From a new app password to the last refusal of it.
    pub new_password: Time,
    /// From a sign-out to the last use of the session.
    pub sign_out: Time,
    /// From the mending to the last answer that no other node would have given.
    pub healing: Time,
}

impl fmt::Display for Maxima {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { revocation, disabled, revocation_cut_off, new_password, sign_out, healing } = self;
        write!(
            f,
            "revocation {revocation} ms, disabled in Keycloak {disabled} ms (both on a node that was cut off: \
             {revocation_cut_off} ms), new app password {new_password} ms, sign-out {sign_out} ms, healing {healing} ms"
        )
    }
}

/// What came out.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Empty, if all is well.
    pub violations: Vec<Violation>,
    /// The longest that was seen.
    pub maxima: Maxima,
}

impl Verdict {
    fn blame(&mut self, of: Invariant, what: String) {
        self.violations.push(Violation { of, what });
    }
}

/// Judges a whole history.
#[must_use]
pub fn judge(history: &[Event], limits: &Limits) -> Verdict {
    let mut verdict = Verdict::default();
    let others = history.iter().filter(|event| !matches!(event.act, Act::Login { .. })).collect();
    let story = Story { history, others, limits };
    passwords::judge(&story, &mut verdict);
    leases::judge(&story, &mut verdict);
    guesses::judge(&story, &mut verdict);
    sessions::judge(&story, &mut verdict);
    agreement::judge(&story, &mut verdict);
    verdict
}

/// A history, and what is allowed.
struct Story<'a> {
    history: &'a [Event],
    /// All but logins, which are most.
    others: Vec<&'a Event>,
    limits: &'a Limits,
}

impl<'a> Story<'a> {
    fn logins(&self) -> impl Iterator<Item = (&'a Event, &'a str, &'a str)> + use<'a> {
        self.history.iter().filter_map(|event| match &event.act {
            Act::Login { user, key } => Some((event, user.as_str(), key.as_str())),
            _ => None,
        })
    }

    /// Everything but logins.
    fn events(&self) -> impl Iterator<Item = &'a Event> + '_ {
        self.others.iter().copied()
    }

    /// Whether something was wrong with this node at a moment between these, or not long before. What is seen through the
    /// proxies may be any node's trouble.
    fn was_cut_off(&self, node: &str, from: Time, to: Time) -> bool {
        self.events().any(|event| {
            matches!(event.act, Act::Fault { .. })
                && (event.node == node || event.node == ALL || node == FRONT)
                && event.begin <= to
                && event.end + self.limits.recovery >= from
        })
    }

    /// Whether this node's keydove was killed while somebody logged in. Dovecot's login process then tells a client that waits
    /// that its password is wrong, without an answer of keydove's. The proxies pass that on.
    fn was_killed_during(&self, event: &Event) -> bool {
        let killed: Vec<_> = NODES
            .iter()
            .enumerate()
            .filter(|(_, name)| **name == event.node || event.node == FRONT)
            .map(|(place, _)| Fault::Kill(Part::Keydove, place).to_string())
            .collect();
        self.events().any(|fault| {
            matches!(&fault.act, Act::Fault { what } if killed.contains(what))
                && event.end >= fault.begin
                && event.begin <= fault.begin + KILLING
        })
    }

    /// When all was mended.
    fn healed(&self) -> Option<Time> {
        self.events().find(|event| event.act == Act::Healed).map(|event| event.end)
    }

    /// The first moment from which on a password may be refused, and the one from which on it must be.
    fn end_of(&self, user: &str, key: &str) -> End {
        let mut end = End::default();
        for event in self.events() {
            match &event.act {
                Act::Disable { user: of } if of == user => {
                    end.take(event);
                    end.by_keycloak |= end.must == event.end;
                }
                Act::Revoke { user: of, key: which } if of == user && which == key => end.take(event),
                Act::Make { user: of, key: which, expires: Some(expires) } if of == user && which == key => {
                    end.may = end.may.min(*expires);
                    end.must = end.must.min(*expires);
                }
                _ => {}
            }
        }
        end
    }
}

/// In milliseconds: a process that is killed is gone so soon.
const KILLING: Time = 500;

/// On which node a fault of what all share is said to be.
pub const ALL: &str = "all";

/// The end of a password, which lies between two moments.
#[derive(Clone, Copy)]
struct End {
    may: Time,
    must: Time,
    /// Whether Keycloak knows it, and not the database.
    by_keycloak: bool,
}

impl Default for End {
    fn default() -> Self {
        Self { may: Time::MAX, must: Time::MAX, by_keycloak: false }
    }
}

impl End {
    fn take(&mut self, event: &Event) {
        if event.result != Outcome::No {
            self.may = self.may.min(event.begin);
        }
        if event.result == Outcome::Yes {
            self.by_keycloak &= self.must <= event.end;
            self.must = self.must.min(event.end);
        }
    }
}
