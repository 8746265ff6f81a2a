//! What the sync asks the database: its lease, a page of people, and the mailboxes of leavers.

use keydove::backend::sql::{Database, LeaseEnd, LeaseWish, StoredIn, SwitchOff};

use super::provisioning::{Other, count, user};

const MAILBOX: &str =
    "INSERT INTO mailbox (username, password, name, local_part, domain, attributes, authsource, active)";

fn wish(holder: &str, gap: i64) -> LeaseWish {
    LeaseWish { name: "sync", holder: holder.to_owned(), seconds: 60, gap }
}

/// All of it, in the order in which the tables fill.
pub async fn sync_battery<O: Other>(database: &Database, other: &O) {
    one_at_a_time(database, other).await;
    a_page_of_people(database, other).await;
    leavers_are_switched_off_and_on(database, other).await;
    stored_passwords_are_listed_page_by_page(database, other).await;
}

async fn one_at_a_time<O: Other>(database: &Database, other: &O) {
    let take = async |holder, gap| database.take_lease(&wish(holder, gap)).await.unwrap();
    let LeaseEnd::Taken { now, .. } = take("one", 0).await else { unreachable!("nobody has it") };
    assert!(now > 1_700_000_000, "{now}");
    // Its own holder may take it again; another one may not, and cannot give it back either.
    assert!(matches!(take("one", 0).await, LeaseEnd::Taken { .. }));
    assert!(matches!(take("two", 0).await, LeaseEnd::Held { by, seconds: 1..=60 } if by == "one"));
    assert!(!database.keep_lease(&wish("two", 0)).await.unwrap());
    database.end_lease(&wish("two", 0), true).await.unwrap();
    assert!(database.keep_lease(&wish("one", 0)).await.unwrap());
    // Whoever dies with it loses it when its time is over.
    other.run("UPDATE keydove_lease SET expires = expires - 61 WHERE name = 'sync'").await;
    assert!(matches!(take("two", 0).await, LeaseEnd::Taken { .. }));
    assert!(!database.keep_lease(&wish("one", 0)).await.unwrap());
    // A run that was not complete is due at once; a complete one is not.
    database.end_lease(&wish("two", 0), false).await.unwrap();
    assert!(matches!(take("one", 600).await, LeaseEnd::Taken { .. }));
    database.end_lease(&wish("one", 0), true).await.unwrap();
    assert!(matches!(take("two", 600).await, LeaseEnd::NotDue { seconds: 1..=600 }));
    assert!(matches!(take("two", 0).await, LeaseEnd::Taken { .. }));
    database.end_lease(&wish("two", 0), true).await.unwrap();
}

async fn a_page_of_people<O: Other>(database: &Database, other: &O) {
    other
        .run(&format!(
            "INSERT INTO domain (domain, active) VALUES ('page.example', 1), ('off.example', 0);
             {MAILBOX} VALUES ('Ann@page.example', '', 'Ann', 'ann', 'page.example', '{{}}', 'keycloak', 1),
             ('room@page.example', '', NULL, 'room', 'page.example', '{{}}', NULL, 1);
             UPDATE mailbox SET kind = 'location' WHERE username = 'room@page.example';"
        ))
        .await;
    let ann = user("ann@page.example");
    database.remember_person(&ann, "id-1", "").await.unwrap();
    database.follow_name("Ann@page.example", "Ann O'Dessa", true).await.unwrap();
    let page = vec![user("x@off.example"), ann, user("room@page.example"), user("nobody@elsewhere.example")];
    let found = database.standings(page).await.unwrap();
    assert_eq!(
        found.iter().map(|one| one.domain).collect::<Vec<_>>(),
        [Some(false), Some(true), Some(true), None]
    );
    let mailbox = found[1].mailbox.as_ref().unwrap();
    assert_eq!((mailbox.name.as_str(), mailbox.is_keycloaks), ("Ann O'Dessa", true));
    assert_eq!(found[1].person.as_ref().unwrap().keycloak_id, "id-1");
    assert_eq!(found[1].source_name.as_deref(), Some("Ann O'Dessa"));
    let room = found[2].mailbox.as_ref().unwrap();
    assert!(room.is_resource && !room.is_keycloaks && found[3].mailbox.is_none());
    assert_eq!(database.mailbox_of_id("id-1").await.unwrap().as_deref(), Some("ann@page.example"));
    assert_eq!(database.mailbox_of_id("id-2").await.unwrap(), None);
    assert!(database.standings(Vec::new()).await.unwrap().is_empty());
}

