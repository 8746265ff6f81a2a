//! Everything at once: a mail system whose logins keydove answers.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::dovecot::{Dovecot, Release};
use crate::keycloak::Keycloak;
use crate::keydove::{Keydove, Settings, Storage};
use crate::lazy::Lazy;
use crate::mariadb::MariaDb;
use crate::names::Names;
use crate::postfix::{Folders, Postfix};
use crate::shared::Shared;
use crate::{Failure, Result, Stage, attempt, seed, source_tree};

/// mailcow's tables for a MariaDB that is not mailcow's.
const TABLES: &str = "src/backend/sql/migrations/mariadb/0001_mailboxes.sql";
/// How long a statement waits for keydove to let go of the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the mailboxes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// A file that keydove makes.
    Sqlite,
    /// A server with mailcow's tables.
    MariaDb,
}

/// What to boot.
pub struct Plan<'a> {
    /// The built `keydove`.
    pub binary: &'a Path,
    /// Where the mailboxes are.
    pub database: Database,
    /// How long a refusal takes at least, in keydove's notation.
    pub failure_delay: &'static str,
    /// Whether keydove remembers people and mailboxes as it does by default, or nothing.
    pub remembers: bool,
}

/// Whose MariaDB a system uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenancy {
    /// One database of the server that all share.
    Shared,
    /// A server of its own, which may be stopped.
    Own,
}

/// The running servers, ended in this order on drop.
pub struct System {
    /// Takes submissions. Mail to `example.org` goes to Dovecot, which must have been started for that.
    pub postfix: Lazy<Postfix>,
    /// Serves mail.
    pub dovecot: Lazy<Dovecot>,
    /// Answers logins.
    pub keydove: Keydove,
    /// Knows the people.
    pub keycloak: Keycloak,
    mailboxes: Mailboxes,
    stage: Arc<Stage>,
}

enum Mailboxes {
    Sqlite(PathBuf),
    MariaDb(MariaDb),
}

impl System {
    /// Boots all servers, waits until they are ready, and makes a mailbox for each of the realm's people.
    /// `say` hears of each step.
    pub fn boot(plan: &Plan<'_>, say: &dyn Fn(&str)) -> Result<Self> {
        let stage = Stage::new()?;
        let result = Self::boot_on(&stage, plan, say);
        if result.is_err() {
            stage.keep();
        }
        result
    }

    fn boot_on(stage: &Arc<Stage>, plan: &Plan<'_>, say: &dyn Fn(&str)) -> Result<Self> {
        // It takes longest, so it starts first.
        let mut keycloak = Keycloak::start(stage)?;
        let mailboxes = Mailboxes::own(stage, plan.database)?;
        keycloak.wait_until_ready()?;
        say("Keycloak is up");
        let system = Self::assemble(stage, plan, keycloak, mailboxes)?;
        say("keydove is up");
        system.dovecot.start();
        say("Dovecot is up");
        system.postfix.start();
        say("Postfix is up");
        Ok(system)
    }

    /// Boots keydove beside the servers that all share. The mail servers start when they are first used.
    pub fn join(shared: &Shared, plan: &Plan<'_>, mariadb: Tenancy) -> Result<Self> {
        let stage = Stage::new()?;
        let result = Self::join_on(&stage, shared, plan, mariadb);
        if result.is_err() {
            stage.keep();
        }
        result
    }

    fn join_on(stage: &Arc<Stage>, shared: &Shared, plan: &Plan<'_>, mariadb: Tenancy) -> Result<Self> {
        let mailboxes = match (plan.database, mariadb) {
            (Database::MariaDb, Tenancy::Shared) => Mailboxes::with_tables(shared.mariadb()?)?,
            _ => Mailboxes::own(stage, plan.database)?,
        };
        let keycloak = shared.keycloak()?;
        let tls = stage.path("tls");
        attempt("link", &tls, symlink(keycloak.tls_folder(), &tls))?;
        Self::assemble(stage, plan, keycloak, mailboxes)
    }

