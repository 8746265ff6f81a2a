//! Histories with a planted fault in each promise, and one that keeps them all.

use std::collections::BTreeMap;

use keydove_stage::{Failure, Result};

use crate::history::{Act, Event, Outcome, Time, from_lines, to_lines};
use crate::schedule::{FRONT, Fault, Part};

use super::{ALL, Invariant, Limits, judge};

const ANN: &str = "ann@example.org";
const LIMITS: Limits = Limits {
    revocation: 2_000,
    disabled: 2_000,
    revocation_cut_off: 20_000,
    new_password: 2_000,
    sign_out: 2_000,
    healing: 60_000,
    recovery: 5_000,
    guesses: 3,
    guesses_heard: 1_000,
};
/// When the histories are mended.
const HEALED: Time = 50_000;

/// A case of the checker.
pub type Case = (&'static str, fn() -> Result<()>);

/// Every case.
pub const CASES: &[Case] = &[
    ("a_history_that_keeps_every_promise_passes", || expect(&good(), None)),
    ("a_history_is_read_again_as_it_was_written", || {
        let failed = |error: serde_json::Error| Failure(error.to_string());
        let text = to_lines(&good()).map_err(failed)?;
        let again = from_lines(&text).map_err(failed)?;
        if again == good() { Ok(()) } else { Err(Failure(text)) }
    }),
    ("a_right_password_that_is_refused_is_found", || {
        planted(login("n2", 9_000, "main", Outcome::No), Invariant::RightPassword)
    }),
    ("a_right_password_that_is_refused_is_dovecots_fault_only_while_keydove_is_killed", || {
        let what = Fault::Kill(Part::Keydove, 1).to_string();
        let killed = Event { end: 9_500, ..at("n2", 8_990, Act::Fault { what }, Outcome::Yes) };
        for (begin, node, found) in [
            (9_000, "n2", None),
            (9_600, "n2", Some(Invariant::RightPassword)),
            (9_000, "n3", Some(Invariant::RightPassword)),
            (9_000, FRONT, None),
            (9_600, FRONT, Some(Invariant::RightPassword)),
        ] {
            let mut history = good();
            history.push(killed.clone());
            history.push(login(node, begin, "main", Outcome::No));
            expect(&history, found)?;
        }
        Ok(())
    }),
    ("an_app_password_that_opened_a_node_and_is_refused_there_is_found", || {
        planted(login("n2", 7_000, "phone", Outcome::No), Invariant::RightPassword)
    }),
    ("a_revoked_password_that_opens_is_found", || {
        planted(login("n3", 25_000, "phone", Outcome::Yes), Invariant::Revoked)
    }),
    ("a_disabled_person_who_gets_in_is_found", || {
        let mut history = good();
        history.push(at("n1", 30_000, Act::Disable { user: ANN.into() }, Outcome::Yes));
        history.push(login("n2", 33_000, "main", Outcome::Yes));
        history.retain(|event| event.begin < HEALED);
        expect(&history, Some(Invariant::Revoked))
    }),
    ("an_expired_password_that_opens_is_found", || {
        let mut history = good();
        history.push(make("n1", 3_000, "short", Some(10_000)));
        history.push(login("n1", 9_000, "short", Outcome::Yes));
        history.push(login("n1", 12_500, "short", Outcome::Yes));
        history.push(standing("n1", "short", Outcome::No));
        expect(&history, Some(Invariant::Revoked))
    }),
    ("a_node_that_was_cut_off_may_know_it_later_and_not_for_ever", || {
        let mut history = good();
        history.push(login("n1", 25_000, "phone", Outcome::Yes));
        expect(&history, None)?;
        history.push(login("n1", 44_000, "phone", Outcome::Yes));
        expect(&history, Some(Invariant::Revoked))
    }),
    ("what_is_wrong_through_the_proxies_is_found", || {
        planted(login(FRONT, 9_000, "main", Outcome::No), Invariant::RightPassword)?;
        planted(login(FRONT, HEALED + 70_000, "main", Outcome::CannotTell), Invariant::Agreement)?;
        planted(login(FRONT, 41_000, "phone", Outcome::Yes), Invariant::Revoked)
    }),
    ("the_proxies_may_know_later_what_a_node_that_is_cut_off_does_not_know", || {
        let mut history = good();
        history.push(login(FRONT, 25_000, "phone", Outcome::Yes));
        expect(&history, None)
    }),
    ("a_second_mailbox_is_found", || planted(rows("n2", 2), Invariant::OneMailbox)),
    ("two_holders_of_one_lease_are_found", || planted(lease("keydove-b", 7, 11_000), Invariant::OneHolder)),
    ("a_write_with_an_older_number_is_found", || {
        let act = Act::Write { work: "sync".into(), fence: 7 };
        planted(at("n1", 16_000, act, Outcome::Yes), Invariant::OneHolder)
    }),
    ("two_nodes_that_do_the_same_at_one_time_are_found", || {
        planted(turn("n2", 29_970), Invariant::OneHolder)
    }),
    ("a_second_budget_at_another_node_is_found", || planted(guess("n3", 14_000), Invariant::OneBudget)),
    ("a_session_that_outlives_its_end_is_found", || {
        planted(session("n1", 16_000, "s-1", Outcome::Yes), Invariant::Everywhere)
    }),
    ("a_new_app_password_that_does_not_open_is_found", || {
        planted(login("n3", 8_000, "phone", Outcome::No), Invariant::Everywhere)
    }),
    ("nodes_that_disagree_long_after_the_mending_are_found", || {
        planted(login("n2", HEALED + 70_000, "main", Outcome::CannotTell), Invariant::Agreement)
    }),
    ("databases_that_disagree_are_found", || {
        let mut history = good();
        history.push(standing("n3", "tablet", Outcome::No));
        expect(&history, Some(Invariant::Agreement))
    }),
    ("a_node_that_never_comes_back_is_found", || {
        let mut history = good();
        history.retain(|event| event.node != "n3" || event.begin < HEALED);
        expect(&history, Some(Invariant::Agreement))
    }),
    ("an_app_password_that_was_acknowledged_and_is_lost_is_found", || {
        planted(make("n1", 5_000, "lost", None), Invariant::NothingLost)
    }),
    ("a_revocation_that_was_acknowledged_and_is_lost_is_found", || {
        let revoke = Act::Revoke { user: ANN.into(), key: "tablet".into() };
        let mut history = good();
        history.push(at("n1", 45_000, revoke, Outcome::Yes));
        expect(&history, Some(Invariant::NothingLost))
    }),
    ("a_mailbox_that_was_opened_and_is_lost_is_found", || planted(rows("n1", 0), Invariant::NothingLost)),
    ("a_session_that_nobody_ended_and_is_gone_is_found", || {
        planted(session("n2", HEALED + 1_000, "s-2", Outcome::No), Invariant::NothingLost)
    }),
];

/// Everything as it is to be, with a node that is cut off for a while.
fn good() -> Vec<Event> {
    let revoke = Act::Revoke { user: ANN.into(), key: "phone".into() };
    let mut history = vec![
        login("n1", 1_000, "main", Outcome::Yes),
        login("n2", 1_000, "main", Outcome::Yes),
        login("n3", 1_000, "main", Outcome::CannotTell),
        login("n3", 1_500, "nonsense", Outcome::No),
        make("n1", 2_000, "phone", None),
        make("n1", 2_500, "tablet", None),
        login("n2", 2_200, "phone", Outcome::No),
        login("n2", 4_000, "phone", Outcome::Yes),
        lease("keydove-a", 7, 10_000),
        lease("keydove-a", 7, 12_000),
        lease("keydove-b", 8, 15_000),
        turn("n1", 29_950),
        turn("n3", 30_100),
        guess("n1", 12_000),
        guess("n2", 12_000),
        guess("n3", 12_100),
        guess("n1", 12_600),
        at("n1", 10_000, Act::SignIn { user: ANN.into(), session: "s-1".into() }, Outcome::Yes),
        at("n1", 10_500, Act::SignIn { user: ANN.into(), session: "s-2".into() }, Outcome::Yes),
        session("n2", 13_000, "s-1", Outcome::Yes),
        at("n2", 13_200, Act::SignOut { session: "s-1".into() }, Outcome::Yes),
        session("n3", 14_000, "s-1", Outcome::Yes),
        session("n3", 15_000, "s-1", Outcome::No),
        at("n3", 20_000, revoke, Outcome::Yes),
        login("n2", 21_000, "phone", Outcome::Yes),
        login("n2", 23_000, "phone", Outcome::No),
        at(ALL, HEALED, Act::Healed, Outcome::Yes),
    ];
    let fault = Act::Fault { what: "unplugged".into() };
    history.push(Event { end: 30_000, ..at("n1", 18_000, fault, Outcome::Yes) });
    for node in ["n1", "n2", "n3", FRONT] {
        history.push(login(node, HEALED + 500, "main", Outcome::CannotTell));
        history.push(login(node, HEALED + 9_000, "main", Outcome::Yes));
        history.push(login(node, HEALED + 9_500, "phone", Outcome::No));
        history.push(standing(node, "tablet", Outcome::Yes));
        history.push(standing(node, "phone", Outcome::No));
        history.push(rows(node, 1));
    }
    history
}

/// The good history and this are found to break this promise.
fn planted(event: Event, of: Invariant) -> Result<()> {
    let mut history = good();
    history.push(event);
    expect(&history, Some(of))
}

fn expect(history: &[Event], wanted: Option<Invariant>) -> Result<()> {
    let found: Vec<_> = judge(history, &LIMITS).violations;
    let fits = match wanted {
        None => found.is_empty(),
        Some(wanted) => !found.is_empty() && found.iter().all(|violation| violation.of == wanted),
    };
    if fits { Ok(()) } else { Err(Failure(format!("expected {wanted:?}, found {found:#?}"))) }
}

fn at(node: &str, begin: Time, act: Act, result: Outcome) -> Event {
    Event { begin, end: begin + 100, node: node.to_owned(), act, result }
}

fn login(node: &str, begin: Time, key: &str, result: Outcome) -> Event {
    at(node, begin, Act::Login { user: ANN.into(), key: key.into() }, result)
}

fn make(node: &str, begin: Time, key: &str, expires: Option<Time>) -> Event {
    at(node, begin, Act::Make { user: ANN.into(), key: key.into(), expires }, Outcome::Yes)
}

fn session(node: &str, begin: Time, session: &str, result: Outcome) -> Event {
    at(node, begin, Act::Session { session: session.into() }, result)
}

fn guess(node: &str, begin: Time) -> Event {
    at(node, begin, Act::Guess { user: ANN.into(), from: "198.51.100.66".into() }, Outcome::No)
}

fn lease(holder: &str, fence: u64, begin: Time) -> Event {
    let act = Act::Lease { work: "sync".into(), holder: holder.into(), fence };
    at("n1", begin, act, Outcome::Yes)
}

fn turn(node: &str, begin: Time) -> Event {
    at(node, begin, Act::Turn { work: "sync".into() }, Outcome::Yes)
}

fn standing(node: &str, key: &str, result: Outcome) -> Event {
    at(node, HEALED + 10_000, Act::Standing { user: ANN.into(), key: key.into() }, result)
}

fn rows(node: &str, number: u64) -> Event {
    let rows = BTreeMap::from([("mailbox".to_owned(), number), ("alias".to_owned(), 1)]);
    at(node, HEALED + 11_000, Act::Rows { user: ANN.into(), rows }, Outcome::Yes)
}
