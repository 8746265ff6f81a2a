//! Whose mailboxes get the name that Keycloak has.

use serde::Deserialize;

/// Which ways write the user's name into a mailbox.
///
/// mailcow leaves the name empty when a login creates a mailbox, and its sync fills it in. At each login through its web
/// server it compares: a mailbox that has a name gets its whole template again, `active` included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Names {
    /// Every way.
    Always,
    /// Only the sync, as in mailcow.
    Sync,
    /// None.
    Never,
}

impl Names {
    /// Whether a mailbox that a first login makes gets the name.
    pub(super) fn at_login(self) -> bool {
        self == Self::Always
    }

    /// Whether the sync writes names.
    pub(super) fn in_sync(self) -> bool {
        self != Self::Never
    }
}
