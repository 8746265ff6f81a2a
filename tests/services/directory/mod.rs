//! A real LDAP directory behind Keycloak: what its outages, its administrators and Keycloak's own copies of it do to
//! logins, open sessions, the sync and the owners of mailboxes.

mod active_directory;
mod company;
mod mail;
mod outages;
mod reimport;
mod switches;
mod sync;

use crate::Group;
use crate::mailcow::WorldCase;
use crate::run::On;

/// Once, whatever the database: it is Keycloak's answers that matter.
pub const GROUPS: &[Group<WorldCase>] = &[
    ("directory", On::Sqlite, outages::CASES),
    ("directory", On::Sqlite, switches::CASES),
    ("directory", On::Sqlite, sync::CASES),
    ("directory", On::Sqlite, reimport::CASES),
    ("directory", On::Sqlite, mail::CASES),
    ("directory", On::Sqlite, active_directory::CASES),
];
