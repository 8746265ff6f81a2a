//! Settings → running parts: the only file that names every concrete type.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::assemble_error::AssembleError;
use super::assemble_jobs::{
    assemble_bookkeeping, assemble_throttle, follow_mailcow, holder, open_record_keeper,
};
use super::background::Workers;
use super::nodes::{self, Databases, open_database};
use super::portal::portal_service;
use crate::auth::{DefaultDomain, ServiceNames};
use crate::backend::keycloak::Client;
use crate::backend::mail_hosts::MailHosts;
use crate::backend::mailboxes::Mailboxes;
use crate::backend::people::{Loss, OnLoss, People, Sources};
use crate::backend::records::Spawner;
use crate::backend::redis::Redis;
use crate::backend::sql::AliasLogins;
use crate::backend::{kick, sql};
use crate::config::{Config, Secrets};
use crate::credential::compared::{Comparisons, Verified};
use crate::credential::hashing::Hasher;
use crate::frontend::control::Administration;
use crate::frontend::dovecot::{PendingLogins, ServerId};
use crate::frontend::portal::PortalService;
use crate::frontend::sasl::ErrorChallenges;
use crate::jobs::bookkeeping::Bookkeeper;
use crate::jobs::mailcow::Refresher;
use crate::jobs::notices::Notices;
use crate::jobs::sync::{Schedule, Sync};
use crate::jobs::{EventFollower, sync};
use crate::login::LoginService;
use crate::login::decision::{Decision, Webmail};
use crate::login::passdb::{MasterUsers, Passdb};
use crate::login::service::Naming;
use crate::login::userdb::Userdb;
use crate::login::{decision, throttle};
use crate::observe::metrics::ShadowMetrics;
use crate::observe::{LoginMetrics, RecentAttempts};
use crate::provision::Provisioner;

/// Reading a large record file takes longer, and goes on while the first logins come.
const RESTORE_PATIENCE: Duration = Duration::from_millis(1200);

/// What all listeners share.
#[derive(Debug)]
pub(super) struct Parts {
    /// Whom every protocol asks.
    pub(super) service: Arc<LoginService>,
    /// What administrators ask.
    pub(super) administration: Arc<Administration>,
    /// What the web portal asks.
    pub(super) portal: Arc<PortalService>,
    pub(super) server: ServerId,
    pub(super) pending: PendingLogins,
    /// What a refused token is told, where tokens are taken.
    pub(super) challenges: Option<Arc<ErrorChallenges>>,
    /// Logins that mailcow decided.
    pub(super) shadow: Arc<ShadowMetrics>,
}

/// Everything, ready to be started.
pub(super) struct Assembled {
    pub(super) parts: Parts,
    pub(super) workers: Workers,
}

/// Makes every part from its settings.
pub(super) async fn assemble(config: &Config, spawner: Spawner) -> Result<Assembled, AssembleError> {
    let Secrets { database_password, single_sign_on, .. } = config.secrets.duplicate();
    let Databases { for_logins: database, for_jobs, changed } =
        nodes::open(config, database_password).await?;
    let (sources, provisioner, refresher) = assemble_sources(config, &for_jobs).await?;
    let hasher = Hasher::start(&config.hashing).map_err(AssembleError::Hashing)?;
    let provisioner = Arc::new(provisioner);
    let schedule = assemble_schedule(config, &for_jobs, (&sources, refresher.as_ref()), &provisioner)?;
    let (kicker, kick_worker) = config.kick.clone().map(kick::new).unzip();
    let in_all = Arc::new(OnceLock::new());
    let on_loss = kicker.clone().map(|kicker| on_loss(config, kicker, Arc::clone(&in_all)));
    let people = People::watched(sources, config.cache.people(), spawner.clone(), on_loss);
    // Set once, here: nobody has lost access before.
    let _ = in_all.set(people.clone());
    let saved_people = people.clone();
    let followers = EventFollower::for_each_source(&people);
    let passdb = assemble_passdb(config, people, hasher)?;
    let notices = Notices::new(&config.notices, Arc::clone(&for_jobs));
    let (bookkeeper, worker, housekeeping) =
        assemble_bookkeeping(config, Arc::clone(&for_jobs), Arc::clone(&provisioner))?;
    let lifetimes = config.cache.mailboxes();
    let mailboxes = Mailboxes::new(Arc::clone(&database), lifetimes, spawner, alias_logins(config));
    let mut keeper = open_record_keeper(config, saved_people, mailboxes.clone());
    if let Some(keeper) = &mut keeper {
        keeper.restore(RESTORE_PATIENCE).await;
    }
    let (throttle, throttle_keeper) = assemble_throttle(config)?;
    let mail_hosts = look_for_hosts(config).await;
    let parts = decision::DecisionParts {
        database,
        mailboxes,
        passdb,
        userdb: Userdb::new(&config.userdb),
        provisioner,
        webmail: Webmail::new(&config.sogo, single_sign_on),
        throttle,
        mail_hosts: mail_hosts.clone(),
        kicker,
        bookkeeper: bookkeeper.clone(),
    };
    let node = config.database_features.contains(&sql::Feature::Changes).then(holder).transpose()?;
    let decision = Decision::new(parts).as_node(node.clone());
    let service = Arc::new(login_service(config, decision, bookkeeper));
    let changes = nodes::follow(config, for_jobs, &service.decision, (node, changed))?;
    let parts = assemble_parts(config, service, schedule.as_ref())?;
    let workers = Workers {
        bookkeeping: Some(worker),
        keeper,
        throttle: Some(throttle_keeper),
        shadow: config.http_login.shadow_url.is_some().then(|| Arc::clone(&parts.shadow)),
        // It watches these parts, so it comes after them.
        watcher: None,
        refresher,
        followers,
        changes,
        schedule,
        kick: kick_worker,
        mail_hosts: mail_hosts.as_ref().map(MailHosts::watch),
        housekeeping: Some(housekeeping),
        notices,
    };
    Ok(Assembled { parts, workers })
}

