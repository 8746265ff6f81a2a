//! keydove: may this person use this service, and where does their mail live?
//!
//! A guided tour. keydove is a daemon on Unix sockets. Dovecot and Postfix ask it about every login in Dovecot's
//! auth protocol; it looks the mailbox up in SQL and the person in Keycloak, verifies a password hash, and
//! answers with one of three verdicts: accept, refuse, cannot tell.
//!
//! # The layers
//!
//! A module uses only what stands on a lower row. Modules on one row do not see each other; `tests/house/layers.rs`
//! holds them to it.
//!
//! | row | modules | what they are |
//! |---|---|---|
//! | 13 | [`cli`] | the command line: `serve`, `check`, the administrator's commands, exit codes |
//! | 12 | [`daemon`] | the process: parts assembled, sockets bound, tasks started and drained |
//! | 11 | [`config`] | the file, its faults with line and caret, the secrets it points at |
//! | 10 | [`frontend`], [`operations`] | protocols (pure) and the one loop that gives them a socket and a clock, and mailcow's HTTP login; metrics and probes over HTTP |
//! | 9 | [`decision`], [`sync`], [`housekeeping`] | the steps of a login, in order; everybody in Keycloak gone through; rows that nobody needs any more deleted |
//! | 8 | [`bookkeeping`], [`mailcow`] | what is written down after a login; Keycloak's settings from mailcow's own table |
//! | 7 | [`provision`] | mailboxes from templates, at the first login |
//! | 6 | [`passdb`], [`userdb`] | is the password right; where does the mail live |
//! | 5 | [`hashing`], [`throttle`] | the threads on which passwords are hashed; who guesses, and has to wait |
//! | 4 | [`keycloak`], [`redis`], [`sql`], [`kick`] | the backends, each with its own errors; the command that ends open sessions |
//! | 3 | [`sasl`], [`scheme`], [`token`], [`observe`], [`cache`], [`breaker`], [`load`] | mechanisms; `{SCHEME}` hashes; access tokens; the log line; what is remembered; backends that are left alone; the load client |
//! | 2 | [`settings`] | the forms in which settings are written |
//! | 1 | [`auth`] | the words that all others speak |
//!
//! `auth`, `settings`, `sasl`, `scheme`, `token`, `userdb`, `frontend::dovecot`, `frontend::hook` and
//! `frontend::postfix` are pure: no runtime, no sockets, no files, no clock, no log. They are tested by calling them.
//!
//! # In which order to read
//!
//! 1. [`auth`], for the words, and of it [`auth::Verdict`], [`auth::Denial`], [`auth::TempFailReason`].
//! 2. [`decision::Decision::authenticate`]: the whole decision, on one screen; [`decision::Decision::explain`] tells
//!    the same to an administrator.
//! 3. [`frontend::Protocol`], the one trait, and [`frontend::connection::serve`], the loop around it.
//! 4. [`frontend::dovecot`], for what is said on the wire; [`frontend::hook`] is the same made small;
//!    [`frontend::postfix`], for what Postfix asks beside logins.
//! 5. The backends, as they are needed: [`passdb`], [`keycloak`], [`sql`], [`scheme`].
//!
//! # One login, from bytes to bytes
//!
//! 1. A login process connects; [`daemon`] accepts and gives the connection a cookie and a task.
//! 2. [`frontend::connection::serve`] reads bytes; [`frontend::LineBuffer`] cuts them into bounded lines.
//! 3. [`frontend::dovecot::AuthClient`] takes the `AUTH` line: service, address, mechanism, response.
//! 4. [`sasl::Exchange`] makes name and credential of the response, or asks for more.
//! 5. The protocol puts a [`frontend::Question`]; the loop starts its clock and asks the decision.
//! 6. [`decision::Decision::authenticate`] judges name, password form and service, and asks nobody for that.
//! 7. [`sql::Database::find_mailbox`]: is the domain on, the mailbox on, the service on for it?
//! 8. [`passdb::Passdb::find_owner`] goes where the mailbox's `authsource` says, and to the Keycloak of its domain.
//! 9. [`keycloak::Client::find_person`]: exactly one person of exactly this address, enabled ([`keycloak::AccountState`]), with all that is demanded?
//! 10. [`cache::Verified`] may know this password and hash; else [`hashing::Hasher::verify`] checks cost and scheme ([`scheme`]), then hashes on a thread of its own.
//! 11. The [`auth::Verdict`] comes back; [`observe::LoginRecord`] writes the one line; a refusal waits.
//! 12. The protocol writes `OK` or `FAIL`, or closes for Postfix. A success waits in
//!     [`frontend::dovecot::PendingLogins`] for the mail process, which asks [`frontend::dovecot::AuthMaster`] and is
//!     told what [`userdb`] makes of the mailbox.
//!
//! # What holds it together
//!
//! No error of a backend converts into an [`auth::Denial`]. A step of the decision fails with
//! [`auth::NotAccepted`], which is made of a denial or of an [`auth::TempFail`] and of nothing else. So whoever
//! adds a backend must say what its failures mean, and cannot say "refused" by accident.
//!
//! `docs/architecture.md` tells of start, tasks and shutdown; README.md is for administrators.

pub mod auth;
pub mod bookkeeping;
pub mod breaker;
pub mod cache;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod decision;
pub mod frontend;
pub mod hashing;
pub mod housekeeping;
pub mod keycloak;
pub mod kick;
pub mod load;
pub mod mailcow;
pub mod observe;
pub mod operations;
pub mod passdb;
pub mod provision;
pub mod redis;
pub mod sasl;
pub mod scheme;
pub mod settings;
pub mod sql;
pub mod sync;
pub mod throttle;
pub mod token;
pub mod userdb;
