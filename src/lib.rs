//! keydove: may this person use this service, and where does their mail live?
//!
//! A guided tour. keydove is a daemon on Unix sockets. Dovecot and Postfix ask it about every login in Dovecot's
//! auth protocol; it looks the mailbox up in SQL and the person in Keycloak, verifies a password hash, and
//! answers with one of three verdicts: accept, refuse, cannot tell.
//!
//! # The rooms
//!
//! The folders are the layers: a room uses only those below it. `tests/house/layers.rs` holds them to it, also within a
//! room, and compares this table with its own.
//!
//! | room | what it is |
//! |---|---|
//! | [`cli`] | the command line: `serve`, `check`, `setup`, the administrator's commands, exit codes |
//! | [`daemon`] | the process: parts assembled, sockets bound, tasks started and drained |
//! | [`config`] | the file, its faults with line and caret, the secrets it points at |
//! | [`frontend`] | protocols (pure), the one loop that gives them a socket and a clock, mailcow's HTTP login, metrics and probes |
//! | [`login`] | the decision and what it asks: passwords, where the mail lives, who has to wait |
//! | [`jobs`] | what is written down after logins; sync, housekeeping, events, settings from mailcow |
//! | [`provision`] | mailboxes from templates, at the first login |
//! | [`backend`] | Keycloak, SQL, Redis, each with its own errors; what is remembered of their answers |
//! | [`credential`] | `{SCHEME}` hashes, the hashing threads, compared passwords |
//! | [`observe`] | the log line, counters |
//! | [`token`] | Keycloak's tokens |
//! | [`portal`] | what the web portal asks, and what is answered |
//! | [`diagnostics`] | how a configuration file is read, and how its faults are shown |
//! | [`settings`] | the forms in which settings are written |
//! | [`auth`] | the words that all others speak |
//!
//! The last five are the crate `keydove-words` in `words/`, which the web portal uses, too.
//!
//! `auth`, `settings`, `portal`, `token`, `credential::scheme`, `login::userdb`, `frontend::dovecot`, `frontend::hook`,
//! `frontend::postfix` and `frontend::sasl` are pure: no runtime, no sockets, no files, no clock, no log. They are tested
//! by calling them.
//!
//! # In which order to read
//!
//! 1. [`auth`], for the words, and of it [`auth::Verdict`], [`auth::Denial`], [`auth::TempFailReason`].
//! 2. [`login::decision::Decision::authenticate`]: the whole decision, on one screen;
//!    [`login::decision::Decision::explain`] tells the same to an administrator.
//! 3. [`login::LoginService`], which gives a login its deadline, its log line and its counters;
//!    [`frontend::Protocol`], the one trait, and [`frontend::connection::serve`], the loop around it.
//! 4. [`frontend::dovecot`], for what is said on the wire; [`frontend::hook`] is the same made small;
//!    [`frontend::postfix`], for what Postfix asks beside logins.
//! 5. The backends, as they are needed: [`backend::keycloak`], [`backend::sql`]; and [`credential::scheme`].
//!
//! # One login, from bytes to bytes
//!
//! 1. A login process connects; [`daemon`] accepts and gives the connection a cookie and a task.
//! 2. [`frontend::connection::serve`] reads bytes; [`frontend::LineBuffer`] cuts them into bounded lines.
//! 3. [`frontend::dovecot::AuthClient`] takes the `AUTH` line: service, address, mechanism, response.
//! 4. [`frontend::sasl::Exchange`] makes name and credential of the response, or asks for more.
//! 5. The protocol puts a [`frontend::Question`]; [`login::LoginService::log_in`] starts the deadline and asks the
//!    decision.
//! 6. [`login::decision::Decision::authenticate`] judges name, password form and service, and asks nobody for that.
//! 7. [`backend::sql::Database::login_facts`]: is the domain on, the mailbox on, the service on for it?
//! 8. [`login::passdb::Passdb::find_owner`] goes where the mailbox's `authsource` says, and to the Keycloak of its domain.
//! 9. [`backend::keycloak::Client::find_person`]: exactly one person of exactly this address, enabled
//!    ([`backend::keycloak::AccountState`]), with all that is demanded?
//! 10. [`credential::compared::Verified`] may know this password and hash; else [`credential::hashing::Hasher::verify`]
//!     checks cost and scheme ([`credential::scheme`]), then hashes on a thread of its own.
//! 11. The [`auth::Verdict`] comes back; the login service has [`observe::LoginRecord`] write the one line, and counts; a
//!     refusal waits.
//! 12. The protocol writes `OK` or `FAIL`, or closes for Postfix. A success waits in
//!     [`frontend::dovecot::PendingLogins`] for the mail process, which asks [`frontend::dovecot::AuthMaster`] and is
//!     told what [`login::userdb`] makes of the mailbox.
//!
//! # What holds it together
//!
//! No error of a backend converts into an [`auth::Denial`]. A step of the decision fails with
//! [`auth::NotAccepted`], which is made of a denial or of an [`auth::TempFail`] and of nothing else. So whoever
//! adds a backend must say what its failures mean, and cannot say "refused" by accident.
//!
//! `docs/architecture.md` tells of start, tasks and shutdown; README.md and the other pages in `docs/` are for
//! administrators.

pub mod backend;
pub mod cli;
pub mod config;
pub mod credential;
pub mod daemon;
pub mod frontend;
pub mod jobs;
pub mod login;
pub mod observe;
pub mod provision;

pub use keydove_words::{auth, diagnostics, portal, settings, token};
