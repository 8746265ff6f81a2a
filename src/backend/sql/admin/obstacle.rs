//! What stands against what an administrator asks for.

use crate::auth::{ProvisionRefusal, Username};
use crate::backend::sql::error::Error;

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
        /// The name that was to be added, in normal form.
        domain: String,
        /// The name of the row that is there, as stored.
        stored: String,
    },
    /// The name is another name of a domain.
    #[error("{0} is an alias domain; it cannot be a domain of its own as well")]
    DomainIsAlias(String),
    /// The limits of a domain contradict each other or what its mailboxes have already.
    #[error("the domain {domain}: {contradiction}")]
    DomainLimits {
        /// In normal form.
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
        /// The mailbox's address.
        user: Username,
        /// The rule of mailcow's that is broken.
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
        /// The address that was to be added, in normal form.
        address: String,
        /// The name of the row that is there, as stored.
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
        /// The mailbox's address.
        user: Username,
        /// Its number or name.
        which: String,
    },
    /// Several active ones have this name.
    #[error("several app passwords have the name `{name}`: numbers {numbers}; choose one with --id")]
    AppPasswordAmbiguous {
        /// What their owner calls them.
        name: String,
        /// Their numbers, separated by commas.
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
pub(in crate::backend::sql) type Outcome<T> = Result<T, Obstacle>;
