//! The questions without a password: delivery, doveadm, and mail processes.

use super::Decision;
use crate::auth::{MailHost, TempFail, UserFields, UserRequest, Username};
use crate::backend::sql::{Hosting, MailboxState, Page};

/// How many users one page of a list has: small enough that logins are served in between.
const PAGE: usize = 500;

/// A user and where their mail lives.
#[derive(Debug)]
pub struct FoundUser {
    /// In normal form.
    pub user: Username,
    /// The userdb fields.
    pub fields: UserFields,
    /// Where a proxy finds the mailbox, where it is on another machine and that was asked.
    pub host: Option<MailHost>,
}

impl Decision {
    /// Finds a mailbox that receives mail. As in mailcow, one that only receives counts, and the domain's
    /// state is left to the mail server's own domain list.
    ///
    /// # Errors
    /// The database cannot tell.
    pub async fn find_user(&self, request: &UserRequest) -> Result<Option<FoundUser>, TempFail> {
        let Ok(user) = Username::parse(&request.user) else { return Ok(None) };
        let (hosting, backend) = self.find_hosting(&user).await?;
        let Some(mailbox) = hosting.mailbox.filter(|mailbox| mailbox.active != MailboxState::Off) else {
            return Ok(None);
        };
        let host = self.place_for_lookup(request, &user, backend.as_deref()).await?;
        let fields = self.0.userdb.fields(&user, mailbox.quota_bytes);
        Ok(Some(FoundUser { fields, user, host }))
    }

    /// The mailbox, and its machine where there are several. One statement either way.
    async fn find_hosting(&self, user: &Username) -> Result<(Hosting, Option<String>), TempFail> {
        let database = &self.0.database;
        if self.0.mail_hosts.is_none() {
            let hosting = database.find_mailbox(user).await.map_err(|error| error.temp_fail())?;
            return Ok((hosting, None));
        }
        let facts = database.login_facts(user).await.map_err(|error| error.temp_fail())?;
        Ok((facts.hosting, facts.backend.map_err(|error| error.temp_fail())?))
    }

    /// Lists the mailboxes that receive mail, page by page, beginning after a name.
    ///
    /// # Errors
    /// The database cannot tell.
    pub async fn list_users(&self, after: Option<&str>) -> Result<Page, TempFail> {
        self.0.database.list_mailboxes(after, PAGE).await.map_err(|error| error.temp_fail())
    }
}
