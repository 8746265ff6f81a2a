//! What the web portal keeps and shows, against a real database.
#![expect(clippy::panic, reason = "a test stops at the first surprise")]

use keydove::auth::{APP_PASSWORD_BYTES, Secret, Service, Username};
use keydove::backend::sql::{
    AppPasswordOrigin, Database, DomainName, MadeAppPassword, MailboxSearch, NewAppPassword, NewSession,
    Revocation, SessionEnd, StoredSession, TooManyAppPasswords,
};
use keydove::credential::scheme::SALT_BYTES;

use super::provisioning::{Other, count, user};

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://sso.example.org/realms/mail";

/// Runs everything. Leaves rows behind.
pub async fn portal_battery(database: &Database, other: &impl Other) {
    other
        .run(
            "INSERT INTO domain (domain) VALUES ('portal.example');
             INSERT INTO mailbox (username, password, name, local_part, domain, attributes, authsource)
             VALUES ('ann@portal.example', '', 'Ann Ä', 'ann', 'portal.example', '{}', 'keycloak'),
                    ('ben@portal.example', '', ' ', 'ben', 'portal.example', '{}', 'keycloak')",
        )
        .await;
    assert_eq!(database.mailbox_name(&user("ANN@portal.example")).await.unwrap().as_deref(), Some("Ann Ä"));
    assert_eq!(database.mailbox_name(&user("ben@portal.example")).await.unwrap(), None);
    a_session_is_found_by_its_cookie_until_it_is_ended(database, other).await;
    a_session_ends_with_its_person_or_keycloaks_session(database, other).await;
    app_passwords_are_made_within_limits(database, other).await;
    people_see_their_own_passwords_and_logins(database, other).await;
}

/// The searches of administrators, after [`portal_battery`].
pub async fn an_administrator_finds_mailboxes(database: &Database, other: &impl Other) {
    other
        .run(
            "INSERT INTO mailbox (username, password, name, local_part, domain, attributes, authsource, kind)
             VALUES ('room@portal.example', '', 'Room', 'room', 'portal.example', '{}', 'mailcow', 'location'),
                    ('z_b@portal.example', '', '100% Ann', 'z_b', 'portal.example', '{}', 'mailcow', '');
             INSERT INTO quota2 (username, bytes, messages) VALUES ('ann@portal.example', 4096, 1)",
        )
        .await;
    let find = async |text: &str, skip: u64, most: u32| -> Vec<String> {
        let domain = Some(DomainName::parse("PORTAL.example").unwrap());
        let search = MailboxSearch { text: text.to_owned(), domain, skip, most };
        let found = database.search_mailboxes(search).await.unwrap();
        found.into_iter().map(|row| row.address.trim_end_matches("@portal.example").to_owned()).collect()
    };
    assert_eq!(find("", 0, 10).await, ["ann", "ben", "z_b"], "resources are left out");
    assert_eq!(find("", 1, 1).await, ["ben"]);
    assert_eq!(find("", 3, 10).await, [""; 0]);
    assert_eq!(find("ann", 0, 10).await, ["ann", "z_b"], "by the name too");
    for (text, found) in [("%", &["z_b"][..]), ("_", &["z_b"]), ("!", &[]), ("' OR 1 = 1 --", &[])] {
        assert_eq!(find(text, 0, 10).await, found, "{text}");
    }
    let everywhere = MailboxSearch { text: "@portal.example".to_owned(), domain: None, skip: 0, most: 10 };
    assert_eq!(database.search_mailboxes(everywhere).await.unwrap().len(), 3);

    let row = database.mailbox_row(&user("ANN@portal.example")).await.unwrap().unwrap();
    assert_eq!(
        (row.address.as_str(), row.used, row.source.as_str()),
        ("ann@portal.example", 4096, "keycloak")
    );
    for nobody in ["room@portal.example", "nobody@portal.example"] {
        assert_eq!(database.mailbox_row(&user(nobody)).await.unwrap(), None, "{nobody}");
    }
}

fn session(key: char, subject: &str, sid: Option<&str>) -> NewSession {
    NewSession {
        session: key.to_string().repeat(64),
        replaces: None,
        user: user("ann@portal.example"),
        issuer: ISSUER.to_owned(),
        subject: subject.to_owned(),
        sid: sid.map(str::to_owned),
        auth_time: NOW - 5,
        administrator: false,
        remote: Some("2001:db8::7".to_owned()),
        browser: "Firefox, Linux".to_owned(),
        created: NOW,
        ends: NOW + 3600,
    }
}