fn assemble_parts(
    config: &Config,
    service: Arc<LoginService>,
    schedule: Option<&Schedule>,
) -> Result<Parts, AssembleError> {
    Ok(Parts {
        administration: Arc::new(Administration {
            service: Arc::clone(&service),
            in_use: Arc::new(config.in_use.clone()),
            sync: schedule.map(Schedule::status),
        }),
        portal: Arc::new(portal_service(config, &service, schedule)),
        service,
        server: ServerId::from_random(getrandom::u32().map_err(AssembleError::Random)?),
        pending: PendingLogins::default(),
        challenges: challenges(config),
        shadow: Arc::default(),
    })
}

/// The machines that mailboxes live on, with the addresses of their names.
async fn look_for_hosts(config: &Config) -> Option<MailHosts> {
    let hosts = MailHosts::new(&config.backends, &config.mail_hosts)?;
    hosts.look_up_names().await;
    Some(hosts)
}

fn login_service(config: &Config, decision: Decision, bookkeeper: Bookkeeper) -> LoginService {
    LoginService {
        decision: Arc::new(decision),
        bookkeeper,
        logins: Arc::new(LoginMetrics::new(Instant::now().into_std())),
        recent: Arc::new(RecentAttempts::default()),
        naming: naming(config),
        failure_delay: config.login.failure_delay.get(),
        deadline: config.login.deadline.get(),
    }
}

/// A login service alone, for a command: it remembers nothing yet, counts nobody's guesses, and writes nothing down.
pub(super) async fn assemble_service_alone(
    config: &Config,
    spawner: Spawner,
) -> Result<LoginService, AssembleError> {
    let Secrets { database_password, single_sign_on, .. } = config.secrets.duplicate();
    let database = Arc::new(open_database(config, database_password).await?);
    let (sources, provisioner, _) = assemble_sources(config, &database).await?;
    let hasher = Hasher::start(&config.hashing).map_err(AssembleError::Hashing)?;
    let people = People::new(sources, config.cache.people(), spawner.clone());
    let (lifetimes, aliases) = (config.cache.mailboxes(), alias_logins(config));
    let mail_hosts = look_for_hosts(config).await;
    let decision = Decision::new(decision::DecisionParts {
        mailboxes: Mailboxes::new(Arc::clone(&database), lifetimes, spawner, aliases),
        database,
        passdb: assemble_passdb(config, people, hasher)?,
        userdb: Userdb::new(&config.userdb),
        provisioner: Arc::new(provisioner),
        webmail: Webmail::new(&config.sogo, single_sign_on),
        throttle: throttle::Throttle::disabled(),
        mail_hosts,
        kicker: None,
        bookkeeper: Bookkeeper::disabled(),
    });
    Ok(login_service(config, decision, Bookkeeper::disabled()))
}

/// What makes mailboxes alone, for a command.
pub(super) async fn assemble_provisioner_alone(
    config: &Config,
) -> Result<(Arc<sql::Database>, Provisioner), AssembleError> {
    let password = config.secrets.duplicate().database_password;
    let database = Arc::new(open_database(config, password).await?);
    let (_, provisioner, _) = assemble_sources(config, &database).await?;
    Ok((database, provisioner))
}

fn assemble_passdb(config: &Config, people: People, hasher: Hasher) -> Result<Passdb, AssembleError> {
    let comparisons = Comparisons::new(Verified::new().map_err(AssembleError::Random)?);
    Ok(Passdb::new(people, hasher, comparisons, config.app_passwords.clone())
        .with_tokens(config.oauth.clone())
        .with_master_users(config.master_users.clone().map(MasterUsers::new)))
}

/// Whose sessions are ended; `people` are those who are known.
fn on_loss(config: &Config, kicker: kick::Kicker, people: Arc<OnceLock<People>>) -> OnLoss {
    let ends_at_new_password = config.kick.as_ref().is_some_and(|kick| kick.password_changes);
    Arc::new(move |user, loss| {
        if loss != Loss::NewPassword || ends_at_new_password {
            let in_all = people.get().map_or(0, |people| people.counts().entries as u64);
            kicker.kick(user, (loss.name(), loss.cause()), in_all);
        }
    })
}

