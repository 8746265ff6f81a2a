//! A right, and for which of keydove's features it is needed.

use std::fmt;

/// mailcow's table of SOGo's users.
pub(super) const SOGO: &str = "_sogo_static_view";

/// What keydove asks the database for. Each needs rights of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// Every login, and where the mail lives.
    Logins,
    /// App passwords.
    AppPasswords,
    /// Whose a mailbox is, so that nobody else gets it with an address.
    Owners,
    /// `[mailcow] identity_provider`
    IdentityProvider,
    /// `[login]`: logins by alias or alias domain.
    AliasLogins,
    /// Listeners that speak `socketmap`.
    Maps,
    /// Listeners that speak `policy`.
    Policy,
    /// `[http_login] shadow_url`, where nothing else asks about logins: how first logins would end. It only reads.
    Comparisons,
    /// `[provisioning]`: first logins, and new mailboxes of the sync.
    FirstLogins,
    /// Mailboxes that follow their changed templates.
    Templates,
    /// `[bookkeeping] login_log`
    LoginLog,
    /// `[sync]`, its name and lease included.
    Sync,
    /// `[sync] deactivate`
    Deactivation,
    /// `[housekeeping]`
    Housekeeping,
    /// `[housekeeping] people`
    OldPeople,
    /// `[housekeeping] login_log`
    OldLogins,
    /// Listeners that speak `portal`.
    Portal,
    /// `[notices]`: mail to users.
    Notices,
    /// `[[backend]]`: which machine a mailbox lives on.
    Backends,
    /// The administrator's commands that change domains, mailboxes, aliases, templates and app passwords.
    Commands,
}

impl Feature {
    /// Every feature, in the order of the table.
    pub const ALL: [Self; 20] = [
        Self::Logins,
        Self::AppPasswords,
        Self::Owners,
        Self::IdentityProvider,
        Self::AliasLogins,
        Self::Maps,
        Self::Policy,
        Self::Comparisons,
        Self::FirstLogins,
        Self::Templates,
        Self::LoginLog,
        Self::Sync,
        Self::Deactivation,
        Self::Housekeeping,
        Self::OldPeople,
        Self::OldLogins,
        Self::Portal,
        Self::Notices,
        Self::Backends,
        Self::Commands,
    ];

    /// For sentences: `first logins`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Logins => "logins",
            Self::AppPasswords => "app passwords",
            Self::Owners => "remembering whose a mailbox is",
            Self::IdentityProvider => "mailcow's settings of Keycloak",
            Self::AliasLogins => "logins by an alias",
            Self::Maps => "Postfix's lookup tables",
            Self::Policy => "Postfix's policy",
            Self::Comparisons => "comparing logins with mailcow's",
            Self::FirstLogins => "first logins",
            Self::Templates => "templates of mailboxes that are there",
            Self::LoginLog => "the login history",
            Self::Sync => "the sync",
            Self::Deactivation => "the sync of people who are gone",
            Self::Housekeeping => "housekeeping",
            Self::OldPeople => "housekeeping of people who are gone",
            Self::OldLogins => "housekeeping of the login history",
            Self::Portal => "the web portal",
            Self::Notices => "mail to users",
            Self::Backends => "remembering where a mailbox lives",
            Self::Commands => "the administrator's commands",
        }
    }

    /// Whether a login or a question of the mail server has no answer without it.
    #[must_use]
    pub(crate) fn stops_logins(self) -> bool {
        matches!(
            self,
            Self::Logins
                | Self::AppPasswords
                | Self::IdentityProvider
                | Self::AliasLogins
                | Self::Maps
                | Self::Policy
                | Self::FirstLogins
                | Self::Backends
        )
    }
}

/// What is done to the rows of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Makes the table, where it is missing and keydove's own.
    Create,
    /// `SELECT`.
    Select,
    /// `INSERT`.
    Insert,
    /// Locks a row that is only read: MySQL wants a right to change something in the table, MariaDB wants none.
    Lock,
    /// `UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "CREATE",
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Lock | Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        })
    }
}

/// A right that keydove uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// Which feature needs it.
    pub feature: Feature,
    /// Reading, adding, changing, removing, locking or creating.
    pub verb: Verb,
    /// Whose rows.
    pub table: &'static str,
    /// Which columns of them; none for [`Verb::Delete`] and [`Verb::Create`], which are for the whole table.
    pub columns: &'static [&'static str],
}

impl Right {
    /// Whether the table is keydove's own, and nobody else's business.
    #[must_use]
    pub fn is_of_own_table(&self) -> bool {
        self.table.starts_with("keydove_")
    }

    /// Whether MySQL asks for it, and MariaDB does not.
    #[must_use]
    pub fn is_for_mysql(&self) -> bool {
        self.verb == Verb::Lock
    }

    /// Whether everything goes on without it, but for addresses elsewhere that SOGo would offer as senders.
    #[must_use]
    pub(crate) fn is_missed_by_sogo_only(&self) -> bool {
        self.columns.contains(&"external")
    }

    /// Whether keydove does without the table where there is none: only mailcow has it.
    #[must_use]
    pub(crate) fn is_of_optional_table(&self) -> bool {
        self.table == SOGO
    }
}
