//! What the servers of the configuration say about themselves, each asked on a connection of its own.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error as DriverError, Opts};
use tokio::time::timeout;

use super::Mariadb;
use crate::backend::sql::database::Database;

const STATUS: &str = "SHOW GLOBAL STATUS WHERE Variable_name IN \
                      ('wsrep_provider_name', 'wsrep_ready', 'wsrep_cluster_status', 'wsrep_cluster_size')";
const VARIABLES: &str =
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('wsrep_provider', 'innodb_flush_log_at_trx_commit')";

/// A server of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// `host:port`, or the socket's path.
    pub place: String,
    /// What it says, or why it says nothing.
    pub state: Result<ServerState, String>,
}

/// What a server says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerState {
    /// Whether it runs with Galera.
    pub has_galera: bool,
    /// Whether it takes statements (`wsrep_ready`). Without Galera it does not say so.
    pub is_ready: bool,
    /// `wsrep_cluster_status`: `Primary` where it has a majority.
    pub cluster_status: String,
    /// `wsrep_cluster_size`: how many servers it sees, itself included.
    pub cluster_size: u32,
    /// `innodb_flush_log_at_trx_commit`: `1` where what is committed is on disk.
    pub flush: String,
}

impl Database {
    /// Asks every server of the configuration, all at one time, each for `connect_timeout` at most. Empty for SQLite.
    pub async fn servers(&self) -> Vec<Server> {
        match self.mariadb() {
            Some(server) => server.servers().await,
            None => Vec::new(),
        }
    }
}

impl Mariadb {
    async fn servers(&self) -> Vec<Server> {
        join_all(self.pool.servers().iter().map(async |options| {
            let state = timeout(self.connect_timeout, ask(options.clone())).await;
            let state = match state {
                Ok(state) => state.map_err(|error| error.to_string()),
                Err(_) => Err(format!("no answer within {:?}", self.connect_timeout)),
            };
            Server { place: place(options), state }
        }))
        .await
    }
}

async fn ask(options: Opts) -> Result<ServerState, DriverError> {
    let mut connection = Conn::new(options).await?;
    let mut said = status(&mut connection).await?;
    said.extend(connection.query::<(String, String), _>(VARIABLES).await?);
    // What does not close so, the server closes itself.
    let _ = connection.disconnect().await;
    let mut take = |name: &str| said.remove(name).unwrap_or_default();
    Ok(ServerState {
        has_galera: !matches!(take("wsrep_provider").as_str(), "" | "none"),
        is_ready: take("wsrep_ready") == "ON",
        cluster_status: take("wsrep_cluster_status"),
        cluster_size: take("wsrep_cluster_size").parse().unwrap_or_default(),
        flush: take("innodb_flush_log_at_trx_commit"),
    })
}

async fn status(connection: &mut Conn) -> Result<BTreeMap<String, String>, DriverError> {
    Ok(connection.query::<(String, String), _>(STATUS).await?.into_iter().collect())
}

/// Whether a server has to run with Galera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Galera {
    /// It is one of several: without Galera it answers, and knows nothing of what the others have committed.
    Must,
    /// It is the only one of the settings: a server by itself, a node of a cluster, or a proxy before one.
    May,
}

/// A connection to a server. One that runs with Galera must be ready: a node that has lost its cluster greets, and answers
/// nothing.
pub(super) async fn connect(options: Opts, galera: Galera) -> Result<Conn, DriverError> {
    let place = place(&options);
    let mut connection = Conn::new(options).await?;
    let status = status(&mut connection).await?;
    let has_galera = status.get("wsrep_provider_name").is_some_and(|provider| !provider.is_empty());
    if !has_galera && galera == Galera::May {
        return Ok(connection);
    }
    if status.get("wsrep_ready").is_some_and(|ready| ready == "ON") {
        connection.query_drop("SET SESSION wsrep_sync_wait = 1").await?;
        return Ok(connection);
    }
    let cluster = status.get("wsrep_cluster_status").map_or("none", String::as_str);
    let detail = format!(
        "the server {place} is not ready (wsrep_ready is not ON, its cluster: {cluster}): it has lost its cluster, is joining it, \
         or runs without Galera"
    );
    Err(DriverError::Other(detail.into()))
}

fn place(options: &Opts) -> String {
    match options.socket() {
        Some(path) => path.to_owned(),
        None => format!("{}:{}", options.ip_or_hostname(), options.tcp_port()),
    }
}
