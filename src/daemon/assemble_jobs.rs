//! What works beside logins: it writes down, counts, cleans up, follows mailcow and keeps records.

use std::sync::Arc;

use tokio::time::Instant;

use super::assemble_error::AssembleError;
use super::nodes::open_database;
use crate::backend::mailboxes::Mailboxes;
use crate::backend::people::People;
use crate::backend::records::Belonging;
use crate::backend::redis::Redis;
use crate::backend::{keycloak, sql};
use crate::config::{Config, Secrets};
use crate::jobs::RecordKeeper;
use crate::jobs::bookkeeping::{self, Bookkeeper, Worker};
use crate::jobs::housekeeping::Housekeeping;
use crate::jobs::mailcow::Refresher;
use crate::login::throttle;
use crate::provision::Provisioner;

/// Housekeeping alone, for a command.
pub(super) async fn assemble_housekeeping(config: &Config) -> Result<Housekeeping, AssembleError> {
    let password = config.secrets.duplicate().database_password;
    let database = Arc::new(open_database(config, password).await?);
    Ok(Housekeeping::new(&config.housekeeping, database, holder()?))
}

pub(super) fn assemble_bookkeeping(
    config: &Config,
    database: Arc<sql::Database>,
    provisioner: Arc<Provisioner>,
) -> Result<(Bookkeeper, Worker, Housekeeping), AssembleError> {
    let redis = config.redis.as_ref().map(|redis| Redis::new(redis, config.secrets.redis.duplicate()));
    let redis = redis.transpose()?;
    let housekeeping = Housekeeping::new(&config.housekeeping, Arc::clone(&database), holder()?);
    let (bookkeeper, worker) = bookkeeping::new(&config.bookkeeping, database, provisioner, redis);
    Ok((bookkeeper, worker, housekeeping))
}

/// With a connection of its own to Redis, where nodes count together.
pub(super) fn assemble_throttle(
    config: &Config,
) -> Result<(throttle::Throttle, throttle::Keeper), AssembleError> {
    let now = Instant::now().into_std();
    let throttle = throttle::Throttle::new(&config.throttle, now).map_err(AssembleError::Random)?;
    let Secrets { redis: passwords, throttle_key, .. } = config.secrets.duplicate();
    // A warning of the configuration says that nothing is shared without a key.
    let key = throttle_key.filter(|_| config.throttle.enabled && config.throttle.shared);
    let shared = match (&config.redis, key) {
        (Some(redis), Some(key)) => Some((Redis::new(redis, passwords)?, key)),
        _ => None,
    };
    let node = getrandom::u64().map_err(AssembleError::Random)?;
    Ok((throttle.clone(), throttle::Keeper::new(throttle, shared, node)))
}

/// Reads mailcow's settings once, so that the first login finds them. A database that is down is no reason not to
/// start.
pub(super) async fn follow_mailcow(
    config: &Config,
    keycloak: &keycloak::Config,
    database: Arc<sql::Database>,
) -> Result<Refresher, AssembleError> {
    keycloak.check_setup()?;
    let enabled = config.provisioning.enabled;
    let overruling = (enabled, config.sync.clone());
    let mut refresher = Refresher::new(&config.mailcow, database, keycloak.clone(), overruling);
    refresher.refresh().await;
    Ok(refresher)
}

/// Records of other secrets or another database are not restored.
pub(super) fn open_record_keeper(
    config: &Config,
    people: People,
    mailboxes: Mailboxes,
) -> Option<RecordKeeper> {
    let secrets = config.secrets.duplicate();
    let secrets: Vec<_> = secrets.client_secrets.into_iter().chain(secrets.database_password).collect();
    let origin = config.storage.to_string();
    RecordKeeper::open(&config.cache, Belonging { secrets: &secrets, origin: &origin }, people, mailboxes)
}

/// This process, in a word like no other's, for leases.
pub(super) fn holder() -> Result<String, AssembleError> {
    let random = getrandom::u64().map_err(AssembleError::Random)?;
    // For whoever reads it; the random number tells processes apart.
    let host = nix::unistd::gethostname().unwrap_or_default();
    Ok(format!("{}:{}:{random:016x}", host.to_string_lossy(), std::process::id()))
}
