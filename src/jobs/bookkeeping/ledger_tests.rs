use super::*;

const INTERVAL: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

#[expect(clippy::disallowed_methods, reason = "a test needs some moment to count from")]
fn start() -> Instant {
    Instant::now()
}

fn login(user: &str, service: &str, app_password: Option<i64>) -> AcceptedLogin {
    let user = Username::parse(format!("{user}@example.org").as_bytes()).unwrap();
    AcceptedLogin { user, service: service.into(), remote: "192.0.2.7".parse().ok(), app_password }
}

fn ledger() -> Ledger {
    Ledger::new(INTERVAL, 100)
}

#[test]
fn ten_thousand_logins_are_one_row_per_service() {
    let (mut ledger, start) = (ledger(), start());
    let mut rows = Vec::new();
    for number in 0..10_000_u32 {
        let now = start + number * Duration::from_millis(5);
        for service in ["imap", "IMAP", "smtp"] {
            assert!(ledger.note(login("alice", service, None), now));
        }
        rows.extend(ledger.take_due(100, now));
    }
    let services: Vec<&str> = rows.iter().map(|row| &*row.service).collect();
    assert_eq!(services, ["IMAP", "smtp"], "in fifty seconds");
}

#[test]
fn the_latest_is_written_when_the_interval_is_over() {
    let (mut ledger, start) = (ledger(), start());
    ledger.note(login("alice", "imap", None), start);
    assert_eq!(ledger.take_due(100, start).len(), 1);
    ledger.note(login("alice", "imap", None), start + SECOND);
    assert_eq!(ledger.next_due(), Some(start + INTERVAL));
    assert!(ledger.take_due(100, start + INTERVAL - SECOND).is_empty());
    assert_eq!(ledger.take_due(100, start + INTERVAL).len(), 1);
    assert_eq!(ledger.next_due(), None);
}

#[test]
fn another_password_is_written_at_once() {
    let (mut ledger, start) = (ledger(), start());
    ledger.note(login("alice", "imap", Some(7)), start);
    assert_eq!(ledger.take_due(100, start)[0].app_password, 7);
    ledger.note(login("alice", "imap", None), start + SECOND);
    assert_eq!(ledger.take_due(100, start + SECOND)[0].app_password, 0);
}

#[test]
fn rows_that_were_not_written_come_back_with_what_is_newer() {
    let (mut ledger, start) = (ledger(), start());
    ledger.note(login("alice", "imap", Some(7)), start);
    ledger.note(login("bob", "imap", None), start);
    let rows = ledger.take_due(100, start);
    ledger.note(login("alice", "imap", None), start);
    ledger.put_back(rows, start + SECOND);
    let again = ledger.take_due(100, start + SECOND);
    let passwords: Vec<i64> = again.iter().map(|row| row.app_password).collect();
    assert_eq!(passwords, [0, 0]);
    assert!(ledger.take_due(100, start + INTERVAL * 3).is_empty());
}

#[test]
fn a_batch_is_limited_and_the_rest_stays_due() {
    let (mut ledger, start) = (ledger(), start());
    for number in 0..10 {
        ledger.note(login(&format!("user{number}"), "imap", None), start);
    }
    assert_eq!(ledger.take_due(7, start).len(), 7);
    assert_eq!(ledger.next_due(), Some(start));
    assert_eq!(ledger.take_due(7, start).len(), 3);
}

#[test]
fn a_full_ledger_takes_no_more_until_something_is_old() {
    let (mut ledger, start) = (ledger(), start());
    for number in 0..100 {
        assert!(ledger.note(login(&format!("user{number}"), "imap", None), start));
    }
    assert!(!ledger.note(login("late", "imap", None), start));
    assert!(ledger.note(login("user5", "imap", Some(1)), start), "known already");
    assert_eq!(ledger.take_due(100, start).len(), 100);
    assert!(!ledger.note(login("late", "imap", None), start + SECOND), "their intervals last");
    assert!(ledger.note(login("late", "imap", None), start + INTERVAL));
    assert_eq!(ledger.entries.len(), 1);
}

#[test]
fn at_the_end_nothing_waits_for_its_interval() {
    let (mut ledger, start) = (ledger(), start());
    ledger.note(login("alice", "imap", None), start);
    ledger.take_due(100, start);
    ledger.note(login("alice", "imap", None), start + SECOND);
    ledger.make_all_due(start + SECOND);
    assert_eq!(ledger.take_due(100, start + SECOND).len(), 1);
    ledger.note(login("alice", "imap", None), start + SECOND);
    assert_eq!((ledger.clear(), ledger.next_due()), (1, None));
}

#[test]
fn both_forms_of_an_address_are_one() {
    let (mut ledger, start) = (ledger(), start());
    ledger.note(login("alice", "imap", None), start);
    let mapped = AcceptedLogin { remote: "::ffff:192.0.2.7".parse().ok(), ..login("alice", "imap", None) };
    ledger.note(mapped, start);
    ledger.note(AcceptedLogin { remote: None, ..login("alice", "imap", None) }, start);
    let rows = ledger.take_due(100, start);
    assert_eq!(rows.iter().map(|row| row.remote.to_string()).collect::<Vec<_>>(), ["192.0.2.7"]);
}