async fn a_session_is_found_by_its_cookie_until_it_is_ended(database: &Database, other: &impl Other) {
    database.begin_session(session('a', "id-1", Some("s-1"))).await.unwrap();
    let found = database.find_session(&"a".repeat(64)).await.unwrap().unwrap();
    assert_eq!((found.mailbox.as_str(), found.subject.as_str()), ("ann@portal.example", "id-1"));
    assert_eq!(
        (found.auth_time, found.used, found.ends, found.administrator),
        (NOW - 5, NOW, NOW + 3600, false)
    );
    assert_eq!((found.remote.as_deref(), found.browser.as_str()), (Some("2001:db8::7"), "Firefox, Linux"));
    assert_eq!(database.find_session(&"A".repeat(64)).await.unwrap(), None);

    // It never becomes younger.
    database.touch_session(found.id, NOW + 60).await.unwrap();
    database.touch_session(found.id, NOW + 30).await.unwrap();
    assert_eq!(database.find_session(&"a".repeat(64)).await.unwrap().unwrap().used, NOW + 60);

    // A new one of the same browser takes its place, and those that are over go with it.
    let over = NewSession { ends: NOW, ..session('b', "id-1", None) };
    database.begin_session(over).await.unwrap();
    let next = NewSession { replaces: Some("a".repeat(64)), ..session('c', "id-1", None) };
    database.begin_session(next).await.unwrap();
    assert_eq!(count(other, "keydove_session", "1 = 1").await, 1);
    assert_eq!(database.end_sessions(SessionEnd::One("c".repeat(64))).await.unwrap(), 1);
    assert_eq!(database.end_sessions(SessionEnd::One("c".repeat(64))).await.unwrap(), 0);
    assert_eq!(database.find_session(&"c".repeat(64)).await.unwrap(), None);
}

async fn a_session_ends_with_its_person_or_keycloaks_session(database: &Database, other: &impl Other) {
    for (key, subject, sid) in
        [('1', "id-1", "s-1"), ('2', "id-1", "s-2"), ('3', "id-2", "s-3"), ('4', "ID-1", "S-1")]
    {
        database.begin_session(session(key, subject, Some(sid))).await.unwrap();
    }
    let elsewhere =
        NewSession { issuer: "https://other.example".to_owned(), ..session('5', "id-1", Some("s-1")) };
    database.begin_session(elsewhere).await.unwrap();
    let listed = database.list_sessions(ISSUER, "id-1", NOW).await.unwrap();
    let keys: Vec<&str> = listed.iter().map(|row| &row.session[..1]).collect();
    assert_eq!(keys, ["2", "1"], "the newest first, and nobody else's");
    assert_eq!(database.list_sessions(ISSUER, "id-1", NOW + 3600).await.unwrap(), []);

    let (issuer, subject) = (ISSUER.to_owned(), "id-2".to_owned());
    let of_another = SessionEnd::Number { id: listed[0].id, issuer: issuer.clone(), subject };
    assert_eq!(database.end_sessions(of_another).await.unwrap(), 0);
    let keycloaks = SessionEnd::Keycloak { issuer: issuer.clone(), sid: "s-1".to_owned() };
    assert_eq!(database.end_sessions(keycloaks).await.unwrap(), 1);
    let everything = SessionEnd::Person { issuer, subject: "id-1".to_owned() };
    assert_eq!(database.end_sessions(everything).await.unwrap(), 1);
    assert_eq!(count(other, "keydove_session", "1 = 1").await, 3);

    // An administrator asks by the mailbox, whoever has signed in to it.
    let ben = NewSession { user: user("ben@portal.example"), ..session('6', "id-3", None) };
    database.begin_session(ben).await.unwrap();
    let keys = |rows: Vec<StoredSession>| -> Vec<String> {
        rows.into_iter().map(|row| row.session[..1].to_owned()).collect()
    };
    let ann = user("ANN@portal.example");
    assert_eq!(keys(database.list_sessions_of(&ann, NOW).await.unwrap()), ["5", "4", "3"]);
    assert_eq!(keys(database.list_sessions_of(&ann, NOW + 3600).await.unwrap()), [""; 0]);
    assert_eq!(database.end_sessions(SessionEnd::Mailbox(ann)).await.unwrap(), 3);
    assert_eq!(count(other, "keydove_session", "mailbox = 'ben@portal.example'").await, 1);
    other.run("DELETE FROM keydove_session").await;
}

