//! How often a work is tried that meets an error of a real MariaDB. A trigger says the server's error numbers; what it has
//! counted in a table without transactions is not rolled back.

use keydove::auth::TempFailReason;
use keydove::backend::sql::{Database, LoginRow};

use super::ground::{Folder, connect};
use super::mariadb::MariadbServer;
use super::others::OtherMariadb;
use super::provisioning::{Other, count, user};

/// Ends without the trigger.
pub async fn each_error_costs_its_tries(database: &Database, other: &OtherMariadb<'_>) {
    other.run("CREATE TABLE tries (number INT) ENGINE = MyISAM").await;
    other.run("CREATE TABLE fault (code INT, times INT) ENGINE = MyISAM").await;
    // Only a number that is written there can be said by SIGNAL.
    let codes = [1213, 1020, 1205, 1047, 1317, 1142, 1644];
    let says: String = codes
        .iter()
        .map(|code| {
            format!("IF this = {code} THEN SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = {code}; END IF;")
        })
        .collect();
    other
        .run(&format!(
            "CREATE TRIGGER trouble BEFORE INSERT ON sasl_log FOR EACH ROW BEGIN \
               DECLARE this INT DEFAULT 0; \
               SELECT code INTO this FROM fault WHERE times > (SELECT COUNT(*) FROM tries); \
               INSERT INTO tries VALUES (1); {says} END"
        ))
        .await;
    use TempFailReason::{SqlError, SqlTimeout, SqlUnreachable};
    for (code, rows, tries, reason) in [
        (1213, 1, 4, SqlError),
        (1213, 2, 4, SqlError),
        (1020, 2, 4, SqlError),
        (1205, 1, 1, SqlTimeout),
        (1205, 2, 1, SqlTimeout),
        (1047, 2, 2, SqlUnreachable),
        (1317, 2, 2, SqlUnreachable),
        // A single statement commits itself, so that nobody knows whether it did; it may be written twice.
        (1047, 1, 4, SqlUnreachable),
        (1142, 2, 1, SqlError),
        (1644, 1, 1, SqlError),
    ] {
        let what = format!("error {code} of a write of {rows} rows");
        let logins: Vec<_> = (0..rows).map(|number| login(code, number)).collect();
        // As often as it is tried: never an answer, and never a refusal.
        set(other, code, 99).await;
        let error = database.write_logins(&logins).await.unwrap_err();
        assert_eq!(
            (error.reason(), count(other, "tries", "1 = 1").await),
            (reason, tries),
            "{what}: {error}"
        );
        // Once less: the last try has the answer.
        set(other, code, tries - 1).await;
        if tries > 1 {
            database.write_logins(&logins).await.unwrap();
            assert_eq!(count(other, "tries", "1 = 1").await, tries + rows - 1, "{what}");
            assert_eq!(count(other, "sasl_log", &format!("app_password = {code}")).await, rows, "{what}");
        }
        other.run("DELETE FROM sasl_log").await;
    }
    other.run("DROP TRIGGER trouble; DROP TABLE tries; DROP TABLE fault").await;
}

fn login(code: u16, number: usize) -> LoginRow {
    LoginRow {
        service: "imap".into(),
        app_password: code.into(),
        user: user(&format!("u{number}@retry.example")),
        remote: [192, 0, 2, 1].into(),
    }
}

/// The next inserts meet this error so often.
async fn set(other: &OtherMariadb<'_>, code: u16, times: usize) {
    other.run("DELETE FROM tries; DELETE FROM fault").await;
    other.run(&format!("INSERT INTO fault VALUES ({code}, {times})")).await;
}

#[tokio::test]
async fn mariadb_errors_are_met_as_the_table_says() {
    let folder = Folder::new("mariadb-retries");
    let server = MariadbServer::install(folder.path()).await;
    let other = OtherMariadb::new(&server).await;
    other.grant("SELECT, INSERT, UPDATE, DELETE, CREATE").await;
    let database = connect(&server).await;
    database.templates().await.unwrap();
    each_error_costs_its_tries(&database, &other).await;
    database.close().await;
}
