//! One battery for every driver: each question, with names that hurt, against a real database.
//!
//! The tables must be empty. `run` executes a statement on the same database by another way; the statements are
//! of the dialect that MariaDB and SQLite share.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::{join, join_all};
use keydove::auth::{Service, TempFailReason, Username};
use keydove::backend::sql::{AuthSource, Database, Domain, Mailbox, MailboxState};
use tokio::time::timeout;

/// Everything that needs no trouble with the server. Leaves rows behind.
pub async fn database_battery(database: &Database, run: impl AsyncFn(&str)) {
    database.check().await.unwrap();
    an_empty_database_hosts_nobody(database).await;
    run("INSERT INTO domain (domain, active) VALUES ('example.org', 1), ('off.example', 0), ('odd.example', 2)")
        .await;
    domain_and_mailbox_are_told_apart(database, &run).await;
    letter_case_does_not_matter(database, &run).await;
    names_with_quotes_and_unicode_are_found_exactly(database, &run).await;
    both_forms_of_a_domain_are_one(database, &run).await;
    a_collation_makes_nobody_equal(database, &run).await;
    states_sources_and_kinds_are_read(database, &run).await;
    switches_compare_loosely(database, &run).await;
    only_an_active_second_factor_counts(database, &run).await;
    pages_hold_every_name_once(database, &run).await;
}

/// A person with a mailbox, for the functions below, which need a server.
pub async fn seed_alice_and_bob(run: impl AsyncFn(&str)) {
    run("INSERT INTO domain (domain) VALUES ('trouble.example')").await;
    for (name, quota) in [("alice", 1), ("bob", 2)] {
        insert(&run, &format!("{name}@trouble.example"), &format!("quota = {quota}")).await;
    }
}

/// T56: `kill` ends every connection of keydove, as a server does that saw them idle for too long.
pub async fn killed_connections_are_replaced(database: &Database, kill: impl AsyncFn()) {
    for _ in 0..5 {
        assert_eq!(quotas_of_alice_and_bob(database).await, [1, 2]);
        kill().await;
        assert_eq!(quotas_of_alice_and_bob(database).await, [1, 2]);
    }
}

/// A server that is down is unreachable, at once; as soon as it is back the next question is answered.
pub async fn a_restart_is_survived(database: &Database, stop: impl AsyncFn(), start: impl AsyncFn()) {
    assert_eq!(quotas_of_alice_and_bob(database).await, [1, 2]);
    stop().await;
    for _ in 0..3 {
        let error = database.find_mailbox(&user("alice@trouble.example")).await.unwrap_err();
        assert_eq!(error.temp_fail().reason, TempFailReason::SqlUnreachable, "{error}");
    }
    start().await;
    assert_eq!(quotas_of_alice_and_bob(database).await, [1, 2]);
    database.check().await.unwrap();
}

/// `lock` takes the table `mailbox` for itself, `unlock` gives it back.
pub async fn a_locked_table_is_a_timeout(database: &Database, lock: impl AsyncFn(), unlock: impl AsyncFn()) {
    lock().await;
    let questions = (0..20).map(|_| async { database.find_mailbox(&user("alice@trouble.example")).await });
    for answer in join_all(questions).await {
        let error = answer.unwrap_err();
        assert_eq!(error.temp_fail().reason, TempFailReason::SqlTimeout, "{error}");
    }
    unlock().await;
    assert_eq!(quotas_of_alice_and_bob(database).await, [1, 2]);
}

/// A connection that dies under a question costs a second try on a new one; a second death is the end of it. `waits`
/// returns when a question waits for the lock, and `kill` kills its connection then.
pub async fn a_question_is_asked_twice_at_most(
    database: &Database,
    lock: impl AsyncFn(),
    (waits, kill): (impl AsyncFn(), impl AsyncFn()),
    unlock: impl AsyncFn(),
) {
    let alice = user("alice@trouble.example");
    lock().await;
    let killed_once = async {
        kill().await;
        waits().await;
        unlock().await;
    };
    let (answer, ()) = join(database.find_mailbox(&alice), killed_once).await;
    assert_eq!(answer.unwrap().mailbox.map(|mailbox| mailbox.quota_bytes), Some(1));

    lock().await;
    let killed_twice = async {
        kill().await;
        kill().await;
    };
    let (answer, ()) = join(database.find_mailbox(&alice), killed_twice).await;
    let error = answer.unwrap_err();
    assert_eq!(error.temp_fail().reason, TempFailReason::SqlUnreachable, "{error}");
    unlock().await;
}

