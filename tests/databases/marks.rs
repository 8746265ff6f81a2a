//! What stays the same about a person when Keycloak gives them a new id.

use keydove::backend::sql::{Database, Mark, MarkedOwner};

use super::provisioning::{Other, user};

/// The tables may hold other rows.
pub async fn marks_battery<O: Other>(database: &Database, other: &O) {
    let ann = user("ann@marks.example");
    let mark = |value| Mark::new("LDAP_ID", value).unwrap();
    // Nobody has the mailbox, so nothing is noted.
    database.note_mark(&ann, "id-1", &mark("a")).await.unwrap();
    assert_eq!(database.marked_owner(&ann).await.unwrap(), None);
    database.remember_person(&ann, "id-1", "kc").await.unwrap();
    let owner = |id: &str, mark| MarkedOwner { keycloak_id: id.to_owned(), source: "kc".to_owned(), mark };
    assert_eq!(database.marked_owner(&ann).await.unwrap(), Some(owner("id-1", None)));
    // A stranger's mark does not count, and letter case does.
    database.note_mark(&ann, "id-2", &mark("stranger")).await.unwrap();
    database.note_mark(&ann, "id-1", &mark("a")).await.unwrap();
    database.note_mark(&ann, "id-2", &mark("stranger")).await.unwrap();
    assert_eq!(database.marked_owner(&ann).await.unwrap(), Some(owner("id-1", Some(mark("a")))));
    database.note_mark(&ann, "id-1", &mark("A")).await.unwrap();
    let before = database.marked_owner(&ann).await.unwrap().unwrap();
    assert_eq!(before, owner("id-1", Some(mark("A"))));
    // Only who is still the owner, by the same mark, is readmitted.
    for other in [owner("id-9", Some(mark("A"))), owner("id-1", Some(mark("a"))), owner("id-1", None)] {
        assert!(!database.readmit(&ann, &other, "id-2", "kc").await.unwrap(), "{other:?}");
    }
    other.run("UPDATE keydove_person SET missed_runs = 2 WHERE mailbox = 'ann@marks.example'").await;
    assert!(database.readmit(&ann, &before, "id-2", "new").await.unwrap());
    assert!(!database.readmit(&ann, &before, "id-3", "new").await.unwrap());
    let now = database.marked_owner(&ann).await.unwrap().unwrap();
    let expected =
        MarkedOwner { keycloak_id: "id-2".to_owned(), source: "new".to_owned(), mark: Some(mark("A")) };
    assert_eq!(now, expected);
    assert_eq!(super::provisioning::count(other, "keydove_person", "missed_runs = 2").await, 0);
}
