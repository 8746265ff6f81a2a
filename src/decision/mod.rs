//! May this person use this service, and where does their mail live?
//!
//! * [`Decision::authenticate`]: the steps of a login, in order, on one screen.
//! * [`Decision::find_user`] and [`Decision::list_users`]: the questions without a password.
//!
//! Nothing here knows a protocol, and nothing here writes a log line: the caller does both.

mod authenticate;
mod lookup;

use crate::passdb::Passdb;
use crate::provision::Provisioner;
use crate::sql::Database;
use crate::userdb::Userdb;

pub use lookup::FoundUser;

/// Everything a decision needs to know, from whom.
pub struct Decision {
    database: Database,
    passdb: Passdb,
    userdb: Userdb,
    provisioner: Provisioner,
}

impl Decision {
    /// Joins the parts.
    #[must_use]
    pub fn new(database: Database, passdb: Passdb, userdb: Userdb, provisioner: Provisioner) -> Self {
        Self { database, passdb, userdb, provisioner }
    }
}

impl std::fmt::Debug for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decision")
    }
}
