//! Settings → running parts: the only file that names every concrete type.

use std::sync::Arc;

use crate::cache::Verified;
use crate::config::{Config, Secrets};
use crate::decision::{Decision, Webmail};
use crate::frontend::dovecot::{PendingLogins, ServerId};
use crate::hashing::Hasher;
use crate::keycloak::{Client, SetupError};
use crate::passdb::{Passdb, Sources};
use crate::provision::Provisioner;
use crate::userdb::Userdb;
use crate::{frontend, sql};

/// What all listeners share.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) decision: Arc<Decision>,
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
    /// The hashing threads.
    #[error("cannot start the hashing threads: {0}")]
    Hashing(std::io::Error),
    /// Random bytes.
    #[error("cannot read random bytes: {0}")]
    Random(getrandom::Error),
}

/// Makes every part from its settings.
pub(super) async fn assemble(config: &Config) -> Result<Parts, AssembleError> {
    let Secrets { client_secrets, database_password, single_sign_on } = config.secrets.duplicate();
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
    let decision = Decision::new(database, passdb, Userdb::new(&config.userdb), provisioner, webmail);
    Ok(Parts {
        decision: Arc::new(decision),
        server: ServerId::from_random(getrandom::u32().map_err(AssembleError::Random)?),
        pending: PendingLogins::default(),
        timing: config.login.clone(),
    })
}
