//! Making a mailbox, applying a template to one, and what else a first login asks the database.
//!
//! The values come from `provision`; here is which rows they go to, under which conditions, and that all of it
//! happens or nothing. No statement deletes a mailbox.

mod app_password;
pub(super) mod checks;
pub(super) mod create;
mod person;
mod update;

use super::session::{Fault, Kind, Session, Work};
use super::{Database, Error, Mailbox};
use crate::auth::{ProvisionRefusal, Username};

pub use app_password::AppPassword;
pub use person::KnownPerson;

/// A row of `templates` with `type = 'mailbox'`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTemplate {
    /// The name; several may be equal.
    pub name: String,
    /// JSON, byte for byte as stored; empty when it is NULL.
    pub attributes: String,
}

impl StoredTemplate {
    /// Whether the template has this name, as mailcow compares: letter case and spaces at the end do not matter.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        let plain = |name: &str| name.trim_end_matches(' ').to_lowercase();
        plain(&self.name) == plain(name)
    }
}

/// Everything that a new mailbox needs, as values of columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMailboxRows {
    /// `username`, and `local_part` and `domain` from it.
    pub user: Username,
    /// At most 255 characters.
    pub name: String,
    /// In MiB; 0 is unlimited.
    pub quota_mib: i64,
    /// Of the mailbox and of its alias.
    pub active: i64,
    /// A JSON object; the database puts the time into its `passwd_update`.
    pub attributes: String,
    /// Rows of `tags_mailbox`.
    pub tags: Vec<String>,
    /// The row of `user_acl`.
    pub acl: UserAcl,
    /// Whose it is; `None` where an administrator makes it for somebody who has not logged in yet.
    pub owner: Option<Owner>,
}

impl NewMailboxRows {
    /// The mailbox as the next login would find it.
    ///
    /// # Errors
    /// A value that no row can have.
    pub fn as_mailbox(&self) -> Result<Mailbox, Error> {
        Mailbox::of_new(self)
    }
}

/// The row of `keydove_person`: who has the mailbox, and which template was applied to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Keycloak's id of the person.
    pub keycloak_id: String,
    /// Which Keycloak; empty where there is only one.
    pub source: String,
    /// The template's name.
    pub template_name: String,
    /// Its fingerprint; empty when a part of it could not be applied.
    pub template_fingerprint: String,
    /// Its text.
    pub template_attributes: String,
}

/// The end of an attempt to make a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// It is made, and committed.
    Created,
    /// Somebody else made it, most likely a login at the same moment. Nothing was written.
    AlreadyThere,
    /// The address belonged to a person with another Keycloak id. Nothing was written.
    OtherPerson,
    /// A rule stands against it. Nothing was written.
    Refused(ProvisionRefusal),
}

/// What is to be changed in a mailbox because its template changed. Never `active`, never the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxChanges {
    /// The mailbox.
    pub user: Username,
    /// In MiB; 0 is unlimited.
    pub quota_mib: Option<i64>,
    /// Keys of `attributes` and their new texts. The keys are names, without quotes or dots.
    pub attributes: Vec<(&'static str, String)>,
    /// Tags to add.
    pub tags: Vec<String>,
    /// The rights, if they are to change.
    pub acl: Option<UserAcl>,
    /// Leave a mailbox alone whose `attribute_hash` says that mailcow has applied this template.
    pub unless_applied: bool,
    /// What is remembered afterwards.
    pub owner: Owner,
}

/// The end of an attempt to change a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Everything is as the template says.
    Applied,
    /// mailcow had applied the template; only that was remembered.
    AppliedBefore,
    /// Everything but the quota, which does not fit the domain. It is still due.
    QuotaRefused(ProvisionRefusal),
    /// There is no such mailbox any more.
    MailboxGone,
}

/// What a user may change in mailcow's user interface: a column of `user_acl` each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserAcl([bool; UserAcl::RIGHTS.len()]);

impl UserAcl {
    /// The columns.
    pub const RIGHTS: [&'static str; 15] = [
        "spam_alias",
        "tls_policy",
        "spam_score",
        "spam_policy",
        "delimiter_action",
        "syncjobs",
        "eas_reset",
        "sogo_profile_reset",
        "pushover",
        "quarantine",
        "quarantine_attachments",
        "quarantine_notification",
        "quarantine_category",
        "app_passwds",
        "pw_reset",
    ];

