//! The words and forms that keydove's programs share: the daemon and the web portal.
//!
//! * [`auth`]: the words in which logins are spoken of: names, services, verdicts, reasons, secrets.
//! * [`settings`]: the forms in which settings are written.
//! * [`diagnostics`]: how a configuration file is read, and how its faults are shown.
//! * [`portal`]: what the web portal asks the daemon, and what is answered.
//! * [`token`]: Keycloak's tokens: signature, claims, who issued them.
//!
//! No runtime, no sockets, no database: a program that uses this crate links none of them.

pub mod auth;
pub mod diagnostics;
pub mod portal;
pub mod settings;
pub mod token;
