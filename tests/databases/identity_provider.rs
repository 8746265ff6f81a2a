//! mailcow's settings of its identity provider, read from a real table and followed while they change.
#![expect(clippy::panic, reason = "a test stops at the first surprise")]

use std::sync::Arc;

use keydove::auth::{TempFail, TempFailReason};
use keydove::backend::keycloak;
use keydove::backend::keycloak::Client;
use keydove::backend::people::LiveSource;
use keydove::backend::sql::Database;
use keydove::jobs::mailcow::{Config, IdentityProvider, Refresher};
use keydove::jobs::sync;
use keydove::provision::Rules;

use super::mariadb::{DATABASE, MariadbServer, USER};
use super::provisioning::Other;

/// As mailcow's form stores them, with a token that is none of our business.
const COMPLETE: &str = "INSERT INTO identity_provider (`key`, value) VALUES
    ('authsource', 'keycloak'), ('server_url', 'http://127.0.0.1:9/'), ('realm', 'm''ail \\ü'),
    ('client_id', 'mailcow'), ('client_secret', 's3cret'), ('redirect_url', ''), ('version', ''),
    ('mailpassword_flow', '1'), ('login_provisioning', ''), ('default_template', 'Default'),
    ('mappers', '{\"0\":\"gold\",\"2\":\"silver\"}'), ('templates', '{\"0\":\"Gold\",\"2\":\"Silver\"}'),
    ('access_token', 'theirs'), ('ignore_ssl_error', '1')";

/// Runs everything on a database with an empty table.
pub async fn identity_provider_battery(database: &Arc<Database>, other: &impl Other) {
    an_empty_table_is_no_keycloak(database).await;
    other.run(COMPLETE).await;
    what_is_stored_is_read(database).await;
    only_what_changed_is_exchanged(database, other).await;
    what_is_missing_is_named(database, other).await;
    what_was_read_stays_while_the_table_is_gone(database, other).await;
    nothing_was_written(other).await;
}

async fn an_empty_table_is_no_keycloak(database: &Arc<Database>) {
    let settings = IdentityProvider::read(&database.identity_provider().await.unwrap());
    assert!(!settings.is_keycloak() && settings.client_secret.is_empty());
    let mut refresher = refresher(database, None);
    assert_eq!(trouble(&refresher).reason, TempFailReason::SqlUnreachable, "nothing was read yet");
    refresher.refresh().await;
    assert!(matches!(&*refresher.source().get(), LiveSource::NotKeycloak));
    assert!(!makes_mailboxes(&refresher));
}

async fn what_is_stored_is_read(database: &Arc<Database>) {
    let rows = database.identity_provider().await.unwrap();
    assert_eq!(rows.text("access_token"), None);
    let settings = IdentityProvider::read(&rows);
    let address = settings.address().unwrap();
    assert_eq!(address.server_url.as_str(), "http://127.0.0.1:9");
    assert_eq!((address.realm.as_str(), &*address.client_id), ("m'ail \\ü", "mailcow"));
    assert!(settings.client_secret.matches(b"s3cret"));
    assert!(settings.mail_passwords && !settings.provisioning);
    assert_eq!((settings.mapping.len(), settings.mapping.mapped(Some("silver"))), (2, Some("Silver")));
}

async fn only_what_changed_is_exchanged(database: &Arc<Database>, other: &impl Other) {
    let mut refresher = refresher(database, None);
    refresher.refresh().await;
    let first = client(&refresher);
    refresher.refresh().await;
    set(other, "access_token", "another").await;
    refresher.refresh().await;
    assert!(Arc::ptr_eq(&first, &client(&refresher)), "nothing of ours had changed");
    assert!(!makes_mailboxes(&refresher));

    // The client has a token and connections; a switch is no reason to throw them away.
    set(other, "mailpassword_flow", "0").await;
    set(other, "login_provisioning", "1").await;
    refresher.refresh().await;
    assert!(Arc::ptr_eq(&first, &client(&refresher)));
    assert!(!mail_passwords(&refresher) && makes_mailboxes(&refresher));

    for (key, value) in [("client_secret", "S3cret"), ("client_id", "other"), ("realm", "mail")] {
        let before = client(&refresher);
        set(other, key, value).await;
        refresher.refresh().await;
        assert!(!Arc::ptr_eq(&before, &client(&refresher)), "{key}");
    }

    set(other, "authsource", "ldap").await;
    refresher.refresh().await;
    assert!(matches!(&*refresher.source().get(), LiveSource::NotKeycloak));
    assert!(!makes_mailboxes(&refresher), "nobody could be asked for a new mailbox's person");
    set(other, "authsource", "keycloak").await;
    other.run("DELETE FROM identity_provider WHERE `key` = 'login_provisioning'").await;
    refresher.refresh().await;
    assert!(makes_mailboxes(&refresher), "a missing row is on");
    let mut overruled = self::refresher(database, Some(false));
    overruled.refresh().await;
    assert!(!makes_mailboxes(&overruled));
}

