//! Settings → running parts: the only file that names every concrete type.

use std::sync::Arc;

use crate::bookkeeping::{Bookkeeper, Worker};
use crate::config::{Config, Secrets};
use crate::decision::Decision;
use crate::frontend::dovecot::{PendingLogins, ServerId};
use crate::hashing::Hasher;
use crate::keycloak::{Client, SetupError};
use crate::passdb::{Passdb, Sources};
use crate::provision::Provisioner;
use crate::redis::Redis;
use crate::userdb::Userdb;
use crate::{bookkeeping, frontend, redis, sql};

/// What all listeners share.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) decision: Arc<Decision>,
    pub(super) server: ServerId,
    pub(super) pending: PendingLogins,
    pub(super) timing: frontend::Config,
}

/// What writes down, and the task behind it.
pub(super) type Bookkeeping = (Bookkeeper, Worker);

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
pub(super) async fn assemble(config: &Config) -> Result<(Parts, Bookkeeping), AssembleError> {
    let bookkeeping = assemble_bookkeeping(config).await?;
    let Secrets { client_secrets, database_password, .. } = config.secrets.duplicate();
    let database = sql::open(&config.storage, database_password).await?;
    let mut clients = Vec::new();
    for (keycloak, client_secret) in config.keycloaks.iter().zip(client_secrets) {
        clients.push((keycloak.domains.clone(), Client::new(keycloak, client_secret)?));
    }
    let hasher = Hasher::start(&config.hashing).map_err(AssembleError::Hashing)?;
    let passdb = Passdb::new(Sources::new(clients), hasher);
    let (userdb, provisioner) = (Userdb::new(&config.userdb), Provisioner::new(&config.provisioning));
    let decision = Decision::new(database, passdb, userdb, provisioner);
    let parts = Parts {
        decision: Arc::new(decision),
        server: ServerId::from_random(getrandom::u32().map_err(AssembleError::Random)?),
        pending: PendingLogins::default(),
        timing: config.login.clone(),
    };
    Ok((parts, bookkeeping))
}

/// With connections of its own, so that no login waits behind what is written down.
async fn assemble_bookkeeping(config: &Config) -> Result<Bookkeeping, AssembleError> {
    let Secrets { database_password, redis_password, .. } = config.secrets.duplicate();
    let database = Arc::new(sql::open(&config.storage, database_password).await?);
    let redis = config.redis.as_ref().map(|redis| Redis::new(redis, redis_password)).transpose()?;
    let provisioner = Arc::new(Provisioner::new(&config.provisioning));
    Ok(bookkeeping::new(&config.bookkeeping, database, provisioner, redis))
}
