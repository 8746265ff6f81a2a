//! What an administrator asks of the database and changes in it: domains, mailboxes, templates, aliases, app
//! passwords.
//!
//! Every change is one transaction: its checks and its rows together. What stands against a change is an
//! [`Obstacle`], with nothing written. No statement deletes a mailbox.

mod alias;
mod app_password;
mod domain;
mod mailbox;
mod template;

use super::session::{Dialect, Work};
use super::{Database, Error, NewMailboxRows};
use crate::auth::{ProvisionRefusal, Secret, Username};

pub use alias::{AliasAddress, AliasRow, AliasSettings};
pub use app_password::{AppPasswordRow, MadeAppPassword, NewAppPassword, Revocation};
pub use domain::{DomainName, DomainRow, DomainSettings};
pub use mailbox::{MailboxRow, MailboxSettings};

/// Why a question of an administrator was not answered, or a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// What was asked for does not fit what is there.
    #[error(transparent)]
    Obstacle(#[from] Obstacle),
    /// Trouble with the database. Nothing was written, except with [`Error::Uncertain`].
    #[error(transparent)]
    Database(#[from] Error),
}

/// What stands against a change. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// No such row in `domain`.
    #[error("there is no domain {0}; `keydove domain add {0}` makes it")]
    DomainUnknown(String),
    /// The row is there already.
    #[error("the domain {0} is there already; `keydove domain set {0}` changes it")]
    DomainExists(String),
    /// The database cannot hold both.
    #[error(
        "the database takes the domain {domain} for {stored}, which is there already, and can hold only one of the two"
    )]
    DomainLooksAlike {
        /// The new one.
        domain: String,
        /// That which is there.
        stored: String,
    },
    /// The name is another name of a domain.
    #[error("{0} is an alias domain; it cannot be a domain of its own as well")]
    DomainIsAlias(String),
    /// The limits of a domain contradict each other or what its mailboxes have already.
    #[error("the domain {domain}: {contradiction}")]
    DomainLimits {
        /// Which domain.
        domain: String,
        /// Which limits, with their numbers.
        contradiction: String,
    },
    /// No such row in `mailbox`.
    #[error("there is no mailbox {0}")]
    MailboxUnknown(Username),
    /// The mailbox is there already.
    #[error("the mailbox {0} is there already; `keydove mailbox set {0}` changes it")]
    MailboxExists(Username),
    /// A room, a group or a thing.
    #[error("{0} is a room, a group or a thing, which nobody logs in to")]
    MailboxIsResource(Username),
    /// A rule stands against a new mailbox or a new quota.
    #[error("{user}: {}", explain(*.refusal))]
    MailboxRefused {
        /// The address.
        user: Username,
        /// The rule.
        refusal: ProvisionRefusal,
    },
    /// `attributes` holds something else than an object.
    #[error("the column `attributes` of the mailbox {0} is no JSON object; mend it first")]
    MailboxAttributes(Username),
    /// It would have no password at all.
    #[error("the mailbox {0} has no password of its own; add --password")]
    MailboxWithoutPassword(Username),
    /// No such template.
    #[error("there is no mailbox template `{0}`; `keydove template list` shows all")]
    TemplateUnknown(String),
    /// A template of this name is there.
    #[error("there is a mailbox template `{0}` already; `keydove template set` changes it")]
    TemplateExists(String),
    /// Somebody else was quicker.
    #[error("somebody changed the template `{0}` at the same moment; look at it and try again")]
    TemplateChanged(String),
    /// No such row in `alias`.
    #[error("there is no alias {0}")]
    AliasUnknown(String),
    /// The alias is there already.
    #[error("there is an alias {0} already; `keydove alias set {0}` changes it")]
    AliasExists(String),
    /// The database cannot hold both.
    #[error(
        "the database takes the alias {address} for {stored}, which is there already, and can hold only one of the two"
    )]
    AliasLooksAlike {
        /// The new one.
        address: String,
        /// That which is there.
        stored: String,
    },
    /// The address is that of a temporary alias.
    #[error("{0} is a temporary alias that a user made")]
    AliasIsTemporary(String),
    /// The address has a mailbox.
    #[error("{0} is the address of a mailbox, which has its own alias row")]
    AliasIsMailbox(String),
    /// No such app password of this mailbox.
    #[error("the mailbox {user} has no app password {which}; `keydove app-password list {user}` shows all")]
    AppPasswordUnknown {
        /// Whose.
        user: Username,
        /// Its number or name.
        which: String,
    },
    /// Several active ones have this name.
    #[error("several app passwords have the name `{name}`: numbers {numbers}; choose one with --id")]
    AppPasswordAmbiguous {
        /// The name.
        name: String,
        /// Their numbers.
        numbers: String,
    },
}

/// mailcow's rules in the words of an administrator's remedy.
fn explain(refusal: ProvisionRefusal) -> &'static str {
    match refusal {
        ProvisionRefusal::TemplateMissing => "the template is missing or no JSON object",
        ProvisionRefusal::NoMapping => "no template fits",
        // Not asked here: an administrator may make any.
        ProvisionRefusal::ReservedName => "the name is reserved for whoever runs the domain",
        ProvisionRefusal::MailboxInvalid => {
            "no mailbox can have this name: only ASCII before the @, and a domain with a dot"
        }
        ProvisionRefusal::DomainUnknown => "its domain is not here; `keydove domain add` makes it",
        ProvisionRefusal::DomainInactive => "its domain is off; `keydove domain set DOMAIN --active on`",
        ProvisionRefusal::ObjectExists => "a mailbox or a resource has this address, or one like it",
        ProvisionRefusal::IsAlias => "the address is an alias",
        ProvisionRefusal::IsSpamAlias => "the address is a temporary alias that a user made",
        ProvisionRefusal::MaxMailboxExceeded => {
            "its domain has as many mailboxes as it may; `keydove domain set DOMAIN --mailboxes N`"
        }
        ProvisionRefusal::MailboxQuotaExceeded => {
            "the quota is more than one mailbox of the domain may have; `keydove domain set DOMAIN --max-quota SIZE`"
        }
        ProvisionRefusal::MailboxQuotaLeftExceeded => {
            "the quota is more than the domain has left; `keydove domain set DOMAIN --quota SIZE`"
        }
        ProvisionRefusal::QuarantineCategoryInvalid => {
            "the template's quarantine_category is none of add_header, reject and all"
        }
    }
}

/// An answer, or what stands against it.
type Outcome<T> = Result<T, Obstacle>;

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
        let work = super::provision::create::CreateMailbox::new(rows.clone(), password);
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

    async fn settle<T: Send + 'static, W: Work<Output = Outcome<T>>>(
        &self,
        work: W,
    ) -> Result<T, AdminError> {
        Ok(self.run(work).await??)
    }
}

/// Locks the rows that are read, where other processes can write meanwhile. A SQLite transaction has the whole
/// file.
fn lock(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "",
        Dialect::Mariadb => " FOR UPDATE",
    }
}

/// The number that the database gave the row just inserted.
fn last_id(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "SELECT last_insert_rowid()",
        Dialect::Mariadb => "SELECT LAST_INSERT_ID()",
    }
}
