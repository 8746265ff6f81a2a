//! Whether an account is in use, and if not, why.

use serde::{Deserialize, Serialize};

use crate::auth::Denial;

/// Whether an account is in use; if not, why. Proven: whoever holds one may act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// It is in use.
    Enabled,
    /// Disabled in Keycloak, by an administrator or a program.
    Disabled,
    /// Disabled by Keycloak after too many wrong passwords there, until an administrator enables it. Keycloak says so
    /// of its own people only; those of a user store are [`Disabled`](Self::Disabled) then.
    LockedOut,
    /// The user store behind Keycloak (LDAP, Active Directory) answers, and says that the account is disabled there.
    StoreDisabled,
    /// The user store that the account comes from is switched off in Keycloak.
    ProviderOff,
    /// The organization that manages the account is disabled, or organizations are switched off in the realm.
    OrganizationOff,
}

impl AccountState {
    /// Every one of them.
    pub const ALL: [Self; 6] = [
        Self::Enabled,
        Self::Disabled,
        Self::LockedOut,
        Self::StoreDisabled,
        Self::ProviderOff,
        Self::OrganizationOff,
    ];

    /// Whether the account is in use.
    #[must_use]
    pub fn is_enabled(self) -> bool {
        self == Self::Enabled
    }

    /// What a login is told; `None` where the account is in use.
    #[must_use]
    pub fn denial(self) -> Option<Denial> {
        match self {
            Self::Enabled => None,
            Self::Disabled => Some(Denial::UserDisabled),
            Self::LockedOut => Some(Denial::UserLockedOut),
            Self::StoreDisabled => Some(Denial::StoreDisabled),
            Self::ProviderOff => Some(Denial::ProviderOff),
            Self::OrganizationOff => Some(Denial::OrganizationOff),
        }
    }

    /// Whether this is about the one person. A switch that shuts out everybody of a store or of an organization at once
    /// is more often a mistake than not: nobody gets in, and what is open stays open.
    #[must_use]
    pub fn is_of_one_person(self) -> bool {
        match self {
            Self::Disabled | Self::LockedOut | Self::StoreDisabled => true,
            Self::Enabled | Self::ProviderOff | Self::OrganizationOff => false,
        }
    }

    /// In words, as in "the account is …".
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled in Keycloak",
            Self::LockedOut => "locked out permanently by Keycloak's brute force detection",
            Self::StoreDisabled => "disabled by the user store behind Keycloak",
            Self::ProviderOff => "of a user store that is switched off in Keycloak",
            Self::OrganizationOff => "managed by an organization that is switched off in Keycloak",
        }
    }
}

/// `enabled` of an answer. That it is up is believed; that it is down proves nothing, so there is no way to ask for that.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Flag(bool);

impl Flag {
    /// Whether the account is in use for certain.
    pub(super) fn is_up(self) -> bool {
        self.0
    }
}
