//! What keydove does beside logins, in tasks of its own.
//!
//! * [`bookkeeping`]: what is written down after logins: sign-ins, owners, template updates, lines for ban tools.
//! * [`sync`]: everybody in Keycloak gone through: mailboxes made, updated, switched off; the census.
//! * [`housekeeping`]: rows that nobody needs any more are deleted.
//! * [`errands`]: what administrators begin in the portal: a run of the sync, a check, a census.
//! * [`notices`]: mail to users about their app passwords.
//! * [`mailcow`]: Keycloak's settings from mailcow's own table, read again now and then.
//! * [`ChangeFollower`]: what other nodes and the commands have changed is forgotten.
//! * [`EventFollower`]: Keycloak's events read, and the records that they name fetched again.
//! * [`RecordKeeper`]: records saved to a file, so that they outlive a restart.

pub mod bookkeeping;
mod changes;
pub mod errands;
mod events;
pub mod housekeeping;
pub mod mailcow;
pub mod notices;
mod record_keeper;
pub mod sync;

pub use changes::{ChangeFollower, Wakeups, say as wake_nodes};
pub use events::EventFollower;
pub use record_keeper::RecordKeeper;
