//! The log of runs of the sync.

use keydove::backend::sql::{Database, NewRun, RunEnd};
use keydove::jobs::sync::run_state;

use super::provisioning::{Other, count};

/// As many as are kept.
const KEPT: i64 = 100;

/// The table may hold other rows.
pub async fn runs_battery<O: Other>(database: &Database, other: &O) {
    let new = |node: &str| NewRun { node: node.to_owned(), started_by: "schedule", dry_run: false };
    let first = database.begin_run(new("mx1:1")).await.unwrap().unwrap();
    let second = database.begin_run(NewRun { dry_run: true, ..new("mx2:1") }).await.unwrap().unwrap();
    assert!(second > first);
    let runs = database.runs(2).await.unwrap().unwrap();
    let seen: Vec<_> = runs.iter().map(|run| (run.id, &*run.node, run.dry_run, run_state(run))).collect();
    assert_eq!(seen, [(second, "mx2:1", true, "running"), (first, "mx1:1", false, "running")]);

    let people = r#"[{"address":"ä@example.org","outcome":"created"}]"#.to_owned();
    let end = RunEnd { outcome: "complete", report: r#"{"seen":1}"#.to_owned(), people: people.clone() };
    database.end_run(second, end).await.unwrap();
    let run = database.find_run(second).await.unwrap().unwrap();
    assert_eq!((run_state(&run), &*run.report, &run.people), ("complete", r#"{"seen":1}"#, &people));
    assert!(run.ended >= Some(run.began) && run.seconds_ago() < 60, "{run:?}");
    assert_eq!(database.runs(1).await.unwrap().unwrap()[0].people, "", "a list has no people");
    assert_eq!(database.find_run(i64::MAX).await.unwrap(), None);

    // Its process is gone, and then it is heard of again.
    other
        .run(&format!("UPDATE keydove_run SET began = began - 500, heard = heard - 130 WHERE id = {first}"))
        .await;
    let run = database.find_run(first).await.unwrap().unwrap();
    assert_eq!(run_state(&run), "cut_off");
    database.note_run(first).await.unwrap();
    let run = database.find_run(first).await.unwrap().unwrap();
    assert!(run_state(&run) == "running" && run.seconds_ago() >= 500, "{run:?}");

    for _ in 0..KEPT {
        database.begin_run(new("mx1:1")).await.unwrap();
    }
    assert_eq!(count(other, "keydove_run", "1 = 1").await, KEPT as usize);
    assert_eq!(database.find_run(second).await.unwrap(), None, "the oldest ones are gone");
}
