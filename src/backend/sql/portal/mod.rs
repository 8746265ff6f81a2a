//! What the web portal keeps and shows: sessions, a person's own app passwords, their mail logins; and what users are told
//! by mail.
//!
//! Rows of people are found by the mailbox's name in normal form, which is what keydove writes there itself; rows of
//! mailcow's tables are compared again, as everywhere.

mod app_passwords;
mod notices;
mod sessions;
mod sign_ins;

pub use app_passwords::{AppPasswordOrigin, AppPasswordUse, OwnAppPasswords, TooManyAppPasswords};
pub use notices::{Notice, NoticesDue, NoticesFound, Occasion};
pub use sessions::{NewSession, SessionEnd, StoredSession};
pub use sign_ins::MailLogin;

use super::error::Error;
use super::session::Session;
use crate::backend::sql::own_tables::TableSet;

/// Where the portal's tables are missing and the server lets nobody make them.
fn require_tables<S: Session>(session: &S) -> Result<(), Error> {
    if session.has(TableSet::Portal) {
        return Ok(());
    }
    let detail = "the table `keydove_session`, `keydove_origin` or `keydove_notice` is missing, and the database user may not \
                  create it: run `keydove grants`";
    Err(Error::Schema { database: "MariaDB".to_owned(), detail: detail.to_owned() })
}
