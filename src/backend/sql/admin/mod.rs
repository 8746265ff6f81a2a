//! What an administrator asks of the database and changes in it: domains, mailboxes, templates, aliases, app
//! passwords.
//!
//! Every change is one transaction: its checks and its rows together. What stands against a change is an
//! [`Obstacle`], with nothing written. No statement deletes a mailbox.

mod alias;
mod app_password;
mod domain;
mod mailbox;
mod obstacle;
mod search;
mod template;

use super::database::Database;
use super::domain_name::DomainName;
use super::error::Error;
use super::provision::rows::NewMailboxRows;
use super::session::Work;
use crate::auth::{Secret, Username};

pub use alias::{AliasAddress, AliasRow, AliasSettings};
pub use app_password::{AppPasswordRow, MadeAppPassword, NewAppPassword, Revocation};
pub use domain::{DomainRow, DomainSettings};
pub use mailbox::{MailboxRow, MailboxSettings};
pub use obstacle::{AdminError, Obstacle};
pub use search::MailboxSearch;

pub(super) use app_password::{
    AddAppPassword, SERVICE_SWITCHES, find_all as find_app_passwords, read_services,
};
pub(super) use obstacle::Outcome;

impl DomainSettings {
    /// The most mailboxes of a domain.
    pub const MOST_MAILBOXES: i64 = 1_000_000_000;
    /// The largest quota, in MiB, so that a sum of bytes stays a number: 1 EiB.
    pub const MOST_MIB: i64 = 1 << 40;
}

impl Database {
    /// Makes a domain.
    ///
    /// # Errors
    /// [`Obstacle::DomainExists`], [`Obstacle::DomainIsAlias`], [`Obstacle::DomainLimits`], and trouble.
    pub async fn add_domain(&self, name: &DomainName, settings: &DomainSettings) -> Result<(), AdminError> {
        self.settle(domain::AddDomain { name: name.clone(), settings: settings.clone() }).await
    }

    /// Changes a domain, as far as something is set.
    ///
    /// # Errors
    /// [`Obstacle::DomainUnknown`], [`Obstacle::DomainLimits`], and trouble.
    pub async fn set_domain(&self, name: &DomainName, settings: &DomainSettings) -> Result<(), AdminError> {
        self.settle(domain::SetDomain { name: name.clone(), settings: settings.clone() }).await
    }

