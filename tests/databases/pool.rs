//! One budget of connections for the whole process, and logins first: counted on a real MariaDB.
#![expect(clippy::disallowed_methods, reason = "a test starts its own tasks")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use keydove::backend::sql::{Database, LoginRow};
use mysql_async::prelude::Queryable;
use tokio::time::{sleep, timeout};

use super::ground::{Folder, connect_with};
use super::mariadb::{DATABASE, MariadbServer, USER};
use super::others::OtherMariadb;
use super::provisioning::user;

/// Far longer than anything here takes; only a fault uses it up.
const PATIENCE: Duration = Duration::from_secs(60);
const BUDGET: u64 = 4;

async fn open(server: &MariadbServer) -> Arc<Database> {
    let settings = format!("timeout = '50s'\nconnect_timeout = '50s'\nmax_connections = {BUDGET}");
    let database = Arc::new(connect_with(server, &settings).await);
    // keydove's own tables are made.
    database.templates().await.unwrap();
    database
}

/// Jobs that all wait for a lock leave the logins what they need.
pub async fn logins_come_first(server: &MariadbServer) {
    let logins = open(server).await;
    let jobs = Arc::new(logins.for_jobs().await.unwrap());
    let mut holder = server.connect_root(Some(DATABASE)).await;
    holder.query_drop("LOCK TABLES sasl_log WRITE").await.unwrap();
    let writers: Vec<_> = (0..20).map(|number| tokio::spawn(write(Arc::clone(&jobs), number))).collect();
    server.until_a_connection_waits().await;
    for _ in 0..5 {
        let asked = (0..20).map(|_| async { logins.find_mailbox(&user("a@pool.example")).await });
        let found = timeout(PATIENCE, join_all(asked)).await.expect("logins wait behind jobs");
        assert!(found.iter().all(Result::is_ok));
        assert!(connections(server).await <= BUDGET);
    }
    holder.query_drop("UNLOCK TABLES").await.unwrap();
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    // The last handle closes the connections.
    Arc::into_inner(jobs).unwrap().close().await;
    assert!(connections(server).await > 0);
    Arc::into_inner(logins).unwrap().close().await;
    until(server, 0).await;
}

/// However many ask, and whoever they are.
pub async fn there_are_never_more_connections(server: &MariadbServer) {
    let logins = open(server).await;
    let jobs = Arc::new(logins.for_jobs().await.unwrap());
    let mut holder = server.connect_root(Some(DATABASE)).await;
    holder.query_drop("LOCK TABLES mailbox WRITE, sasl_log WRITE").await.unwrap();
    let asks: Vec<_> = (0..40)
        .map(|number| {
            let (logins, jobs) = (Arc::clone(&logins), Arc::clone(&jobs));
            tokio::spawn(async move {
                match number % 2 {
                    0 => drop(logins.find_mailbox(&user("a@pool.example")).await.unwrap()),
                    _ => write(jobs, number).await,
                }
            })
        })
        .collect();
    until(server, BUDGET).await;
    // Whoever is too many has had the time to come.
    for _ in 0..20 {
        assert_eq!(connections(server).await, BUDGET);
        sleep(Duration::from_millis(20)).await;
    }
    holder.query_drop("UNLOCK TABLES").await.unwrap();
    for ask in join_all(asks).await {
        ask.unwrap();
    }
    assert!(connections(server).await <= BUDGET);
}

async fn write(jobs: Arc<Database>, number: u8) {
    let login = LoginRow {
        service: "imap".into(),
        app_password: 0,
        user: user(&format!("u{number}@pool.example")),
        remote: [192, 0, 2, number].into(),
    };
    jobs.write_logins(&[login]).await.unwrap();
}

async fn connections(server: &MariadbServer) -> u64 {
    let mut root = server.connect_root(None).await;
    let count = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = ?";
    root.exec_first(count, (USER.0,)).await.unwrap().unwrap()
}

async fn until(server: &MariadbServer, count: u64) {
    let wait = async {
        while connections(server).await != count {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap();
}

#[tokio::test]
async fn one_budget_of_connections_serves_logins_first() {
    let folder = Folder::new("mariadb-pool");
    let server = MariadbServer::install(folder.path()).await;
    let other = OtherMariadb::new(&server).await;
    other.grant("SELECT, INSERT, UPDATE, DELETE, CREATE").await;
    logins_come_first(&server).await;
    there_are_never_more_connections(&server).await;
}
