//! The questions without a password: delivery, doveadm, and mail processes.

use super::Decision;
use crate::auth::{TempFail, UserFields, UserRequest, Username};
use crate::backend::sql::{MailboxState, Page};

/// How many users one page of a list has: small enough that logins are served in between.
const PAGE: usize = 500;

/// A user and where their mail lives.
#[derive(Debug)]
pub struct FoundUser {
    /// In normal form.
    pub user: Username,
    /// The userdb fields.
    pub fields: UserFields,
}

impl Decision {
    /// Finds a mailbox that receives mail. As in mailcow, one that only receives counts, and the domain's
    /// state is left to the mail server's own domain list.
    ///
    /// # Errors
    /// The database cannot tell.
    pub async fn find_user(&self, request: &UserRequest) -> Result<Option<FoundUser>, TempFail> {
        let Ok(user) = Username::parse(&request.user) else { return Ok(None) };
        let hosting = self.0.database.find_mailbox(&user).await.map_err(|error| error.temp_fail())?;
        Ok(hosting
            .mailbox
            .filter(|mailbox| mailbox.active != MailboxState::Off)
            .map(|mailbox| FoundUser { fields: self.0.userdb.fields(&user, mailbox.quota_bytes), user }))
    }

    /// Lists the mailboxes that receive mail, page by page, beginning after a name.
    ///
    /// # Errors
    /// The database cannot tell.
    pub async fn list_users(&self, after: Option<&str>) -> Result<Page, TempFail> {
        self.0.database.list_mailboxes(after, PAGE).await.map_err(|error| error.temp_fail())
    }
}