    /// All domains with what their mailboxes have, by name.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn domains(&self) -> Result<Vec<DomainRow>, Error> {
        self.run(domain::Domains).await
    }

    /// Makes a mailbox with all rows that a first login makes; with a hash it has a password of its own.
    ///
    /// # Errors
    /// [`Obstacle::MailboxExists`], [`Obstacle::MailboxRefused`], and trouble.
    pub async fn add_mailbox(
        &self,
        rows: &NewMailboxRows,
        password: Option<Secret>,
    ) -> Result<(), AdminError> {
        let candidates = self.candidates.clone();
        let work = super::provision::create::CreateMailbox::new(rows.clone(), password, candidates);
        self.settle(mailbox::AddMailbox(work)).await
    }

    /// Changes a mailbox, as far as something is set.
    ///
    /// # Errors
    /// [`Obstacle::MailboxUnknown`] and others that say what does not fit, and trouble.
    pub async fn set_mailbox(&self, user: &Username, settings: MailboxSettings) -> Result<(), AdminError> {
        self.settle(mailbox::SetMailbox { user: user.clone(), settings }).await
    }

    /// All mailboxes, or those of one domain, by address. Resources are left out.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn mailboxes(&self, domain: Option<&DomainName>) -> Result<Vec<MailboxRow>, Error> {
        self.run(mailbox::Mailboxes(domain.cloned())).await
    }

    /// The mailbox of exactly this address; `None` where there is none, or a resource has it.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn mailbox_row(&self, user: &Username) -> Result<Option<MailboxRow>, Error> {
        self.run(search::FindRow(user.clone())).await
    }

    /// Mailboxes that a search finds, by address; at most as many as it wants. Resources are left out.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn search_mailboxes(&self, search: MailboxSearch) -> Result<Vec<MailboxRow>, Error> {
        self.run(search::Search(search)).await
    }

    /// The default quota of new mailboxes in a domain, in MiB; `None` where the domain is unknown.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn default_quota_mib(&self, domain: &DomainName) -> Result<Option<i64>, Error> {
        self.run(domain::DefaultQuota(domain.clone())).await
    }

    /// Writes a new mailbox template; `attributes` is its JSON, stored as it is.
    ///
    /// # Errors
    /// [`Obstacle::TemplateExists`], and trouble.
    pub async fn add_template(&self, name: &str, attributes: &str) -> Result<(), AdminError> {
        let (name, attributes) = (name.to_owned(), attributes.to_owned());
        self.settle(template::AddTemplate { name, attributes }).await
    }

    /// Writes a mailbox template anew, if it still is what it was.
    ///
    /// # Errors
    /// [`Obstacle::TemplateUnknown`], [`Obstacle::TemplateChanged`], and trouble.
    pub async fn set_template(&self, name: &str, was: &str, attributes: &str) -> Result<(), AdminError> {
        let (name, was, attributes) = (name.to_owned(), was.to_owned(), attributes.to_owned());
        self.settle(template::SetTemplate { name, was, attributes }).await
    }

    /// Makes an alias.
    ///
    /// # Errors
    /// [`Obstacle::DomainUnknown`], an address that is taken, and trouble.
    pub async fn add_alias(
        &self,
        address: &AliasAddress,
        settings: &AliasSettings,
    ) -> Result<(), AdminError> {
        self.settle(alias::AddAlias { address: address.clone(), settings: settings.clone() }).await
    }

    /// Changes an alias, as far as something is set.
    ///
    /// # Errors
    /// [`Obstacle::AliasUnknown`], [`Obstacle::AliasIsMailbox`], and trouble.
    pub async fn set_alias(
        &self,
        address: &AliasAddress,
        settings: &AliasSettings,
    ) -> Result<(), AdminError> {
        self.settle(alias::SetAlias { address: address.clone(), settings: settings.clone() }).await
    }

    /// All aliases, or those of one domain, by address. The rows that mailboxes have for themselves are left out.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn aliases(&self, domain: Option<&DomainName>) -> Result<Vec<AliasRow>, Error> {
        self.run(alias::Aliases(domain.cloned())).await
    }

    /// Makes an app password. The database gives it its number, so the password is made inside the transaction.
    ///
    /// # Errors
    /// [`Obstacle::MailboxUnknown`], [`Obstacle::MailboxIsResource`], and trouble; [`Error::Schema`] where keydove's
    /// own tables are missing.
    pub async fn add_app_password(&self, new: NewAppPassword) -> Result<MadeAppPassword, AdminError> {
        self.settle(app_password::AddAppPassword(new)).await
    }

    /// The app passwords of a mailbox, the newest first, revoked ones too.
    ///
    /// # Errors
    /// [`Obstacle::MailboxUnknown`], and trouble.
    pub async fn list_app_passwords(&self, user: &Username) -> Result<Vec<AppPasswordRow>, AdminError> {
        self.settle(app_password::ListAppPasswords(user.clone())).await
    }

    /// Switches app passwords of a mailbox off; returns the numbers of those that were on. The rows stay.
    ///
    /// # Errors
    /// [`Obstacle::MailboxUnknown`], [`Obstacle::AppPasswordUnknown`], [`Obstacle::AppPasswordAmbiguous`], and
    /// trouble.
    pub async fn revoke_app_passwords(
        &self,
        user: &Username,
        which: &Revocation,
    ) -> Result<Vec<i64>, AdminError> {
        self.settle(app_password::Revoke { user: user.clone(), which: which.clone() }).await
    }

    pub(super) async fn settle<T: Send + 'static, W: Work<Output = Outcome<T>>>(
        &self,
        work: W,
    ) -> Result<T, AdminError> {
        Ok(self.run(work).await??)
    }
}