fn alias_logins(config: &Config) -> AliasLogins {
    AliasLogins { domains: config.login.alias_domains, addresses: config.login.aliases }
}

/// Loading the configuration has refused what cannot be read here.
fn naming(config: &Config) -> Naming {
    let mut services = ServiceNames::default();
    for (name, target) in &config.login.services {
        let _ = services.allow(name, target);
    }
    let default_domain = DefaultDomain::new(config.login.default_domain.as_deref()).unwrap_or_default();
    let master_separator = config.master_users.as_ref().map(|masters| masters.separator);
    Naming { services, default_domain, master_separator }
}

/// Clients are shown the way to a token where there is one only.
fn challenges(config: &Config) -> Option<Arc<ErrorChallenges>> {
    let oauth = config.oauth.as_ref()?;
    let own = match config.keycloaks.as_slice() {
        [(address, keycloak)] if config.mailcow_keycloak.is_none() => {
            Some(format!("{}/.well-known/openid-configuration", address.issuer(keycloak.public_url.as_ref())))
        }
        _ => None,
    };
    let openid_configuration = oauth.openid_configuration.as_deref().or(own.as_deref());
    Some(Arc::new(ErrorChallenges::new(oauth.scope.as_deref(), openid_configuration)))
}

/// Every Keycloak, and the rules for new mailboxes.
async fn assemble_sources(
    config: &Config,
    database: &Arc<sql::Database>,
) -> Result<(Sources, Provisioner, Option<Refresher>), AssembleError> {
    let client_secrets = config.secrets.duplicate().client_secrets;
    let mut clients = Vec::new();
    for ((address, keycloak), client_secret) in config.keycloaks.iter().zip(client_secrets) {
        clients.push((keycloak.domains.clone(), Client::new(address.clone(), keycloak, client_secret)?));
    }
    let sources = Sources::new(clients);
    let only_compares = config.database_features.contains(&sql::Feature::Comparisons);
    let careful = |provisioner: Provisioner| match only_compares {
        true => provisioner.that_only_reads(),
        false => provisioner,
    };
    let Some(keycloak) = &config.mailcow_keycloak else {
        return Ok((sources, careful(Provisioner::new(&config.provisioning)), None));
    };
    let refresher = follow_mailcow(config, keycloak, Arc::clone(database)).await?;
    let provisioner = careful(Provisioner::with_rules(&config.provisioning, refresher.rules()));
    Ok((sources.with_live(&keycloak.domains, refresher.source()), provisioner, Some(refresher)))
}

/// A sync alone, for a command: mailcow's settings are those of this moment.
pub(super) async fn assemble_sync_alone(config: &Config) -> Result<Sync, AssembleError> {
    let password = config.secrets.duplicate().database_password;
    let database = Arc::new(open_database(config, password).await?);
    let (sources, provisioner, refresher) = assemble_sources(config, &database).await?;
    let mut sync = assemble_sync(config, database, sources, Arc::new(provisioner))?;
    if let Some(refresher) = refresher {
        // Whoever calls for a run wants all of it.
        sync.want(&sync::Wanted { updates: true, ..*refresher.wanted().get() });
    }
    Ok(sync)
}

/// The sync, where it has an interval.
fn assemble_schedule(
    config: &Config,
    database: &Arc<sql::Database>,
    (sources, refresher): (&Sources, Option<&Refresher>),
    provisioner: &Arc<Provisioner>,
) -> Result<Option<Schedule>, AssembleError> {
    // In shadow mode mailcow does what it does.
    let follows = config.sync.interval.is_none() && config.http_login.shadow_url.is_none();
    let plan = match refresher {
        Some(refresher) if follows => sync::Plan::Mailcow(refresher.wanted()),
        _ if config.sync.interval().is_zero() => return Ok(None),
        Some(refresher) => sync::Plan::Mailcow(refresher.wanted()),
        None => sync::Plan::Configured(config.sync.wanted()),
    };
    let sync = assemble_sync(config, Arc::clone(database), sources.clone(), Arc::clone(provisioner))?;
    let jitter = f64::from(getrandom::u32().map_err(AssembleError::Random)?) / f64::from(u32::MAX);
    Ok(Some(Schedule::new(sync, plan, jitter)))
}

fn assemble_sync(
    config: &Config,
    database: Arc<sql::Database>,
    sources: Sources,
    provisioner: Arc<Provisioner>,
) -> Result<Sync, AssembleError> {
    let redis = config.redis.as_ref().map(|redis| Redis::new(redis, config.secrets.redis.duplicate()));
    let redis = redis.transpose()?;
    let parts = sync::SyncParts {
        database,
        sources,
        provisioner,
        redis,
        kick: config.kick.clone(),
        holder: holder()?,
    };
    Ok(Sync::new(config.sync.clone(), parts))
}
