//! All mailboxes by pages, for what has to look at each.

use super::mailbox::{Listed, Page};
use super::retry::Fault;
use super::session::{Dialect, Kind, Session, Work};

/// Binary order, because under a collation the name after `muller` may equal it and a page would repeat or skip.
const LIST_SQLITE: &str = "\
SELECT username, kind FROM mailbox \
 WHERE active IN (1, 2) AND username COLLATE BINARY > ? \
 ORDER BY username COLLATE BINARY LIMIT ?";
/// The same for MariaDB, where the order is that of the UTF-8 bytes too.
const LIST_MARIADB: &str = "\
SELECT username, kind FROM mailbox \
 WHERE active IN (1, 2) AND CAST(username AS BINARY) > CAST(? AS BINARY) \
 ORDER BY CAST(username AS BINARY) LIMIT ?";

/// A page of the names that receive mail, in the order of their bytes.
pub(super) struct ListMailboxes {
    pub(super) after: String,
    pub(super) limit: usize,
}

impl Work for ListMailboxes {
    const ATTEMPT: &'static str = "listing mailboxes";
    const KIND: Kind = Kind::Reads;
    type Output = Page;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Page, Fault> {
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let statement = match S::DIALECT {
            Dialect::Sqlite => LIST_SQLITE,
            Dialect::Mariadb => LIST_MARIADB,
        };
        let rows = session.query(statement, vec![self.after.as_str().into(), limit.into()]).await?;
        let listed = rows.into_iter().map(|row| Listed::read(row, &self.after)).collect::<Result<_, _>>()?;
        Ok(Page::assemble(listed, self.limit))
    }
}