fn new(name: &str, number: u8) -> NewAppPassword {
    NewAppPassword {
        user: user("ann@portal.example"),
        name: name.to_owned(),
        services: vec![Service::Imap, Service::Smtp],
        expires: None,
        networks: Vec::new(),
        random: Secret::new(vec![number; APP_PASSWORD_BYTES]),
        salt: [number; SALT_BYTES],
    }
}

async fn make(
    database: &Database,
    name: &str,
    origin: AppPasswordOrigin,
) -> Result<MadeAppPassword, TooManyAppPasswords> {
    database
        .add_own_app_password(new(name, 7), origin)
        .await
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

async fn app_passwords_are_made_within_limits(database: &Database, other: &impl Other) {
    let at = |now| AppPasswordOrigin { most: 3, most_per_hour: 2, remote: Some("192.0.2.9".to_owned()), now };
    make(database, "one", at(NOW)).await.unwrap();
    let two = make(database, "two", at(NOW + 10)).await.unwrap();
    assert_eq!(make(database, "early", at(NOW + 3599)).await.unwrap_err(), TooManyAppPasswords::WithinAnHour);
    make(database, "three", at(NOW + 3600)).await.unwrap();
    assert_eq!(make(database, "four", at(NOW + 9000)).await.unwrap_err(), TooManyAppPasswords::InAll);
    // Neither what is revoked nor what has expired counts.
    database.revoke_app_passwords(&user("ann@portal.example"), &Revocation::Number(two.id)).await.unwrap();
    make(database, "four", at(NOW + 9000)).await.unwrap();
    assert_eq!(count(other, "keydove_origin", "mailbox = 'ann@portal.example'").await, 4);
    // What mailcow deletes leaves a row, until the next one is made.
    other.run(&format!("DELETE FROM app_passwd WHERE id = {}", two.id)).await;
    other.run("UPDATE app_passwd SET active = 0 WHERE name = 'four'").await;
    make(database, "five", at(NOW + 99_000)).await.unwrap();
    assert_eq!(count(other, "keydove_origin", "1 = 1").await, 4);
    let nobody = NewAppPassword { user: user("nobody@portal.example"), ..new("x", 1) };
    assert!(database.add_own_app_password(nobody, at(NOW)).await.is_err());
}

async fn people_see_their_own_passwords_and_logins(database: &Database, other: &impl Other) {
    let ann: Username = user("ann@portal.example");
    let own = database.own_app_passwords(&ann).await.unwrap();
    let names: Vec<&str> = own.iter().map(|(row, _)| row.name.as_str()).collect();
    assert_eq!(names, ["five", "three", "one"], "the newest first, without what is off");
    let (one, known) = &own[2];
    assert_eq!(known.created_from.as_deref(), Some("192.0.2.9"));
    assert!(known.created > 1_700_000_000 && known.last.is_none(), "{known:?}");
    let id = one.id;
    other
        .run(&format!(
            "INSERT INTO sasl_log (service, app_password, username, real_rip, datetime) VALUES
             ('imap', {id}, 'ann@portal.example', '192.0.2.1', '2026-01-02 03:04:05'),
             ('smtp', {id}, 'ann@portal.example', '192.0.2.2', '2026-02-02 03:04:05'),
             ('imap', 0, 'ann@portal.example', '192.0.2.3', '2026-03-02 03:04:05'),
             ('imap', {id}, 'ben@portal.example', '192.0.2.4', '2026-04-02 03:04:05')"
        ))
        .await;
    let own = database.own_app_passwords(&ann).await.unwrap();
    let (at, remote, service) = own[2].1.last.clone().unwrap();
    assert_eq!((remote.as_str(), service.as_str()), ("192.0.2.2", "smtp"));
    let logins = database.mail_logins(&ann).await.unwrap();
    let seen: Vec<_> = logins.iter().map(|login| (login.remote.as_str(), login.app_password)).collect();
    assert_eq!(seen, [("192.0.2.3", 0), ("192.0.2.2", id), ("192.0.2.1", id)]);
    // The same moment in both lists, wherever the server's clock stands.
    assert_eq!(logins[1].at, at);
    assert_eq!(logins[0].at - logins[1].at, 28 * 86_400);
}
