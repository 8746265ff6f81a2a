//! A login, from the request to the verdict, the log line and the counters.
//!
//! * [`LoginService`]: a login under its deadline, with log line, counters and history; and the questions without a
//!   password. Each protocol asks it.
//! * [`decision`]: the steps of a login in their order: [`decision::Decision::authenticate`], on one screen.
//! * [`passdb`]: is the password right? One answer per authentication source, then app passwords.
//! * [`userdb`]: where does the mail live? Pure.
//! * [`throttle`]: who guesses, and has to wait; where strikes are counted.

pub mod decision;
pub mod passdb;
pub mod service;
pub mod throttle;
pub mod userdb;

pub use service::LoginService;
