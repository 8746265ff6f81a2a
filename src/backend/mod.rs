//! The systems that keydove asks, and what it remembers of their answers.
//!
//! * [`keycloak`]: Keycloak's Admin REST API: exactly one person of exactly this address, and whether they are enabled.
//! * [`sql`]: the questions to the database, and its two drivers, MariaDB and SQLite.
//! * [`redis`]: Redis or Valkey, for what several nodes share.
//! * [`kick`]: the command that ends open sessions.
//! * [`mail_hosts`]: the machines that mailboxes live on, where there are several.
//! * [`breaker`]: a backend that is away is left alone for a while.
//! * [`records`]: what a backend said about an address, with its age; nobody asks twice for the same record at once.
//! * [`people`]: the records of people in Keycloak. [`mailboxes`]: the records of mailboxes in the database.
//!
//! Each backend has errors of its own. None of them converts into a refusal.

pub mod breaker;
pub mod keycloak;
pub mod kick;
pub mod mail_hosts;
pub mod mailboxes;
pub mod people;
pub mod records;
pub mod redis;
pub mod sql;