    fn assemble(
        stage: &Arc<Stage>,
        plan: &Plan<'_>,
        keycloak: Keycloak,
        mailboxes: Mailboxes,
    ) -> Result<Self> {
        let folders = Folders::prepare(stage)?;
        let settings = Settings {
            names: Names { database: mailboxes.name(), ..keycloak.names() },
            keycloak_url: keycloak.url(),
            storage: mailboxes.storage(),
            dovecot_base: Dovecot::prepare(stage, Release::V2_3)?,
            sasl_socket: folders.sasl_socket(),
            failure_delay: plan.failure_delay,
            remembers: plan.remembers,
        };
        let keydove = Keydove::start(stage, plan.binary, &settings)?;
        mailboxes.execute(&seed::statements()?)?;
        // Both need keydove's sockets from their first client on.
        let (own, lmtp) = (Arc::clone(stage), folders.lmtp_socket());
        let dovecot = Lazy::new("Dovecot", move || Dovecot::start(&own, Release::V2_3, Some(&lmtp)));
        let own = Arc::clone(stage);
        let postfix = Lazy::new("Postfix", move || Postfix::start(&own, &folders));
        Ok(Self { postfix, dovecot, keydove, keycloak, mailboxes, stage: Arc::clone(stage) })
    }

    /// Runs statements in the database of the mailboxes.
    pub fn execute(&self, statements: &str) -> Result<()> {
        self.mailboxes.execute(statements)
    }

    /// Reads rows, every value as a text; NULL is the text `NULL`. No value may hold a tab or a line end.
    pub fn query(&self, statement: &str) -> Result<Vec<Vec<String>>> {
        self.mailboxes.query(statement)
    }

    /// The database server, where there is one.
    pub fn mariadb(&mut self) -> Option<&mut MariaDb> {
        match &mut self.mailboxes {
            Mailboxes::Sqlite(_) => None,
            Mailboxes::MariaDb(server) => Some(server),
        }
    }

    /// Which database it has.
    pub fn database(&self) -> Database {
        match self.mailboxes {
            Mailboxes::Sqlite(_) => Database::Sqlite,
            Mailboxes::MariaDb(_) => Database::MariaDb,
        }
    }

    /// The folder of it all.
    pub fn stage(&self) -> &Arc<Stage> {
        &self.stage
    }
}

impl Mailboxes {
    fn own(stage: &Arc<Stage>, database: Database) -> Result<Self> {
        if database == Database::Sqlite {
            // keydove makes the file when it starts.
            return Ok(Self::Sqlite(stage.folder("keydove")?.join("keydove.sqlite")));
        }
        Self::with_tables(MariaDb::start(stage)?)
    }

    fn with_tables(server: MariaDb) -> Result<Self> {
        server.load(&source_tree().join(TABLES))?;
        Ok(Self::MariaDb(server))
    }

    /// What the server calls the database.
    fn name(&self) -> Option<String> {
        match self {
            Self::Sqlite(_) => None,
            Self::MariaDb(server) => Some(server.database().to_owned()),
        }
    }

    fn storage(&self) -> Storage {
        match self {
            Self::Sqlite(path) => Storage::Sqlite(path.clone()),
            Self::MariaDb(server) => Storage::MariaDb(server.socket().to_owned()),
        }
    }

    fn execute(&self, statements: &str) -> Result<()> {
        match self {
            Self::Sqlite(path) => {
                let run = || {
                    let connection = rusqlite::Connection::open(path)?;
                    connection.busy_timeout(BUSY_TIMEOUT)?;
                    connection.execute_batch(statements)
                };
                run().map_err(|error| Failure(format!("run statements in {}: {error}", path.display())))
            }
            Self::MariaDb(server) => server.execute(statements),
        }
    }

    fn query(&self, statement: &str) -> Result<Vec<Vec<String>>> {
        match self {
            Self::Sqlite(path) => query_file(path, statement)
                .map_err(|error| Failure(format!("ask {}: {error}", path.display()))),
            Self::MariaDb(server) => server.query(statement),
        }
    }
}

fn query_file(path: &Path, statement: &str) -> rusqlite::Result<Vec<Vec<String>>> {
    use rusqlite::types::ValueRef;
    let connection = rusqlite::Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let mut statement = connection.prepare(statement)?;
    let columns = statement.column_count();
    let text = |value: ValueRef<'_>| match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    };
    let rows =
        statement.query_map([], |row| (0..columns).map(|column| row.get_ref(column).map(text)).collect())?;
    rows.collect()
}
