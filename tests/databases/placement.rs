//! Which backend a mailbox lives on: one decision, whoever asks at once, and what moves and stays.

use std::sync::Arc;

use futures_util::future::join_all;
use keydove::backend::sql::{Candidate, Candidates, Database, MoveFrom, Placed};
use keydove::jobs::housekeeping::{Config, Housekeeping};

use super::provisioning::{Other, count, person, provision, seed_templates, user};

/// Two or three backends of these weights.
pub fn candidates(weights: &[(&str, u32)]) -> Candidates {
    let candidate = |&(name, weight): &(&str, u32)| Candidate { name: name.into(), weight };
    Candidates::new(weights.iter().map(candidate).collect())
}

fn on(name: &str) -> Placed {
    Placed::On(name.into())
}

/// The handles are of nodes whose settings differ, as they do while an administrator changes one after the other. The
/// tables may hold other rows.
pub async fn placement_battery<O: Other>(nodes: [&Arc<Database>; 2], other: &O) {
    let [first, second] = nodes;
    other.run("INSERT INTO domain (domain, mailboxes, maxquota, quota) VALUES ('placed.example', 10, 102400, 1024000)").await;
    // Asked at once by nodes that choose differently, each gets one answer.
    for number in 0..20 {
        let user = user(&format!("racer{number}@placed.example"));
        let ends = join_all([first, second, first, second].map(|node| node.place(&user))).await;
        let ends: Vec<Placed> = ends.into_iter().map(|end| end.unwrap()).collect();
        assert!(ends.iter().all(|end| *end == ends[0] && *end != Placed::NoneFree), "{ends:?}");
        let stored = format!("mailbox = '{}'", user.as_str());
        assert_eq!(count(other, "keydove_placement", &stored).await, 1);
    }
    let one = user("one@placed.example");
    insert(other, "one").await;
    assert_eq!(first.login_facts(&one).await.unwrap().backend.unwrap(), None);
    // The first has b1 alone, the second b2.
    assert_eq!(first.place(&one).await.unwrap(), on("b1"));
    assert_eq!(second.place(&one).await.unwrap(), on("b1"));
    // Whichever of the two was quicker before.
    assert_eq!(second.place(&user("other@placed.example")).await.unwrap(), on("b2"));
    let facts = second.login_facts(&one).await.unwrap();
    assert_eq!((facts.backend.unwrap().as_deref(), facts.hosting.mailbox.is_some()), (Some("b1"), true));
    drained(first, second).await;
    moved(first, second, other).await;
    made(first, other).await;
}

async fn drained(first: &Database, second: &Database) {
    assert!(first.set_drained("b1", true).await.unwrap());
    assert!(!second.set_drained("b1", true).await.unwrap(), "every node sees it");
    // Who is there stays, and nobody new comes.
    assert_eq!(first.place(&user("one@placed.example")).await.unwrap(), on("b1"));
    assert_eq!(first.place(&user("new@placed.example")).await.unwrap(), Placed::NoneFree);
    let view = second.placements().await.unwrap();
    assert_eq!(view.drained, ["b1"]);
    assert!(view.mailboxes["b1"] > 0 && view.mailboxes["b2"] > 0, "{view:?}");
    assert!(second.set_drained("b1", false).await.unwrap());
    assert!(first.placements().await.unwrap().drained.is_empty());
}

async fn moved<O: Other>(first: &Database, second: &Database, other: &O) {
    let (one, two) = (user("one@placed.example"), user("two@placed.example"));
    insert(other, "two").await;
    let moved = first.move_mailboxes(&[one.clone(), two.clone()], "b9").await.unwrap();
    let from: Vec<Option<&str>> = moved.iter().map(|one| one.from.as_deref()).collect();
    assert_eq!(from, [Some("b1"), None]);
    assert!(first.move_mailboxes(std::slice::from_ref(&one), "b9").await.unwrap().is_empty());
    assert_eq!(second.place(&one).await.unwrap(), on("b9"), "also of a backend that is in no settings");
    // More than a page, and not one twice.
    for number in 0..450 {
        let name = format!("many{number:03}");
        other
            .run(&format!(
                "INSERT INTO keydove_placement (mailbox, backend) VALUES ('{name}@placed.example', 'old')"
            ))
            .await;
    }
    let (mut after, mut seen, mut pages) = (None, Vec::new(), 0);
    loop {
        let (moved, next) = first.move_page(&MoveFrom::Backend("old".to_owned()), "b2", after).await.unwrap();
        seen.extend(moved.into_iter().map(|one| one.user.to_string()));
        (after, pages) = (next, pages + 1);
        if after.is_none() {
            break;
        }
    }
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!((all, seen.len(), pages), (450, 450, 3));
    assert_eq!(count(other, "keydove_placement", "backend = 'old'").await, 0);
    // Whoever has none is given one, and nobody else.
    insert(other, "three").await;
    let (moved, next) = second.move_page(&MoveFrom::Unplaced, "b7", None).await.unwrap();
    assert!(next.is_none() && moved.iter().all(|one| one.from.is_none()), "{moved:?}");
    assert!(moved.iter().any(|one| one.user == user("three@placed.example")), "{moved:?}");
    assert_eq!(first.place(&one).await.unwrap(), on("b9"));
}

/// A mailbox has its backend from its first moment on, in the same transaction.
async fn made<O: Other>(first: &Arc<Database>, other: &O) {
    seed_templates(other).await;
    provision(first, &person("made@placed.example", "gold")).await.unwrap();
    let stored = "mailbox = 'made@placed.example' AND backend = 'b1'";
    assert_eq!(count(other, "keydove_placement", stored).await, 1);
    // The mailbox goes; its place is remembered as long as its owner is.
    let sweep = || async {
        Housekeeping::new(&Config::default(), Arc::clone(first), "test".to_owned()).run(false).await
    };
    other.run("DELETE FROM mailbox WHERE username = 'made@placed.example'").await;
    sweep().await.unwrap();
    assert_eq!(count(other, "keydove_placement", stored).await, 1);
    assert_eq!(count(other, "keydove_placement", "mailbox = 'many000@placed.example'").await, 0);
    other.run("DELETE FROM keydove_person WHERE mailbox = 'made@placed.example'").await;
    sweep().await.unwrap();
    assert_eq!(count(other, "keydove_placement", stored).await, 0);
    let there = "mailbox = 'one@placed.example'";
    assert_eq!(count(other, "keydove_placement", there).await, 1, "of a mailbox that is there");
}

async fn insert<O: Other>(other: &O, name: &str) {
    other
        .run(&format!(
            "INSERT INTO mailbox (username, password, name, quota, local_part, domain, attributes, kind, authsource, active) \
             VALUES ('{name}@placed.example', '', '', 0, '{name}', 'placed.example', '{{}}', '', 'keycloak', 1)"
        ))
        .await;
}