/// A question that its asker gave up must not be answered to the next asker.
pub async fn a_late_answer_reaches_nobody(database: &Database, lock: impl AsyncFn(), unlock: impl AsyncFn()) {
    let (alice, bob) = (user("alice@trouble.example"), user("bob@trouble.example"));
    for patience in [0, 1, 5, 20, 100] {
        assert_eq!(quotas_of_alice_and_bob(database).await, [1, 2]);
        lock().await;
        let given_up =
            (0..20).map(|_| timeout(Duration::from_millis(patience), database.find_mailbox(&alice)));
        assert!(join_all(given_up).await.iter().all(Result::is_err));
        unlock().await;
        for answer in join_all((0..40).map(|_| database.find_mailbox(&bob))).await {
            assert_eq!(answer.unwrap().mailbox.map(|mailbox| mailbox.quota_bytes), Some(2));
        }
    }
    // Without a lock the question is given up at any point of the exchange.
    for patience in 0..200 {
        let _ = timeout(Duration::from_micros(patience * 10), database.find_mailbox(&alice)).await;
        let answer = database.find_mailbox(&bob).await.unwrap();
        assert_eq!(answer.mailbox.map(|mailbox| mailbox.quota_bytes), Some(2));
    }
}

async fn an_empty_database_hosts_nobody(database: &Database) {
    let hosting = database.find_mailbox(&user("alice@example.org")).await.unwrap();
    assert!(hosting.domain.is_none() && hosting.mailbox.is_none());
    let page = database.list_mailboxes(None, 10).await.unwrap();
    assert!(page.users.is_empty() && page.next.is_none());
}

async fn domain_and_mailbox_are_told_apart(database: &Database, run: &impl AsyncFn(&str)) {
    insert(run, "first@example.org", "quota = 7, password = '{X}y'").await;
    let mailbox = mailbox(database, "first@example.org").await.unwrap();
    assert_eq!(mailbox.quota_bytes, 7);
    assert!(mailbox.password.matches(b"{X}y"));
    for (name, domain) in [
        ("nobody@example.org", Some(Domain { active: true })),
        ("nobody@off.example", Some(Domain { active: false })),
        ("nobody@odd.example", Some(Domain { active: false })),
        ("nobody@elsewhere.example", None),
    ] {
        let hosting = database.find_mailbox(&user(name)).await.unwrap();
        assert_eq!(hosting.domain, domain, "{name}");
        assert!(hosting.mailbox.is_none(), "{name}");
    }
}

async fn letter_case_does_not_matter(database: &Database, run: &impl AsyncFn(&str)) {
    insert(run, "Mixed.Case@Example.ORG", "quota = 8").await;
    assert_eq!(mailbox(database, "mIXED.cASE@eXAMPLE.org").await.unwrap().quota_bytes, 8);
}

async fn names_with_quotes_and_unicode_are_found_exactly(database: &Database, run: &impl AsyncFn(&str)) {
    let names = [
        "o'brien",
        "x'or'1'='1",
        "--",
        "a;b",
        "%",
        "_",
        "a%b",
        "``",
        "{$x}",
        "?",
        ":a",
        "\u{1F600}",
        "größe",
        "имя",
        "e\u{301}x",
        "ﬁ",
    ];
    for (name, quota) in names.iter().zip(1..) {
        insert(run, &format!("{name}@example.org"), &format!("quota = {quota}")).await;
    }
    for (name, quota) in names.iter().zip(1..) {
        let found = mailbox(database, &format!("{name}@example.org")).await.unwrap();
        assert_eq!(found.quota_bytes, quota, "{name}");
    }
    assert!(mailbox(database, "o''brien@example.org").await.is_none());
    assert!(mailbox(database, "a_b@example.org").await.is_none());
}