async fn what_is_missing_is_named(database: &Arc<Database>, other: &impl Other) {
    let mut refresher = refresher(database, None);
    for key in ["server_url", "realm", "client_id", "client_secret"] {
        set(other, key, "").await;
        refresher.refresh().await;
        let trouble = trouble(&refresher);
        assert_eq!(trouble.reason, TempFailReason::KeycloakSettings);
        assert!(trouble.detail.contains(&format!("`{key}`")), "{trouble}");
        let good = if key == "server_url" { "http://127.0.0.1:9" } else { "x" };
        set(other, key, good).await;
        refresher.refresh().await;
        client(&refresher);
    }
}

async fn what_was_read_stays_while_the_table_is_gone(database: &Arc<Database>, other: &impl Other) {
    let (mut early, mut late) = (refresher(database, None), refresher(database, None));
    early.refresh().await;
    let before = client(&early);
    other.run("ALTER TABLE identity_provider RENAME TO gone").await;
    early.refresh().await;
    assert!(Arc::ptr_eq(&before, &client(&early)));
    late.refresh().await;
    let trouble = trouble(&late);
    assert_eq!(trouble.reason, TempFailReason::SqlError);
    assert!(trouble.detail.starts_with("Keycloak's settings cannot be read: "), "{trouble}");
    assert!(matches!(&*late.rules().get(), Rules::Unknown(_)));
    other.run("ALTER TABLE gone RENAME TO identity_provider").await;
    late.refresh().await;
    client(&late);
}

async fn nothing_was_written(other: &impl Other) {
    let rows = other.ask("SELECT value FROM identity_provider WHERE `key` = 'access_token'").await;
    assert_eq!(rows, [[Some("another".to_owned())]]);
    let rows = other.ask("SELECT COUNT(*) FROM identity_provider").await;
    assert_eq!(rows, [[Some("13".to_owned())]]);
}

/// The two columns are all the right that is needed, and a server that is down is a server that is down.
pub async fn few_rights_are_enough(server: &MariadbServer, other: &impl Other) {
    let (user, _) = USER;
    other
        .run(&format!(
            "REVOKE SELECT ON {DATABASE}.* FROM {user}@localhost;
             GRANT SELECT (`key`, value) ON {DATABASE}.identity_provider TO {user}@localhost"
        ))
        .await;
    let database = Arc::new(super::ground::connect(server).await);
    let mut refresher = refresher(&database, None);
    refresher.refresh().await;
    let before = client(&refresher);
    server.stop().await;
    refresher.refresh().await;
    assert!(Arc::ptr_eq(&before, &client(&refresher)));
    let mut late = self::refresher(&database, None);
    late.refresh().await;
    assert_eq!(trouble(&late).reason, TempFailReason::SqlUnreachable);
    server.start().await;
    late.refresh().await;
    client(&late);
}

fn refresher(database: &Arc<Database>, provisioning: Option<bool>) -> Refresher {
    let keycloak = keycloak::Config::default();
    Refresher::new(
        &Config::default(),
        Arc::clone(database),
        keycloak,
        (provisioning, sync::Config::default()),
    )
}

async fn set(other: &impl Other, key: &str, value: &str) {
    other.run(&format!("UPDATE identity_provider SET value = '{value}' WHERE `key` = '{key}'")).await;
}

fn client(refresher: &Refresher) -> Arc<Client> {
    match &*refresher.source().get() {
        LiveSource::Keycloak { client, .. } => Arc::clone(client),
        other => panic!("{other:?}"),
    }
}

fn mail_passwords(refresher: &Refresher) -> bool {
    matches!(&*refresher.source().get(), LiveSource::Keycloak { mail_passwords: true, .. })
}

fn makes_mailboxes(refresher: &Refresher) -> bool {
    matches!(&*refresher.rules().get(), Rules::Known { enabled: true, .. })
}

fn trouble(refresher: &Refresher) -> TempFail {
    match &*refresher.source().get() {
        LiveSource::Unknown(trouble) => trouble.clone(),
        other => panic!("{other:?}"),
    }
}
