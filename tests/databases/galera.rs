//! A node of a Galera cluster that is the only server of the settings: it is asked like one of several.

use std::time::Duration;

use keydove_stage::free_port;
use mysql_async::prelude::Queryable;
use tokio::time::Instant;

use super::ground::{Folder, connect};
use super::mariadb::MariadbServer;
use super::provisioning::user;

/// Far longer than anything here takes; only a fault uses it up.
const PATIENCE: Duration = Duration::from_secs(60);
const READY: &str = "SHOW GLOBAL STATUS LIKE 'wsrep_ready'";

#[tokio::test]
async fn a_single_node_of_a_cluster_sees_what_was_committed_and_is_an_outage_while_it_is_not_ready() {
    let folder = Folder::new("mariadb-galera");
    let server = MariadbServer::install(folder.path()).await;
    server.stop().await;
    server.start_as_galera(free_port().unwrap()).await;
    until_ready(&server, "ON").await;
    let mut root = server.connect_root(None).await;
    root.query_drop("SET GLOBAL log_output = 'TABLE', general_log = ON").await.unwrap();
    let database = connect(&server).await;
    let alice = user("alice@example.org");
    assert!(database.find_mailbox(&alice).await.unwrap().mailbox.is_none());
    let waits = "SELECT COUNT(*) FROM mysql.general_log WHERE argument = 'SET SESSION wsrep_sync_wait = 1'";
    assert_eq!(root.query_first::<u64, _>(waits).await.unwrap(), Some(1));
    let said = database.servers().await;
    assert!(said[0].state.as_ref().is_ok_and(|state| state.has_galera && state.is_ready), "{said:?}");

    // The server gives up some seconds later, and is not ready from now on.
    let mut other = server.connect_root(None).await;
    let leave = async { other.query_drop("SET GLOBAL wsrep_cluster_address = 'gcomm://127.0.0.1:1'").await };
    let look = async {
        until_ready(&server, "OFF").await;
        // On a connection of before, which the server has ended, and on a new one.
        for _ in 0..2 {
            let error = database.find_mailbox(&alice).await.map(drop).unwrap_err();
            assert_eq!(error.reason().code(), "sql_unreachable", "{error}");
        }
        let said = database.servers().await;
        assert!(said[0].state.as_ref().is_ok_and(|state| !state.is_ready), "{said:?}");
    };
    let (left, ()) = tokio::join!(leave, look);
    // Its own connection may end before it says so.
    drop(left);
    let mut root = server.connect_root(None).await;
    root.query_drop("SET GLOBAL wsrep_cluster_address = 'gcomm://'").await.unwrap();
    until_ready(&server, "ON").await;
    assert!(database.find_mailbox(&alice).await.unwrap().mailbox.is_none());
    database.close().await;
}

/// A server that leaves its cluster ends all connections, so each look has its own.
async fn until_ready(server: &MariadbServer, wanted: &str) {
    let since = Instant::now();
    loop {
        let mut root = server.connect_root(None).await;
        let ready = root.query_first::<(String, String), _>(READY).await;
        if ready.is_ok_and(|ready| ready.is_some_and(|(_, ready)| ready == wanted)) {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "wsrep_ready is not {wanted}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