async fn both_forms_of_a_domain_are_one(database: &Database, run: &impl AsyncFn(&str)) {
    run("INSERT INTO domain (domain) VALUES ('bücher.example'), ('xn--mnchen-3ya.example')").await;
    insert(run, "a@bücher.example", "quota = 1").await;
    insert(run, "a@xn--mnchen-3ya.example", "quota = 2").await;
    for (domain, quota) in [("bücher", 1), ("xn--bcher-kva", 1), ("münchen", 2), ("xn--mnchen-3ya", 2)] {
        let hosting = database.find_mailbox(&user(&format!("a@{domain}.example"))).await.unwrap();
        assert_eq!(hosting.domain, Some(Domain { active: true }), "{domain}");
        assert_eq!(hosting.mailbox.unwrap().quota_bytes, quota, "{domain}");
    }
    assert!(database.find_mailbox(&user("a@bucher.example")).await.unwrap().domain.is_none());
}

/// Edge case 2 and T42.
async fn a_collation_makes_nobody_equal(database: &Database, run: &impl AsyncFn(&str)) {
    insert(run, "müller@example.org", "quota = 1").await;
    assert_eq!(mailbox(database, "müller@example.org").await.unwrap().quota_bytes, 1);
    for name in ["muller@example.org", "mÜller@example.org", "mu\u{308}ller@example.org"] {
        assert!(mailbox(database, name).await.is_none(), "{name}");
    }
    insert(run, "strasse@example.org", "quota = 1").await;
    insert(run, "kelvin@example.org", "quota = 1").await;
    for name in ["straße@example.org", "\u{212A}elvin@example.org", "kelvın@example.org"] {
        assert!(mailbox(database, name).await.is_none(), "{name}");
    }
    run("INSERT INTO tfa (key_id, username, active) VALUES ('k', 'muller@example.org', 1)").await;
    assert!(!mailbox(database, "müller@example.org").await.unwrap().second_factor);
}

/// 1.4, and edge case 37.
async fn states_sources_and_kinds_are_read(database: &Database, run: &impl AsyncFn(&str)) {
    let name = "state@example.org";
    insert(run, name, "active = 1").await;
    use MailboxState::{Off, On, ReceiveOnly};
    for (active, state) in [(1, On), (0, Off), (2, ReceiveOnly), (3, Off), (-1, Off)] {
        update(run, name, &format!("active = {active}")).await;
        assert_eq!(mailbox(database, name).await.unwrap().active, state, "{active}");
    }
    use AuthSource::{GenericOidc, Keycloak, Ldap, Mailcow};
    for (text, source) in [
        ("'mailcow'", Some(Mailcow)),
        ("'keycloak'", Some(Keycloak)),
        ("'ldap'", Some(Ldap)),
        ("'generic-oidc'", Some(GenericOidc)),
        ("NULL", None),
    ] {
        update(run, name, &format!("authsource = {text}")).await;
        assert_eq!(mailbox(database, name).await.unwrap().authsource, source, "{text}");
    }
    for (kind, resource) in
        [("", false), ("location", true), ("Thing", true), ("a group", true), ("x", false)]
    {
        update(run, name, &format!("kind = '{kind}'")).await;
        assert_eq!(mailbox(database, name).await.unwrap().kind_is_resource, resource, "{kind}");
    }
    update(run, name, "quota = 9007199254740993, name = NULL, password = ''").await;
    let mailbox = mailbox(database, name).await.unwrap();
    assert_eq!(mailbox.quota_bytes, 9_007_199_254_740_993);
    assert!(mailbox.password.is_empty());
    update(run, name, "quota = -1").await;
    let error = database.find_mailbox(&user(name)).await.unwrap_err();
    assert_eq!(error.temp_fail().reason, TempFailReason::SqlError);
    update(run, name, "quota = 1, active = 0").await;
}

/// Edge cases 26 and 27.
async fn switches_compare_loosely(database: &Database, run: &impl AsyncFn(&str)) {
    let name = "switches@example.org";
    insert(run, name, "attributes = NULL").await;
    for (attributes, allowed) in [
        ("NULL", true),
        ("'{}'", true),
        ("'[]'", true),
        ("'{\"imap_access\": null}'", true),
        ("'{\"imap_access\": \"1\"}'", true),
        ("'{\"imap_access\": 1, \"pop3_access\": 0}'", true),
        ("'{\"imap_access\": true}'", true),
        ("'{\"imap_access\": \"0\"}'", false),
        ("'{\"imap_access\": 0}'", false),
        ("'{\"imap_access\": \"\"}'", false),
        ("'{\"imap_access\": \"2\"}'", false),
        ("'{\"imap_access\": false}'", false),
    ] {
        update(run, name, &format!("attributes = {attributes}")).await;
        let access = mailbox(database, name).await.unwrap().access;
        assert_eq!(access.allows(&Service::Imap), allowed, "{attributes}");
        assert!(access.allows(&Service::Sieve), "{attributes}");
    }
}

