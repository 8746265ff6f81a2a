//! What keydove has for being one of several: the database that all nodes share, and the changes that each follows.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::auth::Secret;
use crate::backend::redis::{self, Redis};
use crate::backend::{mail_hosts, sql};
use crate::config::Config;
use crate::jobs::{ChangeFollower, Wakeups};
use crate::login::decision::Decision;

/// The database, and whom it tells of changes that this process writes.
pub(super) struct Databases {
    pub(super) for_logins: Arc<sql::Database>,
    pub(super) for_jobs: Arc<sql::Database>,
    pub(super) changed: Arc<Notify>,
}

/// Opens it for logins and for what runs beside them.
pub(super) async fn open(config: &Config, password: Option<Secret>) -> Result<Databases, sql::Error> {
    let changed = Arc::default();
    let database = open_database(config, password).await?.telling(Some(Arc::clone(&changed)));
    let for_jobs = Arc::new(database.for_jobs().await?);
    Ok(Databases { for_logins: Arc::new(database), for_jobs, changed })
}

/// With the machines that mailboxes live on.
pub(super) async fn open_database(
    config: &Config,
    password: Option<Secret>,
) -> Result<sql::Database, sql::Error> {
    let database = sql::open(&config.storage, password).await?;
    Ok(database.with_candidates(mail_hosts::candidates(&config.mail_hosts)))
}

/// What other nodes and the commands change is forgotten here. Where there is a Redis, other nodes are told at once that
/// something has changed.
pub(super) fn follow(
    config: &Config,
    database: Arc<sql::Database>,
    decision: &Arc<Decision>,
    (node, changed): (Option<String>, Arc<Notify>),
) -> Result<Option<ChangeFollower>, redis::Error> {
    let Some(node) = node else { return Ok(None) };
    let decision = Arc::clone(decision);
    let take_back = move |outdated: &sql::Invalidation| {
        decision.take_back(outdated);
    };
    let wakeups = match &config.redis {
        Some(settings) => {
            let connect = || Redis::new(settings, config.secrets.redis.duplicate());
            Some(Wakeups::new(connect()?, connect()?, changed))
        }
        None => None,
    };
    Ok(Some(ChangeFollower::new(database, Box::new(take_back), node).woken_by(wakeups)))
}
