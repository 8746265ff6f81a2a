//! A real LDAP directory behind Keycloak: what its outages, its administrators and Keycloak's own copies of it do to
//! logins, open sessions, the sync and the owners of mailboxes.

mod company;
mod outages;
mod reimport;
mod switches;
mod sync;

use crate::mailcow_cases::WorldCase;

/// Once, whatever the database: it is Keycloak's answers that matter.
pub const CASES: &[&[WorldCase]] = &[outages::CASES, switches::CASES, sync::CASES, reimport::CASES];
