//! The rights that are listed: enough, each needed, and tried out truly, whichever way they came.

use keydove::backend::sql::{Feature, Lack, Right, Verb, grants, needed};

use super::ground::{Folder, connect};
use super::mariadb::{DATABASE, MariadbServer, USER};
use super::others::OtherMariadb;
use super::provisioning::Other;

/// keydove's user has exactly the rights that are listed for these features and MariaDB.
pub async fn give_only(features: &[Feature], server: &MariadbServer, other: &impl Other) {
    let account = format!("'{}'@'localhost'", USER.0);
    other.run(&format!("REVOKE ALL PRIVILEGES, GRANT OPTION FROM {account}")).await;
    let (of_mysql, rights): (Vec<Right>, Vec<Right>) =
        needed(features).into_iter().partition(Right::is_for_mysql);
    assert!(of_mysql.iter().all(|right| right.table == "domain"), "{of_mysql:?}");
    let view = "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = '_sogo_static_view'";
    let has_view = other.ask(view).await[0][0].as_deref() == Some("1");
    for statement in grants(&rights, DATABASE, &account) {
        // A table that only mailcow has is granted where it is.
        if has_view || !statement.contains("_sogo_static_view") {
            other.run(statement.trim_end_matches(';')).await;
        }
    }
    server.kill_connections().await;
}

/// Ends with all rights that are listed.
pub async fn missing_rights_are_found(server: &MariadbServer, other: &impl Other) {
    let account = format!("'{}'@'localhost'", USER.0);
    let missing = async |features: &[Feature]| {
        let database = connect(server).await;
        let missing = database.missing_rights(&needed(features)).await.unwrap();
        assert_eq!(database.account().await.unwrap().unwrap().account, account);
        database.close().await;
        missing
    };
    // With SELECT on everything, what writes is missing, and tables of its own.
    let found = missing(&Feature::ALL).await;
    assert!(found.iter().all(|missing| missing.lack == Lack::Denied || missing.right.is_of_own_table()));
    assert!(
        found.iter().any(|missing| (missing.right.verb, missing.right.table) == (Verb::Insert, "mailbox"))
    );
    assert!(
        !found.iter().any(|missing| (missing.right.verb, missing.right.table) == (Verb::Select, "mailbox"))
    );
    give_only(&Feature::ALL, server, other).await;
    assert_eq!(missing(&Feature::ALL).await, []);
    // Of each right that is taken away, one by one, exactly it is missing.
    for (revoked, verb, table) in [
        ("INSERT (password) ON mailbox", Verb::Insert, "mailbox"),
        ("UPDATE (active) ON alias", Verb::Update, "alias"),
        ("DELETE ON quota2", Verb::Delete, "quota2"),
        ("SELECT (sogo_visible) ON alias", Verb::Select, "alias"),
        ("INSERT ON keydove_person", Verb::Insert, "keydove_person"),
    ] {
        let (what, table_name) = revoked.split_once(" ON ").unwrap();
        other.run(&format!("REVOKE {what} ON {DATABASE}.{table_name} FROM {account}")).await;
        let found = missing(&Feature::ALL).await;
        assert!(!found.is_empty(), "{revoked}");
        for missing in &found {
            assert_eq!((missing.right.verb, missing.right.table), (verb, table), "{revoked}");
            assert_eq!(missing.lack, Lack::Denied);
        }
        // The same by way of a role.
        other.run("CREATE OR REPLACE ROLE mender").await;
        other.run(&format!("GRANT {what} ON {DATABASE}.{table_name} TO mender")).await;
        other.run(&format!("GRANT mender TO {account}")).await;
        other.run(&format!("SET DEFAULT ROLE mender FOR {account}")).await;
        assert_eq!(missing(&Feature::ALL).await, [], "{revoked}, and given by a role");
        other.run(&format!("SET DEFAULT ROLE NONE FOR {account}")).await;
        other.run(&format!("GRANT {what} ON {DATABASE}.{table_name} TO {account}")).await;
    }
    assert_eq!(missing(&Feature::ALL).await, []);
    // Nothing was written by all these trials.
    for table in ["mailbox", "alias", "sasl_log", "keydove_person", "keydove_lease", "user_acl", "quota2"] {
        assert_eq!(other.ask(&format!("SELECT * FROM {table}")).await.len(), 0, "{table}");
    }
    // A column that is not there, and a server that takes nothing.
    other.run("ALTER TABLE tags_mailbox CHANGE tag_name tag VARCHAR(255) NOT NULL").await;
    let found = missing(&[Feature::FirstLogins]).await;
    assert!(
        found
            .iter()
            .any(|missing| missing.right.table == "tags_mailbox"
                && missing.lack != Lack::Refused(String::new()))
    );
    other.run("ALTER TABLE tags_mailbox CHANGE tag tag_name VARCHAR(255) NOT NULL").await;
    other.run("SET GLOBAL read_only = 1").await;
    let found = missing(&Feature::ALL).await;
    assert!(found.iter().any(|missing| matches!(missing.lack, Lack::Refused(_))), "{found:?}");
    other.run("SET GLOBAL read_only = 0").await;
    assert_eq!(missing(&Feature::ALL).await, []);
}

#[tokio::test]
async fn mariadb_is_asked_for_every_right() {
    let folder = Folder::new("mariadb-rights");
    let server = MariadbServer::install(folder.path()).await;
    let other = OtherMariadb::new(&server).await;
    missing_rights_are_found(&server, &other).await;
    give_only(&[Feature::Logins, Feature::Commands], &server, &other).await;
    let database = connect(&server).await;
    super::administration::administration_battery(&database, &other).await;
    database.close().await;
    let features =
        [Feature::Logins, Feature::AppPasswords, Feature::Owners, Feature::FirstLogins, Feature::Templates];
    give_only(&features, &server, &other).await;
    let database = connect(&server).await;
    super::provisioning::provisioning_battery(&database, &other).await;
    database.close().await;
    Box::pin(super::sogo::rows_are_of_mailboxes_that_are_on(&server, &other, &features)).await;
}
