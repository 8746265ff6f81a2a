//! The database, as questions: is this address hosted here, and who has a mailbox? What an administrator asks and
//! changes is in `admin`.
//!
//! Two drivers answer the same questions: MariaDB or MySQL with mailcow's tables as they are ([`Database::Mariadb`]),
//! and an embedded SQLite file with the same tables, which keydove creates and migrates ([`Database::Sqlite`]).
//! What an answer means for a login is the decision's business; this module never refuses anybody. How long
//! answers are kept is the cache's business.
//!
//! Databases compare names more loosely than keydove does, so every row is compared again here: a row counts
//! only if its own name, in normal form, is byte for byte the name that was asked for.

mod access;
mod admin;
mod census;
mod config;
mod error;
mod housekeeping;
mod identity_provider;
mod logins;
mod mailbox;
mod maps;
mod mariadb;
mod marks;
mod migrate;
mod names;
mod provision;
mod rights;
mod rows;
mod sample;
mod saved;
mod session;
mod sogo;
mod sqlite;
mod statements;
mod sync;

// Tokio's clock instead of std's: tests move it.
use tokio::time::Instant;

use crate::auth::{Secret, Username};
use crate::observe::metrics::Calls;
use session::Work;

pub use access::AccessSwitches;
pub use admin::{
    AdminError, AliasAddress, AliasRow, AliasSettings, AppPasswordRow, DomainName, DomainRow, DomainSettings,
    MadeAppPassword, MailboxRow, MailboxSettings, NewAppPassword, Obstacle, Revocation,
};
pub use census::{StoredHash, StoredIn};
pub use config::{Config, MariadbConfig, SqliteConfig};
pub use error::Error;
pub use housekeeping::{Leftover, Swept};
pub use identity_provider::IdentityProviderRows;
pub use logins::{LoginRow, PastLogin};
pub use mailbox::{AuthSource, Domain, Hosting, Mailbox, MailboxState, Page};
pub use maps::AliasLogins;
pub use mariadb::Mariadb;
pub use marks::{Mark, MarkedOwner};
pub use provision::{
    AppPassword, Change, Creation, KnownPerson, MailboxChanges, NewMailboxRows, Owner, StoredTemplate,
    UserAcl,
};
pub use rights::{Account, Feature, Lack, Missing, Right, Verb, grants, needed};
pub use saved::{SavedAppPassword, SavedMailbox};
pub use sqlite::Sqlite;
pub use sync::{LeaseEnd, LeaseWish, Remembered, Standing, StandingMailbox, SwitchOff};

/// An open database. Questions may be asked concurrently; each has its own deadline.
///
/// A caller that goes away cancels its question only: no answer can reach the wrong caller.
pub enum Database {
    /// The embedded file.
    Sqlite(Sqlite),
    /// A server, and a pool of connections to it.
    Mariadb(Mariadb),
}

/// Opens the database that the configuration names.
///
/// A SQLite file is created and migrated. A MariaDB server is not contacted yet, so that keydove starts while it
/// is down; [`Database::check`] says whether it is there and has the tables.
///
/// # Errors
/// [`Error::Settings`] for settings that contradict each other; for SQLite also [`Error::Unreachable`] when the
/// file cannot be opened or created, [`Error::Schema`] when a newer keydove made it, and [`Error::Timeout`].
pub async fn open(config: &Config, password: Option<Secret>) -> Result<Database, Error> {
    config.validate()?;
    match config {
        Config::Sqlite(config) => Sqlite::open(config).await.map(Database::Sqlite),
        Config::Mariadb(config) => Mariadb::new(config, password).map(Database::Mariadb),
    }
}

/// Opens the database to look at it only: a SQLite file is neither created nor migrated.
///
/// # Errors
/// As [`open`].
pub async fn open_to_read(config: &Config, password: Option<Secret>) -> Result<Database, Error> {
    config.validate()?;
    match config {
        Config::Sqlite(config) => Sqlite::open_to_read(config).await.map(Database::Sqlite),
        Config::Mariadb(config) => Mariadb::new(config, password).map(Database::Mariadb),
    }
}

/// Copies a SQLite database into a new file of mode 0600, while others read and write it. All rows of the copy are of
/// one moment. It may take as long as reading the file does.
///
/// # Errors
/// [`Error::Settings`] for a server, which has programs of its own for that. The copy's file is there already, or
/// cannot be written; the database cannot be read. Nothing is left behind then.
pub fn back_up(config: &Config, copy: &std::path::Path) -> Result<(), Error> {
    match config {
        Config::Sqlite(config) => sqlite::back_up(config, copy),
        Config::Mariadb(_) => Err(Error::Settings(
            "the database is a MariaDB server: back it up with mariadb-dump --single-transaction".to_owned(),
        )),
    }
}

impl Database {
    /// Verifies that the database is reachable and has every table and column that is asked for.
    ///
    /// # Errors
    /// [`Error::Schema`] names what is missing or not granted; else as any question.
    pub async fn check(&self) -> Result<(), Error> {
        match self {
            Self::Sqlite(database) => database.check().await,
            Self::Mariadb(database) => database.check().await,
        }
    }

    /// What is known here about an address: its domain, its mailbox, or neither. One statement.
    ///
    /// # Errors
    /// The database cannot be asked, or a row that matters has an impossible value. Never a refusal.
    pub async fn find_mailbox(&self, user: &Username) -> Result<Hosting, Error> {
        let rows = match self {
            Self::Sqlite(database) => database.find_mailbox(user).await,
            Self::Mariadb(database) => database.find_mailbox(user).await,
        }?;
        Hosting::assemble(user, rows)
    }

    /// One page of the mailboxes that receive mail (`active` 1 or 2, resources excepted), in the binary order of
    /// the stored names, as Dovecot's iteration wants them.
    ///
    /// `after` is the [`Page::next`] of the page before; `limit` is the number of rows to read, at least 1.
    /// Names that no login can have are left out, so a page may be short or empty and yet have a next one.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn list_mailboxes(&self, after: Option<&str>, limit: usize) -> Result<Page, Error> {
        let (after, limit) = (after.unwrap_or_default(), limit.max(1));
        let rows = match self {
            Self::Sqlite(database) => database.list_mailboxes(after, limit).await,
            Self::Mariadb(database) => database.list_mailboxes(after, limit).await,
        }?;
        Ok(Page::assemble(rows, limit))
    }

    async fn run<W: Work>(&self, work: W) -> Result<W::Output, Error> {
        match self {
            Self::Sqlite(database) => database.run(work).await,
            Self::Mariadb(database) => database.run(work).await,
        }
    }

    /// Questions so far; of several statements that belong together, as one.
    #[must_use]
    pub fn questions(&self) -> &Calls {
        match self {
            Self::Sqlite(database) => database.questions(),
            Self::Mariadb(database) => database.questions(),
        }
    }

    /// Closes the file or the connections in good order. Nothing is lost without it.
    pub async fn close(self) {
        match self {
            Self::Sqlite(database) => database.close().await,
            Self::Mariadb(database) => database.close().await,
        }
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sqlite(_) => "Sqlite",
            Self::Mariadb(_) => "Mariadb",
        })
    }
}

/// Counts a question.
async fn counted<T>(calls: &Calls, question: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let began = Instant::now();
    let end = question.await;
    calls.count(end.as_ref().map(drop).map_err(Error::reason), began.elapsed());
    end
}
