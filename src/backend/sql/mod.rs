//! The database, as questions: is this address hosted here, and who has a mailbox? What an administrator asks and
//! changes is in `admin`.
//!
//! Two drivers answer the same questions: MariaDB or MySQL with mailcow's tables as they are (`mariadb`),
//! and an embedded SQLite file with the same tables, which keydove creates and migrates (`sqlite`). A question is a
//! `Work` (`session.rs`), written once for both; which errors are met by another try is one table
//! (`retry.rs`).
//! What an answer means for a login is the decision's business; this module never refuses anybody. How long
//! answers are kept is the cache's business.
//!
//! Databases compare names more loosely than keydove does, so every row is compared again here: a row counts
//! only if its own name, in normal form, is byte for byte the name that was asked for.

mod access;
mod admin;
mod app_password;
mod census;
mod changes;
mod config;
mod database;
mod domain_name;
mod error;
mod fence;
mod housekeeping;
mod identity_provider;
mod invalidation;
mod listing;
mod logins;
mod lookup;
mod mailbox;
mod maps;
mod mariadb;
mod marks;
mod migrate;
mod names;
mod nodes;
mod own_tables;
mod person;
mod placement;
mod portal;
mod provision;
mod retry;
mod rights;
mod row;
mod runs;
mod sample;
mod saved;
mod session;
mod sogo;
mod sqlite;
mod switch;
mod sync;

pub use access::AccessSwitches;
pub use admin::{
    AdminError, AliasAddress, AliasRow, AliasSettings, AppPasswordRow, DomainRow, DomainSettings,
    MadeAppPassword, MailboxRow, MailboxSearch, MailboxSettings, NewAppPassword, Obstacle, Revocation,
};
pub use app_password::AppPassword;
pub use census::{StoredHash, StoredIn};
pub use config::{Config, MariadbConfig, SqliteConfig};
pub use database::{Database, back_up, open, open_to_read};
pub use domain_name::DomainName;
pub use error::Error;
pub(crate) use housekeeping::{Leftover, Swept};
pub use identity_provider::{IdentityProviderRows, KEYS as IDENTITY_PROVIDER_KEYS};
pub use invalidation::Invalidation;
pub use logins::LoginRow;
pub(crate) use logins::PastLogin;
pub use lookup::LoginFacts;
pub use mailbox::{AuthSource, Domain, Hosting, Mailbox, MailboxState, Page};
pub use maps::AliasLogins;
pub use mariadb::{Server, ServerState};
pub use marks::{Mark, MarkedOwner};
pub use nodes::{ChangeRow, Followed, HEARTBEAT, MOST_CHANGES, NodeRow, ReadAfter};
pub use person::{OwnerDigest, StoredPerson};
pub use placement::{Candidate, Candidates, MoveFrom, MovedMailbox, Placed, Placements};
pub use portal::{
    AppPasswordOrigin, AppPasswordUse, MailLogin, NewSession, Notice, NoticesDue, NoticesFound, Occasion,
    OwnAppPasswords, SessionEnd, StoredSession, TooManyAppPasswords,
};
pub use provision::ImportedMailbox;
pub use provision::rows::{
    Announced, AttributeChange, Change, Creation, MailboxChanges, MailboxOwner, NewMailboxRows,
    StoredTemplate, UserAcl, WouldChange,
};
pub use rights::{Account, Feature, Lack, Missing, Right, Verb, grants, needed};
pub use runs::{NewRun, RUNS_KEPT, RunEnd, RunRow};
pub(crate) use saved::{SavedAppPassword, SavedMailbox};
pub use sync::{LeaseEnd, LeaseWish, Remembered, Standing, StandingMailbox, SwitchOff};
