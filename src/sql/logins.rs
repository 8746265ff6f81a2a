//! The login history, in mailcow's table `sasl_log`: one row for each service, address and user.

use std::net::IpAddr;

use super::session::{Fault, Parameter, Session, Work};
use super::{Database, Error};
use crate::auth::Username;

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
    /// From where.
    pub remote: IpAddr,
}

impl Database {
    /// Writes logins into the history, in one transaction. MariaDB needs `INSERT` and `DELETE` on `sasl_log` for it.
    ///
    /// A lock that somebody else has on a SQLite file is not waited for, because logins would wait as long.
    ///
    /// # Errors
    /// The database cannot be asked, or a lock was not had. Nothing was written then. [`Error::Schema`]: the table
    /// is missing, or may not be written.
    pub async fn write_logins(&self, logins: &[LoginRow]) -> Result<(), Error> {
        self.run(WriteLogins(logins.to_vec())).await
    }
}

struct WriteLogins(Vec<LoginRow>);

impl Work for WriteLogins {
    const ATTEMPT: &'static str = "writing the login history";
    const WRITES: bool = true;
    const WAITS: bool = false;
    type Output = ();

    async fn run<S: Session>(&self, session: &mut S) -> Result<(), Fault> {
        for login in &self.0 {
            let service: String = login.service.chars().take(LONGEST_SERVICE).collect();
            let remote = login.remote.to_string();
            let parameters = vec![
                Parameter::Text(service),
                Parameter::Integer(login.app_password),
                login.user.as_str().into(),
                Parameter::Text(remote),
            ];
            session.query(WRITE_LOGIN, parameters).await?;
        }
        Ok(())
    }
}
