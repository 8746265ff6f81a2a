//! The login history, in mailcow's table `sasl_log`: one row for each service, address and user.

use std::net::IpAddr;

use super::database::Database;
use super::error::Error;
use super::retry::Fault;
use super::row::Parameter;
use super::session::{Kind, LostCommit, Session, Work};
use crate::auth::Username;
use crate::backend::sql::names::{is_name_of, spellings, texts};

/// The width of the column, in characters.
const LONGEST_SERVICE: usize = 32;
/// The database puts the time in, so that all who write have one clock.
const WRITE_LOGIN: &str =
    "REPLACE INTO sasl_log (service, app_password, username, real_rip) VALUES (?, ?, ?, ?)";

/// A row of `sasl_log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginRow {
    /// As the mail server sent it; the column holds the first 32 characters.
    pub service: Box<str>,
    /// The number of the app password; 0 is the main password.
    pub app_password: i64,
    /// Who logged in.
    pub user: Username,
    /// The client's address.
    pub remote: IpAddr,
}

/// The newest first; a name and its Unicode spelling.
const LAST_LOGINS: &str = "\
SELECT username, service, app_password, real_rip, CAST(datetime AS CHAR) FROM sasl_log \
 WHERE username IN (?, ?) ORDER BY datetime DESC LIMIT 10";

/// A login of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PastLogin {
    /// The service, as the mail server sent it.
    pub(crate) service: String,
    /// The number of the app password; 0 is the main password.
    pub(crate) app_password: i64,
    /// The client's address, as stored.
    pub(crate) remote: String,
    /// By the clock and in the time zone of the database.
    pub(crate) at: String,
}

impl Database {
    /// The last logins of one person, the newest first; 10 at the most.
    ///
    /// # Errors
    /// The database cannot be asked. [`Error::Schema`]: the table is missing, or may not be read.
    pub(crate) async fn last_logins(&self, user: &Username) -> Result<Vec<PastLogin>, Error> {
        self.run(LastLogins(user.clone())).await
    }

    /// Writes logins into the history, all or none. MariaDB needs `INSERT` and `DELETE` on `sasl_log` for it.
    ///
    /// A lock that somebody else has on a SQLite file is not waited for, because logins would wait as long.
    ///
    /// # Errors
    /// The database cannot be asked, or a lock was not had. Nothing was written then, except with
    /// [`Error::Uncertain`]; writing the same again does no harm. [`Error::Schema`]: the table is missing, or may not
    /// be written.
    pub async fn write_logins(&self, logins: &[LoginRow]) -> Result<(), Error> {
        match logins {
            [login] => self.run(WriteLogin(login.clone())).await,
            logins => self.run(WriteLogins(logins.to_vec())).await,
        }
    }
}

struct LastLogins(Username);

impl Work for LastLogins {
    const ATTEMPT: &'static str = "reading the login history";
    const KIND: Kind = Kind::Reads;
    type Output = Vec<PastLogin>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Vec<PastLogin>, Fault> {
        let [name, unicode, ..] = spellings(&self.0);
        let mut logins = Vec::new();
        for mut row in session.query(LAST_LOGINS, texts([name, unicode])).await? {
            let login = row.read("sasl_log", self.0.as_str(), |row| {
                let is_this = is_name_of(&self.0, &row.words(0)?);
                let login = PastLogin {
                    service: row.words(1)?,
                    app_password: row.number(2)?,
                    remote: row.words(3)?,
                    at: row.words(4)?,
                };
                Ok(is_this.then_some(login))
            })?;
            logins.extend(login);
        }
        Ok(logins)
    }
}

/// One login: a statement that needs no transaction around it.
struct WriteLogin(LoginRow);

impl Work for WriteLogin {
    const ATTEMPT: &'static str = "writing the login history";
    const KIND: Kind = Kind::WritesOnce(LostCommit::RunAgain);
    const WAITS: bool = false;
    type Output = ();

    async fn run<S: Session>(&self, session: &mut S) -> Result<(), Fault> {
        self.0.write(session).await
    }
}

struct WriteLogins(Vec<LoginRow>);

impl Work for WriteLogins {
    const ATTEMPT: &'static str = WriteLogin::ATTEMPT;
    const KIND: Kind = Kind::Writes(LostCommit::RunAgain);
    const WAITS: bool = false;
    const OUTDATES: bool = false;
    type Output = ();

    async fn run<S: Session>(&self, session: &mut S) -> Result<(), Fault> {
        for login in &self.0 {
            login.write(session).await?;
        }
        Ok(())
    }
}

impl LoginRow {
    async fn write<S: Session>(&self, session: &mut S) -> Result<(), Fault> {
        let service: String = self.service.chars().take(LONGEST_SERVICE).collect();
        let parameters = vec![
            Parameter::Text(service),
            Parameter::Integer(self.app_password),
            self.user.as_str().into(),
            Parameter::Text(self.remote.to_string()),
        ];
        session.query(WRITE_LOGIN, parameters).await.map(drop)
    }
}
