//! Making a mailbox, and applying a template to one.
//!
//! The values come from `provision`; here is which rows they go to, under which conditions, and that all of it
//! happens or nothing. No statement deletes a mailbox.

pub(super) mod checks;
pub(super) mod create;
mod create_many;
pub(super) mod rows;
mod update;

use super::database::Database;
use super::error::Error;
use super::retry::Fault;
use super::row::Row;
use super::session::{Kind, Session, Work};
pub use create_many::ImportedMailbox;
use rows::{Announced, Change, Creation, MailboxChanges, NewMailboxRows, StoredTemplate, WouldChange};

impl Database {
    /// Makes a mailbox with everything that belongs to it, in one transaction that is committed before this
    /// returns.
    ///
    /// The checks are mailcow's, in mailcow's order, inside the transaction, so that logins at the same moment
    /// cannot overrun a domain's limits. MariaDB needs `INSERT`, `UPDATE` and `DELETE` on the tables for it.
    ///
    /// # Errors
    /// The database cannot be asked, or a lock was not had in time. Nothing was written then, except with
    /// [`Error::Uncertain`]; the next attempt finds whether the mailbox is there.
    pub async fn create_mailbox(&self, rows: &NewMailboxRows) -> Result<Creation, Error> {
        self.run(create::CreateMailbox::new(rows.clone(), None, self.candidates.clone())).await
    }

    /// Makes mailboxes of one domain as [`create_mailbox`](Self::create_mailbox) does, in as few transactions as do without
    /// keeping anybody's first login waiting. Says how each ended.
    ///
    /// # Errors
    /// Of each, as [`create_mailbox`](Self::create_mailbox).
    pub async fn create_mailboxes(&self, of_one_domain: &[ImportedMailbox]) -> Vec<Result<Creation, Error>> {
        let mut ends = Vec::new();
        while let Some(rest) = of_one_domain.get(ends.len()..).filter(|rest| !rest.is_empty()) {
            match self.run(create_many::CreateMailboxes(rest.to_vec(), self.candidates.clone())).await {
                Ok(made) => ends.extend(made),
                // What stands against the whole may be of one of them, so each is made alone.
                Err(_) => {
                    for mailbox in rest {
                        ends.push(self.create_mailbox(&mailbox.rows).await);
                    }
                }
            }
        }
        ends
    }

    /// Makes a mailbox as [`create_mailbox`](Self::create_mailbox) does, and takes all of it back: limits, rights and
    /// triggers stand against it as they would then.
    ///
    /// # Errors
    /// As [`create_mailbox`](Self::create_mailbox).
    pub(crate) async fn rehearse_mailbox(&self, rows: &NewMailboxRows) -> Result<Creation, Error> {
        self.run(create::RehearseMailbox::new(rows.clone())).await
    }

    /// How [`create_mailbox`](Self::create_mailbox) would end, were what is announced for the domain written before.
    /// Nothing is written, and reading is all that it takes.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub(crate) async fn would_create(
        &self,
        rows: &NewMailboxRows,
        announced: Announced,
    ) -> Result<Creation, Error> {
        self.run(create::WouldCreate(rows.clone(), announced)).await
    }

    /// How [`change_mailbox`](Self::change_mailbox) would end, were what is announced for the domain written before.
    /// Nothing is written, and reading is all that it takes.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub(crate) async fn would_change(
        &self,
        changes: &MailboxChanges,
        announced: Announced,
    ) -> Result<WouldChange, Error> {
        self.run(update::ForeseeChange(changes.clone(), announced)).await
    }

    /// Changes what differs, and writes nothing where nothing does.
    ///
    /// # Errors
    /// As [`create_mailbox`](Self::create_mailbox).
    pub(crate) async fn change_mailbox(&self, changes: &MailboxChanges) -> Result<Change, Error> {
        self.run(update::ChangeMailbox(changes.clone())).await
    }

    /// All mailbox templates, by id.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn templates(&self) -> Result<Vec<StoredTemplate>, Error> {
        self.run(Templates).await
    }
}

struct Templates;

impl Work for Templates {
    const ATTEMPT: &'static str = "reading the templates";
    const KIND: Kind = Kind::Reads;
    type Output = Vec<StoredTemplate>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let statement = "SELECT template, attributes FROM templates WHERE type = 'mailbox' ORDER BY id";
        let rows = session.query(statement, Vec::new()).await?;
        let read = |mut row: Row| {
            row.read("templates", "mailbox", |row| {
                Ok(StoredTemplate { name: row.words(0)?, attributes: row.text(1)?.unwrap_or_default() })
            })
        };
        rows.into_iter().map(read).collect::<Result<_, _>>().map_err(Fault::from)
    }
}