    /// Asks for each right by its name.
    #[must_use]
    pub fn from_fn(mut is_granted: impl FnMut(&str) -> bool) -> Self {
        Self(Self::RIGHTS.map(&mut is_granted))
    }

    /// Each right and whether it is granted.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, bool)> {
        Self::RIGHTS.into_iter().zip(self.0)
    }
}

impl Database {
    /// Makes a mailbox with everything that belongs to it, in one transaction that is committed before this
    /// returns.
    ///
    /// The checks are mailcow's, in mailcow's order, inside the transaction, so that logins at the same moment
    /// cannot overrun a domain's limits. MariaDB needs `INSERT`, `UPDATE` and `DELETE` on the tables for it.
    ///
    /// # Errors
    /// The database cannot be asked, or a lock was not had in time. Nothing was written then, except with
    /// [`Error::Uncertain`]; the next attempt finds whether the mailbox is there.
    pub async fn create_mailbox(&self, rows: &NewMailboxRows) -> Result<Creation, Error> {
        self.run(create::CreateMailbox::new(rows.clone(), None)).await
    }

    /// Makes a mailbox as [`create_mailbox`](Self::create_mailbox) does, and takes all of it back: limits, rights and
    /// triggers stand against it as they would then.
    ///
    /// # Errors
    /// As [`create_mailbox`](Self::create_mailbox).
    pub async fn rehearse_mailbox(&self, rows: &NewMailboxRows) -> Result<Creation, Error> {
        self.run(create::RehearseMailbox::new(rows.clone())).await
    }

    /// How [`create_mailbox`](Self::create_mailbox) would most likely end. Nothing is written.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn would_create(&self, rows: &NewMailboxRows) -> Result<Creation, Error> {
        self.run(create::WouldCreate(rows.clone())).await
    }

    /// Changes what differs, and writes nothing where nothing does.
    ///
    /// # Errors
    /// As [`create_mailbox`](Self::create_mailbox).
    pub async fn change_mailbox(&self, changes: &MailboxChanges) -> Result<Change, Error> {
        self.run(update::ChangeMailbox(changes.clone())).await
    }

    /// All mailbox templates, by id.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn templates(&self) -> Result<Vec<StoredTemplate>, Error> {
        self.run(Templates).await
    }

    /// The active app passwords of a mailbox, the last used first, then the newest. What their switches, dates and networks mean for
    /// a login is the caller's business.
    ///
    /// # Errors
    /// The database cannot be asked, or a row has an impossible value.
    pub async fn app_passwords(&self, user: &Username) -> Result<Vec<AppPassword>, Error> {
        self.run(app_password::AppPasswords(user.clone())).await
    }

    /// Who had a mailbox of this address when keydove saw it last; `None` for nobody, and in MariaDB also while
    /// keydove's own tables are missing.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn person_of(&self, user: &Username) -> Result<Option<KnownPerson>, Error> {
        self.run(person::PersonOf(user.clone())).await
    }

    /// Remembers who has a mailbox. Does nothing where somebody is remembered already.
    ///
    /// # Errors
    /// The database cannot be asked; [`Error::Schema`] where keydove's own tables are missing.
    pub async fn remember_person(
        &self,
        user: &Username,
        keycloak_id: &str,
        source: &str,
    ) -> Result<(), Error> {
        self.run(person::Remember::new(user, keycloak_id, source, false)).await
    }

    /// Gives a mailbox to a person with another Keycloak id, as an administrator approved.
    ///
    /// # Errors
    /// As [`remember_person`](Self::remember_person).
    pub async fn adopt_person(&self, user: &Username, keycloak_id: &str, source: &str) -> Result<(), Error> {
        self.run(person::Remember::new(user, keycloak_id, source, true)).await
    }
}

struct Templates;

impl Work for Templates {
    const ATTEMPT: &'static str = "reading the templates";
    const KIND: Kind = Kind::Reads;
    type Output = Vec<StoredTemplate>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        use super::rows::Cells;
        let statement = "SELECT template, attributes FROM templates WHERE type = 'mailbox' ORDER BY id";
        let rows = session.query(statement, Vec::new()).await?;
        let read = |mut row: super::session::Row| {
            row.read("templates", "mailbox", |row| {
                Ok(StoredTemplate { name: row.words(0)?, attributes: row.text(1)?.unwrap_or_default() })
            })
        };
        rows.into_iter().map(read).collect::<Result<_, _>>().map_err(Fault::from)
    }
}
