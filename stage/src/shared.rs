//! The servers that all cases of one run share, because they start slowly: Keycloak and MariaDB. Each is started once,
//! and each system has a realm or a database of its own there.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use crate::keycloak::Keycloak;
use crate::keycloak_server::Server;
use crate::mariadb::MariaDb;
use crate::realms::Realms;
use crate::{Failure, Result, Stage};

/// Ended with its last user.
pub struct Shared {
    stage: Arc<Stage>,
    keycloak: Once<Arc<Realms>>,
    /// Started ahead, because it takes longest.
    starting: Mutex<Option<Server>>,
    mariadb: Once<Arc<MariaDb>>,
    databases: AtomicU32,
}

/// A start that failed is not tried again: whoever needs it fails with its reason.
type Once<T> = OnceLock<std::result::Result<T, String>>;

impl Shared {
    /// Starts what takes longest, and waits for nothing.
    pub fn start() -> Result<Arc<Self>> {
        let stage = Stage::new()?;
        let server = Server::start(&stage)?;
        server.prefer();
        let starting = Mutex::new(Some(server));
        let (keycloak, mariadb) = (OnceLock::new(), OnceLock::new());
        Ok(Arc::new(Self { stage, keycloak, starting, mariadb, databases: AtomicU32::new(0) }))
    }

    /// A realm that nobody else uses.
    pub fn keycloak(&self) -> Result<Keycloak> {
        let start = || {
            let since = Instant::now();
            let server = self.starting.lock().unwrap_or_else(PoisonError::into_inner).take();
            let mut server = server.ok_or_else(|| "Keycloak was not started".to_owned())?;
            server.wait_until_ready().map_err(|failure| failure.0)?;
            let realms = Realms::new(server).map_err(|failure| failure.0)?;
            eprintln!("Keycloak is up after {:.1} s", since.elapsed().as_secs_f64());
            Ok(Arc::new(realms))
        };
        let realms = self.keycloak.get_or_init(start).as_ref().map_err(|reason| Failure(reason.clone()))?;
        Keycloak::join(realms.lease()?)
    }

    /// An empty database that nobody else uses.
    pub fn mariadb(&self) -> Result<MariaDb> {
        let start = || {
            let since = Instant::now();
            let server = MariaDb::start(&self.stage).map_err(|failure| failure.0)?;
            eprintln!("MariaDB is up after {:.1} s", since.elapsed().as_secs_f64());
            Ok(Arc::new(server))
        };
        let server = self.mariadb.get_or_init(start).as_ref().map_err(|reason| Failure(reason.clone()))?;
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        MariaDb::join(server, format!("mailcow_{number}"))
    }

    /// Leaves the logs for somebody to look at.
    pub fn keep(&self) {
        self.stage.keep();
    }
}
