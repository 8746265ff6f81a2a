//! What the sync asks: who may run it, what is known of a page of addresses, and who has been missing.
//!
//! What is written is one row each, and only where it differs. No statement deletes a mailbox.

mod lease;
mod leavers;
mod standing;

use super::database::Database;
use super::error::Error;
use crate::auth::Username;

pub use lease::{LeaseEnd, LeaseWish};
pub use leavers::{Remembered, SwitchOff};
pub(super) use standing::FollowName;
pub use standing::{Standing, StandingMailbox};

impl Database {
    /// Takes a lease that ends by itself: one process at a time has it. Time is the database's. Its number only grows:
    /// [`fenced`](Self::fenced) writes nothing once it is higher.
    ///
    /// # Errors
    /// The database cannot be asked; [`Error::Schema`] where keydove's own tables are missing.
    pub async fn take_lease(&self, wish: &LeaseWish) -> Result<LeaseEnd, Error> {
        self.ask(lease::Take(wish.clone())).await
    }

    /// Prolongs a lease. Says whether it still was this holder's, and of a [`fenced`](Self::fenced) handle still with its
    /// number.
    ///
    /// # Errors
    /// As [`take_lease`](Self::take_lease).
    pub async fn keep_lease(&self, wish: &LeaseWish) -> Result<bool, Error> {
        match self.run(lease::Keep(wish.clone())).await {
            Err(Error::LeaseLost { .. }) => Ok(false),
            end => end,
        }
    }

    /// Gives a lease back; `finished` notes that the work was done. Says whether it still was this holder's, as
    /// [`keep_lease`](Self::keep_lease) does.
    ///
    /// # Errors
    /// As [`take_lease`](Self::take_lease).
    pub async fn end_lease(&self, wish: &LeaseWish, finished: bool) -> Result<bool, Error> {
        match self.run(lease::End { wish: wish.clone(), finished }).await {
            Err(Error::LeaseLost { .. }) => Ok(false),
            end => end,
        }
    }

    /// What is known of each of these addresses, in their order. A few statements in all.
    ///
    /// # Errors
    /// The database cannot be asked, or a row that matters has an impossible value.
    pub async fn standings(&self, users: Vec<Username>) -> Result<Vec<Standing>, Error> {
        self.run(standing::Standings(users)).await
    }

    /// Another mailbox that the person with this Keycloak id has.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn mailbox_of_id(&self, keycloak_id: &str) -> Result<Option<String>, Error> {
        self.run(standing::MailboxOf(keycloak_id.to_owned())).await
    }

    /// What the ids of people with active mailboxes begin with, where they name a user store: `f:STORE:`.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub(crate) async fn remembered_stores(&self, source: &str) -> Result<Vec<String>, Error> {
        self.run(standing::StoresOf(source.to_owned())).await
    }

    /// Remembers the name that Keycloak has for a person. `write`: the mailbox gets it too.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn follow_name(&self, mailbox: &str, name: &str, write: bool) -> Result<(), Error> {
        let (mailbox, name) = (mailbox.to_owned(), name.to_owned());
        self.run(standing::FollowName { mailbox, name, write }).await
    }

    /// People of a source who have an active mailbox of the Keycloak kind, or one that the sync switched off, in the
    /// binary order of their mailboxes.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn remembered_people(
        &self,
        source: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Remembered>, Error> {
        let (source, after) = (source.to_owned(), after.to_owned());
        self.run(leavers::People { source, after, limit }).await
    }

    /// Counts one run more in which these were missing, and none for those who are back.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn note_missing(&self, missing: Vec<String>, back: Vec<String>) -> Result<(), Error> {
        if missing.is_empty() && back.is_empty() {
            return Ok(());
        }
        self.run(leavers::Note { missing, back }).await
    }

    /// Switches a mailbox off, if it is on, and remembers that. Says whether it was on.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn switch_off(&self, mailbox: &str, to: SwitchOff) -> Result<bool, Error> {
        self.run(leavers::Switch { mailbox: mailbox.to_owned(), to: Some(to) }).await
    }

    /// Switches a mailbox on again that [`switch_off`](Self::switch_off) switched off, unless somebody else has
    /// changed that since. Says whether it is on again.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn switch_on_again(&self, mailbox: &str) -> Result<bool, Error> {
        self.run(leavers::Switch { mailbox: mailbox.to_owned(), to: None }).await
    }
}
