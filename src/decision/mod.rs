//! May this person use this service, and where does their mail live?
//!
//! * [`Decision::authenticate`]: the steps of a login, in order, on one screen; which of the passwords opens the
//!   mailbox is in `open.rs`.
//! * [`Decision::find_user`] and [`Decision::list_users`]: the questions without a password.
//!
//! Nothing here knows a protocol, and nothing here writes a log line: the caller does both.

mod authenticate;
mod lookup;
mod open;
mod webmail;

use std::sync::Arc;

use crate::passdb::Passdb;
use crate::provision::Provisioner;
use crate::sql::Database;
use crate::userdb::Userdb;

pub use authenticate::Moment;
pub use lookup::FoundUser;
pub use webmail::{SogoConfig, Webmail};

use open::Opened;

/// Everything a decision needs to know, from whom.
pub struct Decision {
    database: Arc<Database>,
    passdb: Passdb,
    userdb: Userdb,
    provisioner: Arc<Provisioner>,
    webmail: Webmail,
}

impl Decision {
    /// Joins the parts.
    #[must_use]
    pub fn new(
        database: Arc<Database>,
        passdb: Passdb,
        userdb: Userdb,
        provisioner: Arc<Provisioner>,
        webmail: Webmail,
    ) -> Self {
        Self { database, passdb, userdb, provisioner, webmail }
    }
}

impl std::fmt::Debug for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decision")
    }
}
