//! What a mailbox is made of and changed by, as values of columns, and how that ends.

use crate::auth::{ProvisionRefusal, Secret, Username};
use crate::backend::sql::error::Error;
use crate::backend::sql::mailbox::{AuthSource, MIB, Mailbox, StoredMailbox};

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
    /// The person's name; at most 255 characters.
    pub name: String,
    /// The quota in MiB; 0 is unlimited.
    pub quota_mib: i64,
    /// `active` of the mailbox and of its alias: 0 off, 1 on, 2 receives only.
    pub active: i64,
    /// A JSON object; the database puts the time into its `passwd_update`.
    pub attributes: String,
    /// Rows of `tags_mailbox`.
    pub tags: Vec<String>,
    /// The row of `user_acl`.
    pub acl: UserAcl,
    /// Whose it is; `None` where an administrator makes it for somebody who has not logged in yet.
    pub owner: Option<MailboxOwner>,
}

impl NewMailboxRows {
    /// The mailbox as the next login would find it.
    ///
    /// # Errors
    /// A value that no row can have.
    pub(crate) fn as_mailbox(&self) -> Result<Mailbox, Error> {
        let row = StoredMailbox {
            username: self.user.as_str().to_owned(),
            active: self.active,
            kind: String::new(),
            authsource: Some(AuthSource::Keycloak.name().to_owned()),
            password: Secret::from(""),
            quota: self.quota_mib.saturating_mul(MIB),
            attributes: Some(self.attributes.clone()),
        };
        Mailbox::judge(&self.user, row, false)
    }
}

/// The row of `keydove_person`: who has the mailbox, and which template was applied to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxOwner {
    /// Keycloak's id of the person.
    pub keycloak_id: String,
    /// Which Keycloak; empty where there is only one.
    pub source: String,
    /// The template's name.
    pub template_name: String,
    /// Its fingerprint; empty when a part of it could not be applied.
    pub template_fingerprint: String,
    /// Its JSON, byte for byte.
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
    /// The mailbox's address.
    pub user: Username,
    /// The new quota in MiB, where it changes; 0 is unlimited.
    pub quota_mib: Option<i64>,
    /// Keys of `attributes` and their new texts.
    pub attributes: Vec<AttributeChange>,
    /// Tags to add.
    pub tags: Vec<String>,
    /// The rights that are to change: columns of `user_acl`, and whether they are granted.
    pub acl: Vec<(&'static str, bool)>,
    /// Leave a mailbox alone whose `attribute_hash` says that mailcow has applied this template.
    pub unless_applied: bool,
    /// What is remembered afterwards.
    pub owner: MailboxOwner,
}

/// A key of `attributes` that is to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeChange {
    /// A name, without quotes or dots.
    pub key: &'static str,
    /// The new text.
    pub text: String,
    /// The texts that nobody chose. A mailbox that has another one keeps it; `None` changes every mailbox.
    pub unchosen: Option<Vec<String>>,
}

/// What is already announced for a domain and not written: by a dry run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// So many new mailboxes.
    pub mailboxes: i64,
    /// So many bytes of quota more, all mailboxes together.
    pub quota_bytes: i64,
}

/// How an attempt to change a mailbox would end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WouldChange {
    /// The end.
    pub change: Change,
    /// So many bytes of quota more.
    pub quota_bytes: i64,
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

    /// Whether a right is granted. One that there is not is not.
    #[must_use]
    pub fn has(&self, right: &str) -> bool {
        self.iter().any(|(name, granted)| granted && name == right)
    }

    /// Each right and whether it is granted.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, bool)> {
        Self::RIGHTS.into_iter().zip(self.0)
    }
}
