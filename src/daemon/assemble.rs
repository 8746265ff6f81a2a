//! Settings → running parts: the only file that names every concrete type.

use std::sync::Arc;

use tokio::time::Instant;

use super::record_keeper::RecordKeeper;
use crate::bookkeeping::{Bookkeeper, Worker};
use crate::cache::{Comparisons, Spawner, Verified};
use crate::config::{Config, Secrets};
use crate::decision::{Decision, Mailboxes, Webmail};
use crate::frontend::dovecot::{PendingLogins, ServerId};
use crate::hashing::Hasher;
use crate::keycloak::{Client, SetupError};
use crate::mailcow::Refresher;
use crate::observe::LoginMetrics;
use crate::observe::metrics::ShadowMetrics;
use crate::passdb::{EventFollower, Passdb, People, Sources};
use crate::provision::Provisioner;
use crate::redis::Redis;
use crate::userdb::Userdb;
use crate::{bookkeeping, decision, frontend, keycloak, redis, sql};

/// What all listeners share.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) decision: Arc<Decision>,
    pub(super) bookkeeper: Bookkeeper,
    pub(super) logins: Arc<LoginMetrics>,
    pub(super) server: ServerId,
    pub(super) pending: PendingLogins,
    pub(super) timing: frontend::Config,
    /// Logins that mailcow decided.
    pub(super) shadow: Arc<ShadowMetrics>,
}

/// Everything, ready to be started.
pub(super) struct Assembled {
    pub(super) parts: Parts,
    /// Writes down what the listeners have noted.
    pub(super) worker: Worker,
    /// Keeps mailcow's settings up to date, where they are used.
    pub(super) refresher: Option<Refresher>,
    /// Keeps what is known over a restart, where that is wanted.
    pub(super) keeper: Option<RecordKeeper>,
    /// Forget people who change in Keycloak.
    pub(super) followers: Vec<EventFollower>,
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
pub(super) async fn assemble(config: &Config, spawner: Spawner) -> Result<Assembled, AssembleError> {
    let Secrets { client_secrets, database_password, single_sign_on, .. } = config.secrets.duplicate();
    let database = Arc::new(sql::open(&config.storage, database_password).await?);
    let mut clients = Vec::new();
    for ((address, keycloak), client_secret) in config.keycloaks.iter().zip(client_secrets) {
        clients.push((keycloak.domains.clone(), Client::new(address.clone(), keycloak, client_secret)?));
    }
    let sources = Sources::new(clients);
    let (sources, provisioner, refresher) = match &config.mailcow_keycloak {
        None => (sources, Provisioner::new(&config.provisioning), None),
        Some(keycloak) => {
            let refresher = follow_mailcow(config, keycloak).await?;
            let provisioner = Provisioner::with_rules(&config.provisioning, refresher.rules());
            (sources.with_live(&keycloak.domains, refresher.source()), provisioner, Some(refresher))
        }
    };
    let hasher = Hasher::start(&config.hashing).map_err(AssembleError::Hashing)?;
    let comparisons = Comparisons::new(Verified::new().map_err(AssembleError::Random)?);
    let people = People::new(sources, config.cache.people(), spawner.clone());
    let saved_people = people.clone();
    let followers = people.event_followers();
    let passdb = Passdb::new(people, hasher, comparisons, config.app_passwords.clone());
    let provisioner = Arc::new(provisioner);
    let (bookkeeper, worker) = assemble_bookkeeping(config, Arc::clone(&provisioner)).await?;
    let mailboxes = Mailboxes::new(Arc::clone(&database), config.cache.mailboxes(), spawner);
    let keeper = RecordKeeper::open(config, saved_people, mailboxes.clone());
    if let Some(keeper) = &keeper {
        keeper.restore();
    }
    let parts = decision::Parts {
        database,
        mailboxes,
        passdb,
        userdb: Userdb::new(&config.userdb),
        provisioner,
        webmail: Webmail::new(&config.sogo, single_sign_on),
        bookkeeper: bookkeeper.clone(),
    };
    let parts = Parts {
        bookkeeper,
        logins: Arc::new(LoginMetrics::new(Instant::now().into_std())),
        decision: Arc::new(Decision::new(parts)),
        server: ServerId::from_random(getrandom::u32().map_err(AssembleError::Random)?),
        pending: PendingLogins::default(),
        timing: config.login.clone(),
        shadow: Arc::default(),
    };
    Ok(Assembled { parts, worker, refresher, keeper, followers })
}

/// With connections of its own, so that no login waits behind what is written down.
async fn assemble_bookkeeping(
    config: &Config,
    provisioner: Arc<Provisioner>,
) -> Result<(Bookkeeper, Worker), AssembleError> {
    let Secrets { database_password, redis_password, .. } = config.secrets.duplicate();
    let database = Arc::new(sql::open(&config.storage, database_password).await?);
    let redis = config.redis.as_ref().map(|redis| Redis::new(redis, redis_password)).transpose()?;
    Ok(bookkeeping::new(&config.bookkeeping, database, provisioner, redis))
}

/// Reads mailcow's settings once, so that the first login finds them. A database that is down is no reason not to
/// start. It is a connection of its own: the settings need not wait for logins, nor logins for them.
async fn follow_mailcow(config: &Config, keycloak: &keycloak::Config) -> Result<Refresher, AssembleError> {
    keycloak.check_setup()?;
    let password = config.secrets.duplicate().database_password;
    let database = Arc::new(sql::open(&config.storage, password).await?);
    let enabled = config.provisioning.enabled;
    let mut refresher = Refresher::new(&config.mailcow, database, keycloak.clone(), enabled);
    refresher.refresh().await;
    Ok(refresher)
}
