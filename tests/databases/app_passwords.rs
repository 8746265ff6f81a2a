//! App passwords as an administrator makes, lists and revokes them, against a real database.
//!
//! The mailbox `own@admin.example` and the resource `room@limits.example` must be there.
#![expect(clippy::panic, reason = "a test stops at the first surprise")]

use keydove::auth::{APP_PASSWORD_BYTES, Secret, Service, app_password_row_id};
use keydove::backend::sql::{AdminError, Database, NewAppPassword, Obstacle, Revocation};
use keydove::credential::scheme::{Policy, SALT_BYTES, verify};

use super::administration::{mask_times, obstacle};
use super::provisioning::{Other, count, one_row, user};

/// Runs everything. Leaves rows behind.
pub async fn app_password_battery(database: &Database, other: &impl Other) {
    an_app_password_is_one_row_and_its_own(database, other).await;
    app_passwords_are_listed_and_revoked(database, other).await;
    a_failure_leaves_no_app_password(database, other).await;
}

async fn an_app_password_is_one_row_and_its_own(database: &Database, other: &impl Other) {
    let mut new = app_password("OWN@admin.example", "Telefon ü", 1);
    new.expires = Some(2_000_000_000);
    new.networks = vec!["192.0.2.0/24".to_owned(), "2001:db8::/32".to_owned()];
    let made = database.add_app_password(new).await.unwrap();
    assert_eq!(app_password_row_id(made.password.expose()), Some(made.id));
    let columns = "name, mailbox, domain, imap_access, pop3_access, smtp_access, sieve_access, dav_access, eas_access, active";
    let id = made.id.to_string();
    let expected = ["Telefon ü", "own@admin.example", "admin.example", "1", "0", "1", "0", "0", "0", "1"];
    assert_eq!(one_row(other, "app_passwd", columns, "id", &id).await, expected);
    let own = one_row(other, "keydove_app_password", "expires, networks", "app_passwd", &id).await;
    assert_eq!(own, ["2000000000", "192.0.2.0/24,2001:db8::/32"]);
    let hash = &one_row(other, "app_passwd", "password", "id", &id).await[0];
    assert!(hash.starts_with("{SSHA512}") && hash.len() <= 255, "{hash}");
    assert_eq!(verify(hash.as_bytes(), made.password.expose(), &Policy::default()), Ok(true));
    assert_eq!(verify(hash.as_bytes(), b"", &Policy::default()), Ok(false));

    // A row of its own marks each of keydove's passwords, without limits too.
    let plain = database.add_app_password(app_password("own@admin.example", "laptop", 2)).await.unwrap();
    assert!(plain.id > made.id);
    let id = plain.id.to_string();
    let own = one_row(other, "keydove_app_password", "expires, networks", "app_passwd", &id).await;
    assert_eq!(own, ["NULL", "NULL"]);
    for (name, is_resource) in [("nobody@admin.example", false), ("room@limits.example", true)] {
        let refused = obstacle(database.add_app_password(app_password(name, "x", 3)).await);
        assert_eq!(matches!(refused, Obstacle::MailboxIsResource(_)), is_resource, "{refused}");
    }
    assert_eq!(count(other, "app_passwd", "1 = 1").await, 2);
}

async fn app_passwords_are_listed_and_revoked(database: &Database, other: &impl Other) {
    let own = user("own@admin.example");
    let ids: Vec<i64> =
        database.list_app_passwords(&own).await.unwrap().iter().map(|password| password.id).collect();
    let [laptop, phone] = ids[..] else { panic!("{ids:?}") };
    other
        .run(&format!(
            "INSERT INTO sasl_log (service, app_password, username, real_rip, datetime) VALUES
             ('imap', {phone}, 'own@admin.example', '192.0.2.1', '2026-01-02 03:04:05'),
             ('smtp', {phone}, 'own@admin.example', '192.0.2.1', '2026-02-02 03:04:05'),
             ('imap', 0, 'own@admin.example', '192.0.2.2', '2026-03-02 03:04:05'),
             ('imap', {laptop}, 'login@admin.example', '192.0.2.2', '2026-03-02 03:04:05')"
        ))
        .await;
    let listed = database.list_app_passwords(&user("OWN@admin.example")).await.unwrap();
    assert_eq!((listed[0].name.as_str(), listed[0].last_used.as_deref()), ("laptop", None));
    assert_eq!(listed[1].last_used.as_deref(), Some("2026-02-02 03:04:05"));
    assert_eq!(
        (listed[1].services.as_slice(), listed[1].expires),
        (["imap", "smtp"].as_slice(), Some(2_000_000_000))
    );
    assert_eq!(listed[1].networks, ["192.0.2.0/24", "2001:db8::/32"]);
    assert_eq!(mask_times(&listed[1].created), "TIME");
    assert!(database.list_app_passwords(&user("login@admin.example")).await.unwrap().is_empty());
    let unknown = database.list_app_passwords(&user("nobody@admin.example")).await;
    assert!(matches!(obstacle(unknown), Obstacle::MailboxUnknown(_)));

    let revoke = async |which: Revocation| database.revoke_app_passwords(&own, &which).await;
    let stranger =
        database.revoke_app_passwords(&user("login@admin.example"), &Revocation::Number(phone)).await;
    assert!(matches!(obstacle(stranger), Obstacle::AppPasswordUnknown { .. }));
    assert!(matches!(
        obstacle(revoke(Revocation::Name("none".to_owned())).await),
        Obstacle::AppPasswordUnknown { .. }
    ));
    let second = database.add_app_password(app_password("own@admin.example", "laptop", 4)).await.unwrap().id;
    let Obstacle::AppPasswordAmbiguous { numbers, .. } =
        obstacle(revoke(Revocation::Name("laptop".to_owned())).await)
    else {
        panic!("one was chosen")
    };
    assert_eq!(numbers, format!("{second}, {laptop}"));
    assert_eq!(revoke(Revocation::Number(second)).await.unwrap(), [second]);
    assert_eq!(revoke(Revocation::Number(second)).await.unwrap(), [0; 0], "once is enough");
    assert_eq!(revoke(Revocation::Name("laptop".to_owned())).await.unwrap(), [laptop]);
    assert_eq!(revoke(Revocation::All).await.unwrap(), [phone]);
    assert!(database.app_passwords(&own).await.unwrap().is_empty(), "no login sees them");
    let listed = database.list_app_passwords(&own).await.unwrap();
    assert_eq!((listed.len(), listed.iter().filter(|password| password.active).count()), (3, 0));
}

/// The number is taken, the hash is not written: the row must not stay.
async fn a_failure_leaves_no_app_password(database: &Database, other: &impl Other) {
    let before = count(other, "app_passwd", "1 = 1").await;
    let mut broken = app_password("own@admin.example", "broken", 5);
    broken.random = Secret::from("short");
    let Err(AdminError::Database(_)) = database.add_app_password(broken).await else { panic!("it was made") };
    assert_eq!(count(other, "app_passwd", "1 = 1").await, before);
}

pub fn app_password(name: &str, label: &str, seed: u8) -> NewAppPassword {
    NewAppPassword {
        user: user(name),
        name: label.to_owned(),
        services: vec![Service::Smtp, Service::Imap],
        expires: None,
        networks: Vec::new(),
        random: Secret::new(vec![seed; APP_PASSWORD_BYTES]),
        salt: [seed; SALT_BYTES],
    }
}
