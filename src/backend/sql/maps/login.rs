//! Whose mailbox a login opens that names none: through an alias domain, or an alias of one mailbox.

use super::rows::{self, Address, FIND_MAILBOXES, MapRow, Part, addresses, find_rows, names_of, pick_row};
use crate::auth::Username;
use crate::backend::sql::error::Error;
use crate::backend::sql::names::is_name_of;
use crate::backend::sql::retry::Fault;
use crate::backend::sql::session::{Kind, Session, Work};

/// By which names that are no mailbox's a mailbox may be opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AliasLogins {
    /// By the same name in an alias domain.
    pub domains: bool,
    /// By an alias that leads to this mailbox and to nowhere else.
    pub addresses: bool,
}

impl AliasLogins {
    /// Whether by any.
    #[must_use]
    pub fn any(self) -> bool {
        self.domains || self.addresses
    }
}

/// The mailbox that an address without one of its own opens.
pub(super) struct FindLogin {
    pub(super) address: Username,
    pub(super) allowed: AliasLogins,
}

impl Work for FindLogin {
    const ATTEMPT: &'static str = "looking for the mailbox of an alias";
    const KIND: Kind = Kind::Reads;
    type Output = Option<Username>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let address = Address::new(&self.address);
        let rows = find_rows(session, &address).await?;
        if has_mailbox(&rows, &address.whole)? {
            return Ok(None);
        }
        if let Some(found) = self.follow_alias(session, &rows, &address).await? {
            return Ok(Some(found));
        }
        let twin = match self.allowed.domains {
            true => rows::target_of(&address, &rows)?.and_then(|target| address.in_domain(&target)),
            false => None,
        };
        let Some(twin) = twin else { return Ok(None) };
        let rows = find_rows(session, &twin).await?;
        if !has_mailbox(&rows, &twin.whole)?
            && let Some(found) = self.follow_alias(session, &rows, &twin).await?
        {
            return Ok(Some(found));
        }
        // Whether there is a mailbox, or the first login is to make one, is for the twin's own login to say.
        Ok(Some(twin.whole))
    }
}

impl FindLogin {
    /// The one mailbox that an alias of exactly this address leads to. A list of several is nobody's, and so is a
    /// catch-all, which stands for names that anybody makes up.
    async fn follow_alias<S: Session>(
        &self,
        session: &mut S,
        rows: &[MapRow],
        address: &Address,
    ) -> Result<Option<Username>, Fault> {
        if !self.allowed.addresses {
            return Ok(None);
        }
        let whole = &address.whole;
        let alias = pick_row(rows, Part::Alias, whole.as_str(), |stored| is_name_of(whole, stored))?;
        let Some(alias) = alias.filter(|row| row.is_in_use()) else { return Ok(None) };
        let mut targets = addresses(&alias.value);
        let (Some(target), None) = (targets.next(), targets.next()) else { return Ok(None) };
        let Ok(target) = Username::parse(target.as_bytes()) else { return Ok(None) };
        let names = names_of(Address::new(&target).spellings());
        let found = MapRow::read_all(session.query(FIND_MAILBOXES, names).await?, target.as_str())?;
        Ok(has_mailbox(&found, &target)?.then_some(target))
    }
}

/// Whether there is a mailbox of exactly this name, on or off.
fn has_mailbox(rows: &[MapRow], name: &Username) -> Result<bool, Error> {
    let found = pick_row(rows, Part::Mailbox, name.as_str(), |stored| is_name_of(name, stored))?;
    Ok(found.is_some())
}
