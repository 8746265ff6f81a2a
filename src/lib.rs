//! keydove: may this person use this service, and where does their mail live?
//!
//! # One login
//!
//! 1. [`daemon`] accepts a connection on a Unix socket and gives it a task.
//! 2. [`frontend::connection`] reads bytes, cuts them into lines, and hands each to the protocol.
//! 3. [`frontend::dovecot`] understands `AUTH 7 PLAIN service=imap … resp=…`; it is pure, with no socket and no clock.
//! 4. [`sasl`] turns the response into a name and a password.
//! 5. [`decision`] takes the steps of a login in order, in one function.
//! 6. [`sql`] says whether domain and mailbox are hosted here, active, and open for this service.
//! 7. [`passdb`] asks whoever keeps this mailbox's password:
//! 8. [`keycloak`] finds the one person with this address, with a token it keeps;
//! 9. [`hashing`] compares on a thread of its own, [`scheme`] knows how.
//! 10. The [`auth::Verdict`] is accept, refuse or *cannot tell*. No error type converts into a refusal.
//! 11. [`observe`] writes the one log line; a refusal waits for the failure delay.
//! 12. The protocol writes `OK`, `FAIL`, or, to Postfix, closes; a mail process redeems the login and is told what
//!     [`userdb`] makes of the mailbox.
//!
//! # Layers
//!
//! A module uses what stands below it, never beside or above; `tests/house/layers.rs` reads the source and says so.
//!
//! ```text
//! cli  daemon
//! config
//! frontend
//! decision
//! provision
//! passdb  userdb
//! hashing
//! keycloak  sql
//! sasl  scheme  observe
//! settings
//! auth
//! ```
//!
//! Begin with [`auth`], whose words all others speak, then `decision/authenticate.rs`.

pub mod auth;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod decision;
pub mod frontend;
pub mod hashing;
pub mod keycloak;
pub mod observe;
pub mod passdb;
pub mod provision;
pub mod sasl;
pub mod scheme;
pub mod settings;
pub mod sql;
pub mod userdb;