/// Edge case 30.
async fn only_an_active_second_factor_counts(database: &Database, run: &impl AsyncFn(&str)) {
    let name = "factor@example.org";
    insert(run, name, "authsource = 'mailcow'").await;
    run("INSERT INTO tfa (key_id, username, active) VALUES ('k', 'factor@example.org', 0)").await;
    assert!(!mailbox(database, name).await.unwrap().second_factor);
    run("INSERT INTO tfa (key_id, username, active) VALUES ('k', 'Factor@Example.org', 1)").await;
    assert!(mailbox(database, name).await.unwrap().second_factor);
}

async fn pages_hold_every_name_once(database: &Database, run: &impl AsyncFn(&str)) {
    run("DELETE FROM mailbox").await;
    let mut expected = BTreeSet::new();
    let mut values = Vec::new();
    for number in 0..2500 {
        // Letters that a collation sorts elsewhere than their bytes, and takes for one another.
        let letter = ["a", "Z", "é", "z", "ß", "Ω", "\u{1F600}", "_"][number % 8];
        let name = format!("{letter}{number}@example.org");
        values.push(format!("('{name}', '', '', 'example.org', '', {})", 1 + number % 2));
        expected.insert(user(&name));
    }
    for (name, kind, active) in
        [("off@example.org", "", 0), ("room@example.org", "location", 1), ("no name", "", 1), ("z@@", "", 1)]
    {
        values.push(format!("('{name}', '', '', 'example.org', '{kind}', {active})"));
    }
    let columns = "username, password, local_part, domain, kind, active";
    run(&format!("INSERT INTO mailbox ({columns}) VALUES {}", values.join(", "))).await;
    for limit in [0, 1, 7, 1000, 2503, 5000] {
        if limit < 2 {
            let page = database.list_mailboxes(None, limit).await.unwrap();
            assert_eq!((page.users.len(), page.next.is_some()), (1, true));
            continue;
        }
        let (mut users, mut after) = (Vec::new(), None);
        loop {
            let page = database.list_mailboxes(after.as_deref(), limit).await.unwrap();
            assert!(page.users.len() <= limit);
            assert!(page.next.is_none() || page.next > after, "{:?} after {after:?}", page.next);
            users.extend(page.users);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(users.len(), 2500, "pages of {limit}");
        assert_eq!(users.into_iter().collect::<BTreeSet<_>>(), expected, "pages of {limit}");
    }
}

async fn quotas_of_alice_and_bob(database: &Database) -> Vec<u64> {
    let names = ["alice@trouble.example", "bob@trouble.example"];
    let mailboxes = join_all(names.map(|name| mailbox(database, name))).await;
    mailboxes.into_iter().map(|mailbox| mailbox.unwrap().quota_bytes).collect()
}

async fn mailbox(database: &Database, name: &str) -> Option<Mailbox> {
    database.find_mailbox(&user(name)).await.unwrap().mailbox
}

async fn insert(run: &impl AsyncFn(&str), name: &str, settings: &str) {
    let quoted = name.replace('\'', "''");
    let (local, domain) = quoted.rsplit_once('@').unwrap();
    run(&format!(
        "INSERT INTO mailbox (username, password, local_part, domain) VALUES ('{quoted}', '', '{local}', '{domain}')"
    ))
    .await;
    update(run, name, settings).await;
}

async fn update(run: &impl AsyncFn(&str), name: &str, settings: &str) {
    let quoted = name.replace('\'', "''");
    run(&format!("UPDATE mailbox SET {settings} WHERE username = '{quoted}'")).await;
}

fn user(name: &str) -> Username {
    Username::parse(name.as_bytes()).unwrap()
}
