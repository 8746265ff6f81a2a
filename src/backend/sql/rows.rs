//! Rows as the drivers hand them over, before anybody asks what they mean.

use super::Error;
use crate::auth::Secret;

/// One row of [`FIND_MAILBOX`](super::statements::FIND_MAILBOX).
pub(super) enum Found {
    Domain { name: String, active: i64 },
    Mailbox(StoredMailbox),
    SecondFactor { name: String },
}

/// A row of `mailbox`, not yet judged.
pub(super) struct StoredMailbox {
    pub(super) username: String,
    pub(super) active: i64,
    pub(super) kind: String,
    pub(super) authsource: Option<String>,
    pub(super) password: Secret,
    pub(super) quota: i64,
    pub(super) attributes: Option<String>,
}

/// One row of the list of mailboxes.
pub(super) struct Listed {
    pub(super) username: String,
    pub(super) kind: String,
}

/// The cells of one row, by column number. An error is a few words on what the cell holds instead.
pub(super) trait Cells {
    fn integer(&mut self, column: usize) -> Result<Option<i64>, String>;
    fn bytes(&mut self, column: usize) -> Result<Option<Vec<u8>>, String>;

    fn text(&mut self, column: usize) -> Result<Option<String>, String> {
        let Some(bytes) = self.bytes(column)? else { return Ok(None) };
        String::from_utf8(bytes).map(Some).map_err(|_| "a text is not UTF-8".to_owned())
    }
}

impl Found {
    /// Reads a row; `asked` names it where it cannot name itself.
    pub(super) fn read(cells: &mut impl Cells, asked: &str) -> Result<Self, Error> {
        let part = cells.integer(0).ok().flatten();
        let table = match part {
            Some(1) => "domain",
            Some(2) => "mailbox",
            _ => "tfa",
        };
        let mut read = || -> Result<Self, String> {
            let name = required(cells.text(1)?, "name")?;
            let active = required(cells.integer(2)?, "active")?;
            Ok(match part {
                Some(1) => Self::Domain { name, active },
                Some(2) => Self::Mailbox(StoredMailbox::read(cells, name, active)?),
                _ => Self::SecondFactor { name },
            })
        };
        read().map_err(|detail| Error::BadRow { table, key: asked.to_owned(), detail })
    }
}

impl StoredMailbox {
    fn read(cells: &mut impl Cells, username: String, active: i64) -> Result<Self, String> {
        Ok(Self {
            username,
            active,
            kind: cells.text(3)?.unwrap_or_default(),
            authsource: cells.text(4)?,
            password: Secret::new(cells.bytes(5)?.unwrap_or_default()),
            quota: required(cells.integer(6)?, "quota")?,
            attributes: cells.text(7)?,
        })
    }
}

impl Listed {
    pub(super) fn read(cells: &mut impl Cells, after: &str) -> Result<Self, Error> {
        let mut read = || -> Result<Self, String> {
            let username = required(cells.text(0)?, "username")?;
            Ok(Self { username, kind: cells.text(1)?.unwrap_or_default() })
        };
        read().map_err(|detail| Error::BadRow {
            table: "mailbox",
            key: format!("somewhere after {after}"),
            detail,
        })
    }
}

fn required<T>(cell: Option<T>, column: &str) -> Result<T, String> {
    cell.ok_or_else(|| format!("`{column}` is NULL"))
}
