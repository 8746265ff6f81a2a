//! The process: assemble the parts, bind the sockets, serve, drain.

mod assemble;
mod assemble_error;
mod assemble_jobs;
mod background;
mod listener;
mod nodes;
mod portal;
mod provider;
mod serve;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::auth::{NotAccepted, Secret, Username};
use crate::backend::sql;
use crate::config::Config;
use crate::frontend::http_login;
use crate::frontend::operations::{BearerToken, BindError, Operations, Server, Tokens, Watched, Watcher};
use crate::jobs::housekeeping;
use crate::jobs::mailcow::Refresher;
use crate::jobs::sync::{Census, End, Readmission, Request, Trouble, Watch};
use crate::login::decision::Explanation;
use crate::login::service::{Arrival, ExplainRequest};
use crate::observe;
use crate::provision::Identity;
use tasks::Tasks;

pub use assemble_error::AssembleError;
pub use background::manual_of_tasks;
pub use listener::ListenError;

/// How long present work may take once the daemon is told to stop. Above the failure delay and the login
/// deadline, below the 10 s after which Postfix gives up by itself.
const GRACE: Duration = Duration::from_secs(7);

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A part cannot be made from its settings.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// A socket cannot be served.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The port of `[http]`.
    #[error(transparent)]
    Http(#[from] BindError),
    /// mailcow's HTTP login.
    #[error(transparent)]
    HttpLogin(#[from] http_login::SetupError),
    /// Its port.
    #[error(transparent)]
    HttpLoginPort(#[from] http_login::OpenError),
    /// The system gives no reactor, random bytes or signals.
    #[error("cannot {step}: {source}")]
    System {
        /// What was attempted.
        step: &'static str,
        /// What went wrong.
        source: std::io::Error,
    },
}

/// Runs the daemon until SIGTERM or SIGINT.
///
/// One thread serves all sockets; hashing and SQLite have threads of their own.
///
/// # Errors
/// Only at start. Once it serves, trouble is answered, logged and survived.
pub fn run(config: Config) -> Result<(), Error> {
    let reactor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::System { step: "start the reactor", source })?;
    reactor.block_on(serve_until_stopped(config))
}

/// Why there was no run of the sync.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// A part cannot be made from its settings.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// It could not begin.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// The system gives no reactor.
    #[error("cannot start the reactor: {0}")]
    Reactor(std::io::Error),
    /// It was told to stop; what was done stays done.
    #[error("stopped by a signal; what was done stays done, and the next run goes on with the rest")]
    Stopped,
}

/// Why housekeeping was not done.
#[derive(Debug, thiserror::Error)]
pub enum HousekeepingError {
    /// A part cannot be made from its settings.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// The database.
    #[error(transparent)]
    Database(#[from] sql::Error),
    /// The system gives no reactor.
    #[error("cannot start the reactor: {0}")]
    Reactor(std::io::Error),
}

/// One run of the sync in this process, beside a daemon that may be serving.
///
/// # Errors
/// There was none, or it was stopped by SIGTERM or SIGINT.
pub fn sync_once(config: &Config, request: &Request, watch: Watch<'_>) -> Result<End, SyncError> {
    let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build();
    reactor.map_err(SyncError::Reactor)?.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(SyncError::Reactor)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(SyncError::Reactor)?;
        let mut sync = assemble::assemble_sync_alone(config).await?;
        let end = tokio::select! {
            end = sync.run(request, watch) => Some(end?),
            _ = terminate.recv() => None,
            _ = interrupt.recv() => None,
        };
        if end.is_none() {
            sync.give_up().await;
        }
        end.ok_or(SyncError::Stopped)
    })
}

/// Everybody in Keycloak and every password in the database counted, beside a daemon that may be serving.
///
/// # Errors
/// It could not begin, or the database could not be asked.
pub fn count_once(config: &Config) -> Result<Census, SyncError> {
    let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build();
    reactor.map_err(SyncError::Reactor)?.block_on(async {
        let sync = assemble::assemble_sync_alone(config).await?;
        Ok(sync.census(config.hashing.schemes.clone()).await?)
    })
}

/// How logins of somebody would end now, with the right password: one explanation for each service. Nothing is made,
/// noted or served, and nothing that a running daemon remembers counts.
///
/// # Errors
/// A part cannot be made from its settings.
pub fn explain_once(
    config: &Config,
    user: &Username,
    services: &[&str],
) -> Result<Vec<Explanation>, AssembleError> {
    let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build();
    reactor.map_err(AssembleError::Reactor)?.block_on(async {
        let spawner = Tasks::default().fetches.spawner();
        let logins = Box::pin(assemble::assemble_service_alone(config, spawner)).await?;
        let mut explanations = Vec::new();
        for service in services {
            let request = ExplainRequest {
                user: user.as_str().to_owned(),
                service: (*service).to_owned(),
                remote: None,
                password: None,
            };
            explanations.push(logins.explain(request, Arrival::now()).await.explanation);
        }
        Ok(explanations)
    })
}

/// How the first login of somebody would end.
#[derive(Debug)]
pub struct FirstLogin {
    /// Of this mail domain.
    pub domain: String,
    /// With this value of the template attribute.
    pub value: Option<String>,
    /// The template that the mailbox would be made from, or what stands against it.
    pub end: Result<String, NotAccepted>,
}

