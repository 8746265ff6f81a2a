//! Stored passwords that are in use, page by page, for counting their schemes.

use super::database::Database;
use super::error::Error;
use super::mailbox::is_resource;
use super::retry::Fault;
use super::row::Row;
use super::session::{Dialect, Kind, Session, Work};
use crate::auth::Secret;

/// Where a stored password is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredIn {
    /// `mailbox`, of those whose passwords are kept there.
    Mailbox,
    /// `app_passwd`
    AppPassword,
}

/// A stored password.
#[derive(Debug)]
pub struct StoredHash {
    /// The next page begins behind it.
    pub key: String,
    /// The mailbox that it opens, as stored.
    pub mailbox: String,
    /// The hash; `None` where there is none.
    pub password: Option<Secret>,
    /// It is a room, a group or a thing, which nobody logs in to.
    pub is_resource: bool,
}

impl Database {
    /// The next of the passwords that open something now: of mailboxes and app passwords that are switched on. An empty
    /// `after` is the beginning; an empty answer is the end.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn stored_hashes(
        &self,
        place: StoredIn,
        after: &str,
        limit: usize,
    ) -> Result<Vec<StoredHash>, Error> {
        let after = after.to_owned();
        self.run(StoredHashes { place, after, limit }).await
    }
}

struct StoredHashes {
    place: StoredIn,
    after: String,
    limit: usize,
}

impl Work for StoredHashes {
    const ATTEMPT: &'static str = "listing stored passwords";
    const KIND: Kind = Kind::Reads;
    type Output = Vec<StoredHash>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Vec<StoredHash>, Fault> {
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let rows = match self.place {
            StoredIn::Mailbox => {
                let (name, mark) = match S::DIALECT {
                    Dialect::Sqlite => ("username COLLATE BINARY", "?"),
                    Dialect::Mariadb => ("CAST(username AS BINARY)", "CAST(? AS BINARY)"),
                };
                let statement = format!(
                    "SELECT username, username, password, kind FROM mailbox \
                      WHERE authsource = 'mailcow' AND active = 1 AND {name} > {mark} ORDER BY {name} LIMIT ?"
                );
                session.query(&statement, vec![self.after.as_str().into(), limit.into()]).await?
            }
            StoredIn::AppPassword => {
                let statement = "SELECT CAST(id AS CHAR), mailbox, password, '' FROM app_passwd \
                                  WHERE active = 1 AND id > ? ORDER BY id LIMIT ?";
                let after = self.after.parse().unwrap_or(0_i64);
                session.query(statement, vec![after.into(), limit.into()]).await?
            }
        };
        let read = |mut row: Row| row.read("mailbox", "a page of passwords", read);
        Ok(rows.into_iter().map(read).collect::<Result<_, _>>()?)
    }
}

fn read(row: &mut Row) -> Result<StoredHash, String> {
    let is_resource = is_resource(&row.text(3)?.unwrap_or_default());
    let password = row.bytes(2)?.filter(|hash| !hash.is_empty()).map(Secret::new);
    Ok(StoredHash { key: row.words(0)?, mailbox: row.words(1)?, password, is_resource })
}
