//! What the web portal keeps and shows: sessions, a person's own app passwords, their mail logins.
//!
//! Rows of people are found by the mailbox's name in normal form, which is what keydove writes there itself; rows of
//! mailcow's tables are compared again, as everywhere.

mod app_passwords;
mod sessions;
mod sign_ins;

pub use app_passwords::{AppPasswordOrigin, AppPasswordUse, OwnAppPasswords, TooManyAppPasswords};
pub use sessions::{NewSession, SessionEnd, StoredSession};
pub use sign_ins::MailLogin;

use super::error::Error;
use super::session::Session;

/// Where the portal's tables are missing and the server lets nobody make them.
fn require_tables<S: Session>(session: &S) -> Result<(), Error> {
    if session.has_portal_tables() {
        return Ok(());
    }
    let detail = "the table `keydove_session` or `keydove_origin` is missing, and the database user may not create it: run \
                  `keydove grants`";
    Err(Error::Schema { database: "MariaDB".to_owned(), detail: detail.to_owned() })
}