/// How first logins would end in these domains, of somebody without a value of the template attribute and of one with
/// each of these. What they make is taken back.
///
/// # Errors
/// A part cannot be made from its settings.
pub fn rehearse_once(
    config: &Config,
    domains: &[String],
    values: &[String],
) -> Result<Vec<FirstLogin>, AssembleError> {
    let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build();
    reactor.map_err(AssembleError::Reactor)?.block_on(async {
        let (database, provisioner) = assemble::assemble_provisioner_alone(config).await?;
        let number = getrandom::u64().map_err(AssembleError::Random)?;
        let mut ends = Vec::new();
        for domain in domains {
            for value in std::iter::once(None).chain(values.iter().map(Some)) {
                let name = format!("keydove-check-{number:016x}@{domain}");
                let Ok(user) = Username::parse(name.as_bytes()) else { continue };
                let person = Identity {
                    user,
                    keycloak_id: format!("{number:016x}"),
                    source: String::new(),
                    template: value.cloned(),
                    mark: None,
                    first_name: String::new(),
                    last_name: String::new(),
                };
                let end =
                    provisioner.rehearse(&database, &person, tokio::time::Instant::now().into_std()).await;
                let end = end.map(|rehearsed| rehearsed.template);
                ends.push(FirstLogin { domain: domain.clone(), value: value.cloned(), end });
            }
        }
        Ok(ends)
    })
}

/// Mailboxes given back to people with new ids in Keycloak, beside a daemon that may be serving.
///
/// # Errors
/// It could not begin, or the database could not be asked.
pub fn readmit_once(config: &Config, by: &str, dry_run: bool) -> Result<Readmission, SyncError> {
    let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build();
    reactor.map_err(SyncError::Reactor)?.block_on(async {
        let sync = assemble::assemble_sync_alone(config).await?;
        Ok(sync.readmit(by, dry_run).await?)
    })
}

/// One run of housekeeping in this process, beside a daemon that may be serving.
///
/// # Errors
/// The database cannot be asked, or rows may not be deleted. What was deleted stays deleted.
pub fn keep_house_once(config: &Config, dry_run: bool) -> Result<housekeeping::End, HousekeepingError> {
    let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build();
    reactor.map_err(HousekeepingError::Reactor)?.block_on(async {
        let housekeeping = assemble_jobs::assemble_housekeeping(config).await?;
        Ok(housekeeping.run(dry_run).await?)
    })
}

async fn serve_until_stopped(config: Config) -> Result<(), Error> {
    let system = |step| move |source| Error::System { step, source };
    let mut terminate = signal(SignalKind::terminate()).map_err(system("watch for SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system("watch for SIGINT"))?;
    let tasks = Tasks::default();
    let operations = start_operations(&config, &tasks).await?;
    // Sockets last: whoever finds one finds a daemon that can answer.
    let assembled = assemble::assemble(&config, tasks.fetches.spawner()).await?;
    let assemble::Assembled { parts, mut workers } = assembled;
    let sockets = serve::open_sockets(&config.listeners)?;
    let http_login =
        serve::http_login((&config.http_login, config.secrets.duplicate().http_login_token), &parts, &tasks)?;
    for (socket, settings) in sockets.into_iter().zip(&config.listeners) {
        serve::start(socket, settings, (&parts, &http_login), &tasks);
    }
    if let Some(server) = http_login::Server::open(&config.http_login).await? {
        tasks.clients.spawn(server.run(http_login, tasks.clients.stop_signals()));
    }
    operations.watch(Watched {
        decision: Arc::clone(&parts.service.decision),
        default_domain: parts.service.naming.default_domain.clone(),
        bookkeeper: parts.service.bookkeeper.clone(),
        logins: Arc::clone(&parts.service.logins),
        shadow: workers.shadow.clone(),
        settings_trouble: workers.refresher.as_ref().map(Refresher::trouble),
        outlives_outages: !config.cache.stale_limit.get().is_zero(),
        sync: parts.administration.sync.clone(),
    });
    workers.watcher = Some(Watcher::new(Arc::clone(&operations), config.http.listen.is_some()));
    background::start(workers, &tasks);
    operations.note_serving();
    announce(&config);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    operations.note_stopping();
    notify(sd_notify::NotifyState::Stopping);
    tracing::info!("stopping: no new connections, finishing what is open");
    let cut = tasks.drain(GRACE).await;
    observe::flush();
    match cut {
        0 => tracing::info!("stopped"),
        cut => tracing::warn!(cut, "stopped; some connections had to be cut"),
    }
    Ok(())
}

/// The port opens first, so that whoever asks meanwhile hears that keydove starts; it closes last.
async fn start_operations(config: &Config, tasks: &Tasks) -> Result<Arc<Operations>, BindError> {
    let insecure = config.warnings.iter().map(|warning| warning.setting.clone());
    let secrets = config.secrets.duplicate();
    // Loading the configuration has refused a bad one; were it not so, there would be none.
    let token = |token: Option<Secret>| token.map(BearerToken::new).transpose().unwrap_or_default();
    let tokens = Tokens { forget: token(secrets.forget_token), policy: token(secrets.policy_token) };
    let operations = Arc::new(Operations::new(insecure.collect(), tokens));
    if let Some(address) = config.http.listen {
        let server = Server::bind(address).await?;
        let shared = Arc::clone(&operations);
        tasks.last.spawn(|stop| server.run(shared, stop));
    }
    Ok(operations)
}

fn announce(config: &Config) {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    if config.http_login.shadow_url.is_some() {
        tracing::info!("shadow mode: mailcow decides logins over HTTP, and keydove is compared with it");
    }
    tracing::info!(
        listeners = config.listeners.len(),
        version = env!("CARGO_PKG_VERSION"),
        "keydove is ready"
    );
    notify(sd_notify::NotifyState::Ready);
}

/// A service manager that does not listen is no reason to stop.
fn notify(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}
