//! A person's mail logins, for themselves.

use crate::auth::Username;
use crate::backend::sql::database::Database;
use crate::backend::sql::error::Error;
use crate::backend::sql::names::{is_name_of, spellings, texts};
use crate::backend::sql::retry::Fault;
use crate::backend::sql::session::{Kind, Session, Work};

/// A login of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailLogin {
    /// When, in seconds since 1970.
    pub at: i64,
    /// The service, as the mail server sent it.
    pub service: String,
    /// The client's address, as stored.
    pub remote: String,
    /// The number of the app password; 0 is the main password.
    pub app_password: i64,
}

impl Database {
    /// The name that stands beside a mailbox; `None` where it is empty or there is no such mailbox.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn mailbox_name(&self, user: &Username) -> Result<Option<String>, Error> {
        self.run(MailboxName(user.clone())).await
    }

    /// The last logins of a person, the newest first; 50 at the most, of each service from each address with each
    /// password the last.
    ///
    /// # Errors
    /// The database cannot be asked. [`Error::Schema`]: the history is missing, or may not be read.
    pub async fn mail_logins(&self, user: &Username) -> Result<Vec<MailLogin>, Error> {
        self.run(MailLogins(user.clone())).await
    }
}

struct MailboxName(Username);

impl Work for MailboxName {
    const ATTEMPT: &'static str = "looking for a mailbox's name";
    const KIND: Kind = Kind::Reads;
    type Output = Option<String>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Option<String>, Fault> {
        let [name, unicode, ..] = spellings(&self.0);
        let statement = "SELECT username, name FROM mailbox WHERE username IN (?, ?)";
        for mut row in session.query(statement, texts([name, unicode])).await? {
            let (username, shown) =
                row.read("mailbox", self.0.as_str(), |row| Ok((row.words(0)?, row.text(1)?)))?;
            if is_name_of(&self.0, &username) {
                return Ok(shown.filter(|shown| !shown.trim().is_empty()));
            }
        }
        Ok(None)
    }
}

struct MailLogins(Username);

impl Work for MailLogins {
    const ATTEMPT: &'static str = "reading a person's login history";
    const KIND: Kind = Kind::Reads;
    type Output = Vec<MailLogin>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Vec<MailLogin>, Fault> {
        let at = S::DIALECT.seconds_of("datetime");
        let statement = format!(
            "SELECT username, service, app_password, real_rip, {at} FROM sasl_log WHERE username IN (?, ?) \
             ORDER BY datetime DESC LIMIT 50"
        );
        let [name, unicode, ..] = spellings(&self.0);
        let mut logins = Vec::new();
        for mut row in session.query(&statement, texts([name, unicode])).await? {
            let login = row.read("sasl_log", self.0.as_str(), |row| {
                let is_this = is_name_of(&self.0, &row.words(0)?);
                let (service, app_password) = (row.words(1)?, row.number(2)?);
                let login = MailLogin { at: row.number(4)?, service, app_password, remote: row.words(3)? };
                Ok(is_this.then_some(login))
            })?;
            logins.extend(login);
        }
        Ok(logins)
    }
}
