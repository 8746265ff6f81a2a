//! What users are told by mail, against a real database: who is told of what, and that each mail is taken by one.

use std::time::SystemTime;

use futures_util::future::join_all;
use keydove::backend::sql::{Database, Notice, NoticesDue, Occasion};

use super::provisioning::{Other, count, user};

const DAY: i64 = 86_400;

/// Runs everything. Leaves rows behind.
pub async fn notices_battery(database: &Database, other: &impl Other, ago: fn(i64) -> String) {
    #[expect(clippy::disallowed_methods, reason = "what ends is compared with the wall clock")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64;
    // keydove's tables are made where they are missing.
    let all = |now| NoticesDue { after: 0, made_since: now - DAY, ending_until: Some(now + 7 * DAY), now };
    database.forget_notices().await.unwrap();
    other.run("DELETE FROM keydove_origin; DELETE FROM keydove_app_password; DELETE FROM app_passwd").await;
    assert_eq!(database.due_notices(all(now)).await.unwrap().notices, []);
    other
        .run(
            "INSERT INTO domain (domain) VALUES ('told.example');
             INSERT INTO mailbox (username, password, name, local_part, domain, attributes, authsource)
             VALUES ('ann@told.example', '', '', 'ann', 'told.example', '{}', 'keycloak')",
        )
        .await;
    for (id, name, created, active, expires) in [
        (9001, "old", 2 * DAY, 1, None),
        (9002, "new", 60, 1, None),
        (9003, "revoked at once", 60, 0, None),
        (9004, "ends soon", 300 * DAY, 1, Some(3 * DAY)),
        (9005, "ends later", 300 * DAY, 1, Some(8 * DAY)),
        (9006, "has ended", 300 * DAY, 1, Some(-60)),
        (9007, "revoked, ends soon", 300 * DAY, 0, Some(3 * DAY)),
        (9008, "short", 2 * DAY, 1, Some(3 * DAY)),
    ] {
        other
            .run(&format!(
                "INSERT INTO app_passwd (id, name, mailbox, domain, password, active, created, imap_access, pop3_access, \
                   smtp_access, sieve_access, dav_access, eas_access) \
                 VALUES ({id}, '{name}', 'ann@told.example', 'told.example', '', {active}, {}, 1, 0, 1, 0, 0, 0)",
                ago(created)
            ))
            .await;
        if let Some(in_seconds) = expires {
            let ends = now + in_seconds;
            other.run(&format!("INSERT INTO keydove_app_password VALUES ({id}, {ends}, NULL)")).await;
        }
    }
    other.run("INSERT INTO keydove_origin VALUES (9002, 'ann@told.example', 0, '192.0.2.7')").await;
    let found = database.due_notices(all(now)).await.unwrap();
    let told: Vec<(i64, Occasion)> =
        found.notices.iter().map(|notice| (notice.id, notice.occasion)).collect();
    assert_eq!(told, [(9002, Occasion::Made), (9003, Occasion::Made), (9004, Occasion::Ends)]);
    assert_eq!(found.newest, 9008);
    let Notice { name, services, from, expires, user: whose, .. } = &found.notices[0];
    assert_eq!((name.as_str(), &services[..], *expires), ("new", &["imap", "smtp"][..], None));
    assert_eq!((from.as_deref(), whose), (Some("192.0.2.7"), &user("ann@told.example")));
    assert_eq!(found.notices[2].expires, Some(now + 3 * DAY));
    // Somewhat below the newest it is looked again, and not below that; without a word about ends none is told.
    let due = |after| NoticesDue { after, ending_until: None, ..all(now) };
    assert_eq!(database.due_notices(due(9008)).await.unwrap().notices.len(), 2);
    assert_eq!(database.due_notices(due(20_000)).await.unwrap().notices, []);
    a_notice_is_taken_by_one(database, other, now).await;
}

async fn a_notice_is_taken_by_one(database: &Database, other: &impl Other, now: i64) {
    let made = Occasion::Made;
    let takers = join_all((0..8).map(|_| database.claim_notice(9002, made, now))).await;
    assert_eq!(takers.into_iter().filter(|taken| matches!(taken, Ok(true))).count(), 1);
    assert!(
        database.claim_notice(9002, Occasion::Ends, now).await.unwrap(),
        "another occasion is another mail"
    );
    // Given back once, it is due once more, later, and never after that.
    assert!(database.release_notice(9002, made, now + 600).await.unwrap());
    assert!(!database.claim_notice(9002, made, now + 599).await.unwrap());
    assert!(database.claim_notice(9002, made, now + 600).await.unwrap());
    assert!(!database.release_notice(9002, made, now + 1200).await.unwrap());
    assert!(!database.claim_notice(9002, made, now + 9999).await.unwrap());
    assert!(!database.release_notice(1, made, now).await.unwrap(), "nobody has taken that");
    other.run("DELETE FROM app_passwd WHERE id = 9002").await;
    database.forget_notices().await.unwrap();
    assert_eq!(count(other, "keydove_notice", "1 = 1").await, 0);
}