async fn leavers_are_switched_off_and_on<O: Other>(database: &Database, other: &O) {
    // As keydove writes it, whatever the spelling in `mailbox` is.
    let name = "ann@page.example";
    other.run("INSERT INTO alias (address, goto, domain) VALUES ('ann@page.example', 'ann@page.example', 'page.example')").await;
    let people = async || database.remembered_people("", "", 10).await.unwrap();
    let missed = async || people().await.iter().find(|one| one.mailbox == name).map(|one| one.missed_runs);
    for runs in 1..=2 {
        database.note_missing(vec![name.to_owned()], Vec::new()).await.unwrap();
        assert_eq!(missed().await, Some(runs));
    }
    database.note_missing(Vec::new(), vec![name.to_owned()]).await.unwrap();
    assert_eq!(missed().await, Some(0));
    let active = async || {
        let statement = "SELECT m.active, a.active FROM mailbox m, alias a \
                         WHERE m.username = 'Ann@page.example' AND a.address = 'ann@page.example'";
        let cells = other.ask(statement).await.remove(0).into_iter();
        cells.map(Option::unwrap_or_default).collect::<Vec<_>>()
    };
    for (to, number) in [(SwitchOff::ReceiveOnly, "2"), (SwitchOff::Disabled, "0")] {
        assert!(database.switch_off(name, to).await.unwrap());
        assert_eq!(active().await, [number, number]);
        // Only once, and back again by nobody but who did it.
        assert!(!database.switch_off(name, to).await.unwrap());
        assert!(database.switch_on_again(name).await.unwrap());
        assert_eq!(active().await, ["1", "1"]);
        assert!(!database.switch_on_again(name).await.unwrap());
    }
    assert!(database.switch_off(name, SwitchOff::ReceiveOnly).await.unwrap());
    other.run("UPDATE mailbox SET active = 0 WHERE username = 'Ann@page.example'").await;
    assert!(!database.switch_on_again(name).await.unwrap());
    assert_eq!(count(other, "mailbox", "active = 0 AND username = 'Ann@page.example'").await, 1);
    assert!(!database.switch_off("nobody@page.example", SwitchOff::Disabled).await.unwrap());
}

async fn stored_passwords_are_listed_page_by_page<O: Other>(database: &Database, other: &O) {
    other
        .run(&format!(
            "{MAILBOX} VALUES ('s1@page.example', '{{PLAIN}}1', '', 's1', 'page.example', '{{}}', 'mailcow', 1),
             ('S2@page.example', '', '', 's2', 'page.example', '{{}}', 'mailcow', 1),
             ('s3@page.example', '{{PLAIN}}3', '', 's3', 'page.example', '{{}}', 'mailcow', 0),
             ('s4@page.example', '{{PLAIN}}4', '', 's4', 'page.example', '{{}}', 'keycloak', 1);
             INSERT INTO app_passwd (name, mailbox, domain, password, active)
             VALUES ('on', 's4@page.example', 'page.example', '{{PLAIN}}a', 1),
             ('off', 's4@page.example', 'page.example', '{{PLAIN}}b', 0);"
        ))
        .await;
    let list = async |place, limit| {
        let (mut after, mut all) = (String::new(), Vec::new());
        loop {
            let page = database.stored_hashes(place, &after, limit).await.unwrap();
            let Some(last) = page.last() else { return all };
            assert!(page.len() <= limit);
            after.clone_from(&last.key);
            let rows =
                page.into_iter().map(|row| (row.mailbox, row.password.map(|hash| hash.matches(b"{PLAIN}1"))));
            all.extend(rows.filter(|(mailbox, _)| mailbox.ends_with("@page.example")));
        }
    };
    let expected = [("S2@page.example".to_owned(), None), ("s1@page.example".to_owned(), Some(true))];
    for limit in [1, 100] {
        assert_eq!(list(StoredIn::Mailbox, limit).await, expected);
        assert_eq!(list(StoredIn::AppPassword, limit).await, [("s4@page.example".to_owned(), Some(false))]);
    }
}
