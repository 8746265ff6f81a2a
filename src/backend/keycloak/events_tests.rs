//! Reading events: whom they name, and that each counts once.

use super::super::double::{Double, Play, TOKEN};
use super::*;

fn changes(event: &str) -> Changes {
    let mut changes = Changes::default();
    serde_json::from_str::<AdminEvent>(event).unwrap().note(&mut changes);
    changes
}

#[test]
fn an_event_concerns_a_person_or_everybody_or_nobody() {
    let event = |kind: &str, path: &str| {
        format!(
            r#"{{"id":"1","time":5,"operationType":"UPDATE","resourceType":"{kind}","resourcePath":"{path}"}}"#
        )
    };
    for (kind, path) in [
        ("USER", "users/bfacd330"),
        ("REALM", "users/bfacd330"),
        ("GROUP_MEMBERSHIP", "users/bfacd330/groups/7"),
        ("REALM_ROLE_MAPPING", "users/bfacd330/role-mappings/realm"),
    ] {
        let found = changes(&event(kind, path));
        assert_eq!((found.ids, found.everybody), (["bfacd330".to_owned()].into(), false), "{kind} {path}");
    }
    for (kind, path) in [
        ("GROUP", "groups/7"),
        ("REALM_ROLE_MAPPING", "groups/7/role-mappings/realm"),
        ("REALM_ROLE", "roles-by-id/7"),
    ] {
        let found = Changes { roles_or_groups: true, ..Changes::default() };
        assert_eq!(changes(&event(kind, path)), found, "{kind} {path}");
    }
    let found = Changes { everybody: true, ..Changes::default() };
    assert_eq!(changes(&event("USER_PROFILE", "users/profile")), found);
    for (kind, path) in [("CLIENT", "clients/7"), ("REALM", ""), ("COMPONENT", "components/7")] {
        assert!(changes(&event(kind, path)).is_empty(), "{kind} {path}");
    }
    assert!(changes(r#"{"id":"1","time":5}"#).is_empty());
}

#[test]
fn an_event_is_new_once_and_forgotten_when_it_cannot_come_again() {
    let mut stream = Stream::default();
    assert!(stream.take("a", 100_000) && stream.take("b", 99_000));
    assert!(!stream.take("a", 100_000));
    assert_eq!(stream.since(at(200)), 70_000);
    assert!(stream.take("c", 129_500));
    stream.prune(stream.since(at(200)));
    assert_eq!((stream.seen.len(), stream.since(at(200))), (2, 99_500));
    assert!(!stream.take("a", 100_000));
}

#[test]
fn an_event_from_a_time_to_come_hides_no_others() {
    let mut stream = Stream::default();
    assert!(stream.take("early", 3_600_000));
    assert_eq!(stream.since(at(100)), 70_000);
    stream.prune(stream.since(at(100)));
    assert!(!stream.take("early", 3_600_000) && stream.take("now", 100_000));
    // A clock of ours that is behind reads more than it must, and misses nothing.
    assert_eq!(stream.since(at(10)), 0);
}

#[test]
fn what_was_too_much_is_not_read_again() {
    let mut stream = Stream { newest: Some(100_000), floor: 100_000, ..Stream::default() };
    assert_eq!(stream.since(at(200)), 100_000);
    assert!(stream.take("a", 120_000));
    assert_eq!((stream.since(at(200)), stream.since(at(10))), (100_000, 100_000));
    assert!(stream.take("b", 140_000));
    assert_eq!(stream.since(at(200)), 110_000);
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds)
}

/// Events about the people of these numbers, all of one moment.
fn page(numbers: std::ops::Range<usize>, time: i64) -> Play {
    let event = |number| {
        format!(r#"{{"id":"{number}","time":{time},"resourceType":"USER","resourcePath":"users/p{number}"}}"#)
    };
    Play::Answer(200, format!("[{}]", numbers.map(event).collect::<Vec<_>>().join(",")))
}

fn none() -> Play {
    page(0..0, 0)
}

/// Whom a look names.
async fn look(client: &Client, cursor: &mut EventCursor) -> (Result<(), EventError>, Changes) {
    let mut changes = Changes::default();
    let end = client.read_changes(cursor, &mut changes, at(1000)).await;
    (end, changes)
}

fn people(numbers: std::ops::Range<usize>) -> HashSet<String> {
    numbers.map(|number| format!("p{number}")).collect()
}

#[tokio::test]
async fn pages_are_read_to_their_end_and_each_event_counts_once() {
    let script = vec![
        // The newest, two pages of one moment, and of user events none.
        page(100..101, 500_000),
        page(0..100, 500_000),
        page(100..101, 500_000),
        none(),
        none(),
        // The same again, and one more of the same moment, that was committed late.
        page(0..100, 500_000),
        page(100..102, 500_000),
        none(),
    ];
    let double = Double::start(TOKEN, script).await;
    let (client, mut cursor) = (double.client(), EventCursor::default());
    let (end, changes) = look(&client, &mut cursor).await;
    assert_eq!((end, changes.ids, changes.everybody), (Ok(()), people(0..101), false));
    let (end, changes) = look(&client, &mut cursor).await;
    assert_eq!((end, changes.ids), (Ok(()), people(101..102)));
    let searches = double.searches();
    assert!(searches[1].contains("dateFrom=470000&direction=asc&first=0&max=100"), "{}", searches[1]);
    assert!(searches[2].contains("&first=100&max=100"), "{}", searches[2]);
    assert_eq!(searches.len(), 8);
}

#[tokio::test]
async fn a_look_that_ends_early_loses_nothing() {
    let script = vec![
        page(0..1, 400_000),
        page(0..100, 400_000),
        Play::Answer(500, String::new()),
        page(0..100, 400_000),
        page(100..101, 500_000),
        none(),
    ];
    let double = Double::start(TOKEN, script).await;
    let (client, mut cursor) = (double.client(), EventCursor::default());
    let (end, changes) = look(&client, &mut cursor).await;
    assert!(end.is_err() && changes.ids == people(0..100));
    let (end, changes) = look(&client, &mut cursor).await;
    assert_eq!((end, changes.ids), (Ok(()), people(100..101)));
}

#[tokio::test]
async fn a_flood_concerns_everybody_once() {
    let mut script = vec![page(0..1, 400_000)];
    script.extend((0..MAX_PAGES).map(|number| page(number * PAGE..(number + 1) * PAGE, 400_000)));
    script.extend([page(0..1, 410_000), none(), none(), page(2000..2001, 410_000), none()]);
    let double = Double::start(TOKEN, script).await;
    let (client, mut cursor) = (double.client(), EventCursor::default());
    let (end, changes) = look(&client, &mut cursor).await;
    assert_eq!((end, changes.everybody), (Ok(()), true));
    let (end, changes) = look(&client, &mut cursor).await;
    assert_eq!((end, changes.everybody, changes.ids), (Ok(()), false, people(2000..2001)));
    assert!(double.searches()[MAX_PAGES + 4].contains("dateFrom=410000&"), "{:?}", double.searches());
}

#[tokio::test]
async fn events_of_another_server_are_all_new() {
    let script = vec![
        page(7..8, 900_000),
        page(7..8, 900_000),
        none(),
        none(),
        none(),
        none(),
        page(0..1, 100_000),
        none(),
    ];
    let double = Double::start(TOKEN, script).await;
    let (client, mut cursor) = (double.client(), EventCursor::default());
    assert_eq!(look(&client, &mut cursor).await.1.ids, people(7..8));
    // They are gone; what comes then bears an older time.
    assert!(look(&client, &mut cursor).await.1.is_empty());
    assert_eq!(look(&client, &mut cursor).await.1.ids, people(0..1));
}

#[tokio::test]
async fn a_missing_right_is_told_apart() {
    let double = Double::start(TOKEN, vec![Play::Answer(403, String::new())]).await;
    assert_eq!(double.client().check_events().await, Err(EventError::NoRight));
    let settings = r#"{"eventsEnabled": false, "adminEventsEnabled": true}"#;
    let double = Double::start(TOKEN, vec![Play::Answer(200, settings.to_owned()), none()]).await;
    let end = double.client().check_events().await.unwrap_err();
    assert!(end == EventError::SwitchedOff("user events") && !end.leaves_nothing());
}

#[tokio::test]
async fn a_keycloak_that_knows_days_only_is_named() {
    let settings = r#"{"eventsEnabled": true, "adminEventsEnabled": true}"#;
    let refusal = r#"{"error":"Invalid value for 'Date(From)', expected format is yyyy-MM-dd"}"#;
    let script = vec![Play::Answer(200, settings.to_owned()), Play::Answer(400, refusal.to_owned())];
    let double = Double::start(TOKEN, script).await;
    let end = double.client().check_events().await.unwrap_err();
    assert!(end == EventError::TooOld && end.leaves_nothing());
    assert!(end.to_string().contains("26.2"), "{end}");
}
