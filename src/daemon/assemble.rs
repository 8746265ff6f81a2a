//! Settings → running parts: the only file that names every concrete type.

use std::sync::Arc;

use crate::bookkeeping::{Bookkeeper, Worker};
use crate::cache::Verified;
use crate::config::{Config, Secrets};
use crate::decision::{Decision, Webmail};
use crate::frontend::dovecot::{PendingLogins, ServerId};
use crate::hashing::Hasher;
use crate::keycloak::{Client, SetupError};
use crate::passdb::{Passdb, Sources};
use crate::provision::Provisioner;
use crate::redis::Redis;
use crate::userdb::Userdb;
use crate::{bookkeeping, decision, frontend, redis, sql};

/// What all listeners share.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) decision: Arc<Decision>,
    pub(super) bookkeeper: Bookkeeper,
    pub(super) server: ServerId,
    pub(super) pending: PendingLogins,
    pub(super) timing: frontend::Config,
}

/// Why a part cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// The Keycloak client.
    #[error(transparent)]
    Keycloak(#[from] SetupError),
    /// The database.
    #[error(transparent)]
    Database(#[from] sql::Error),
    /// Redis.
    #[error(transparent)]
    Redis(#[from] redis::Error),
    /// The hashing threads.
    #[error("cannot start the hashing threads: {0}")]
    Hashing(std::io::Error),
    /// Random bytes.
    #[error("cannot read random bytes: {0}")]
    Random(getrandom::Error),
}

/// Makes every part from its settings.
pub(super) async fn assemble(config: &Config) -> Result<(Parts, Worker), AssembleError> {
    let (bookkeeper, worker) = assemble_bookkeeping(config).await?;
    let Secrets { client_secrets, database_password, single_sign_on, .. } = config.secrets.duplicate();
    let database = Arc::new(sql::open(&config.storage, database_password).await?);
    let mut clients = Vec::new();
    for (keycloak, client_secret) in config.keycloaks.iter().zip(client_secrets) {
        clients.push((keycloak.domains.clone(), Client::new(keycloak, client_secret)?));
    }
    let hasher = Hasher::start(&config.hashing).map_err(AssembleError::Hashing)?;
    let verified = Verified::new().map_err(AssembleError::Random)?;
    let passdb = Passdb::new(Sources::new(clients), hasher, verified, config.app_passwords.clone());
    let provisioner = Arc::new(Provisioner::new(&config.provisioning));
    let webmail = Webmail::new(&config.sogo, single_sign_on);
    let parts = decision::Parts {
        database,
        passdb,
        userdb: Userdb::new(&config.userdb),
        provisioner,
        webmail,
        bookkeeper: bookkeeper.clone(),
    };
    let parts = Parts {
        bookkeeper,
        decision: Arc::new(Decision::new(parts)),
        server: ServerId::from_random(getrandom::u32().map_err(AssembleError::Random)?),
        pending: PendingLogins::default(),
        timing: config.login.clone(),
    };
    Ok((parts, worker))
}

/// With connections of its own, so that no login waits behind what is written down.
async fn assemble_bookkeeping(config: &Config) -> Result<(Bookkeeper, Worker), AssembleError> {
    let Secrets { database_password, redis_password, .. } = config.secrets.duplicate();
    let database = Arc::new(sql::open(&config.storage, database_password).await?);
    let redis = config.redis.as_ref().map(|redis| Redis::new(redis, redis_password)).transpose()?;
    let provisioner = Arc::new(Provisioner::new(&config.provisioning));
    Ok(bookkeeping::new(&config.bookkeeping, database, provisioner, redis))
}
