//! May this person use this service, and where does their mail live?
//!
//! * [`Decision::authenticate`]: the steps of a login, in order, on one screen; which of the passwords opens the
//!   mailbox is in `open.rs`.
//!   A second look at what may be out of date is in `again.rs`.
//! * [`Decision::let_in_at_once`]: the same steps for somebody known with the right password, without a future.
//! * Whose mailbox an alias opens is in `alias.rs`.
//! * [`Decision::known`], [`Decision::forget`], [`Decision::flush`]: what is remembered, for an administrator.
//! * [`Decision::explain`]: the same run of the same steps, with an administrator who listens (`trace.rs`, `words.rs`).
//! * On which machine the mailbox is, where there are several, is in `place.rs`.
//! * [`Decision::find_user`] and [`Decision::list_users`]: the questions without a password.
//! * [`Decision::judge_sender`] and [`Decision::look_up`]: Postfix's questions about senders and addresses.
//!
//! Nothing here knows a protocol, and nothing here writes a log line: the caller does both.

mod admission;
mod again;
mod alias;
mod at_once;
mod authenticate;
mod explain;
mod first_login;
mod form;
mod known;
mod login;
mod lookup;
mod mail;
mod master;
mod open;
mod place;
mod trace;
mod webmail;
mod words;

use std::sync::Arc;

use crate::backend::kick::Kicker;
use crate::backend::mail_hosts::MailHosts;
use crate::backend::mailboxes::Mailboxes;
use crate::backend::people::People;
use crate::backend::sql::Database;
use crate::jobs::bookkeeping::Bookkeeper;
use crate::login::passdb::Passdb;
use crate::login::throttle::Throttle;
use crate::login::userdb::Userdb;
use crate::provision::Provisioner;

pub use authenticate::Judgement;
pub use explain::{Explanation, too_late};
pub use known::{CacheCounts, Forgotten, Known, KnownMailbox};
pub use login::{Moment, Purpose};
pub use lookup::FoundUser;
pub use trace::{Path, Step, StepEnd};
pub use webmail::{SogoConfig, Webmail};

/// Whom a decision asks, and who writes down what it finds.
#[derive(Debug)]
pub struct DecisionParts {
    /// The database itself, for what is not remembered.
    pub database: Arc<Database>,
    /// Domains, mailboxes, app passwords, as far as they are known.
    pub mailboxes: Mailboxes,
    /// Is this password right?
    pub passdb: Passdb,
    /// Where does the mail live?
    pub userdb: Userdb,
    /// Makes mailboxes.
    pub provisioner: Arc<Provisioner>,
    /// The webmail that is trusted.
    pub webmail: Webmail,
    /// Counts what is wrong, and says who has to wait.
    pub throttle: Throttle,
    /// The machines that mailboxes live on, where there are several.
    pub mail_hosts: Option<MailHosts>,
    /// Ends open sessions, where that is wanted.
    pub kicker: Option<Kicker>,
    /// Told of people who were seen and of mailboxes that were made.
    pub bookkeeper: Bookkeeper,
}

/// Decides.
#[derive(Debug)]
pub struct Decision(DecisionParts);

impl Decision {
    /// Joins the parts.
    #[must_use]
    pub fn new(parts: DecisionParts) -> Self {
        Self(parts)
    }

    /// The database itself, for what is not remembered.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.0.database
    }

    /// The mailboxes that are remembered.
    #[must_use]
    pub fn mailboxes(&self) -> &Mailboxes {
        &self.0.mailboxes
    }

    /// The people of Keycloak who are remembered.
    #[must_use]
    pub fn people(&self) -> &People {
        self.0.passdb.people()
    }

    /// Where passwords are verified.
    #[must_use]
    pub fn passdb(&self) -> &Passdb {
        &self.0.passdb
    }

    /// What is counted against guessing.
    #[must_use]
    pub fn throttle(&self) -> &Throttle {
        &self.0.throttle
    }

    /// The machines that mailboxes live on, where there is a `[[backend]]`.
    #[must_use]
    pub fn mail_hosts(&self) -> Option<&MailHosts> {
        self.0.mail_hosts.as_ref()
    }

    /// What ends open sessions, where there is a `[kick]`.
    #[must_use]
    pub fn kicker(&self) -> Option<&Kicker> {
        self.0.kicker.as_ref()
    }
}
