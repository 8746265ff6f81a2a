//! A mailbox that is there goes on or off: the only place that writes `mailbox.active`.
//!
//! Its own alias goes with it, and SOGo has a row of it only while it is on. Everybody who switches a mailbox comes through
//! here: the administrator's commands, the sync of leavers, and who is back. A template never switches one.

use super::names::{Presence, look_for_address};
use super::retry::Fault;
use super::session::Session;
use super::sogo;
use crate::auth::Username;

const SET_MAILBOX: &str = "UPDATE mailbox SET active = ? WHERE username = ?";
const SET_ALIAS: &str = "UPDATE alias SET active = ? WHERE address = ?";

/// What it means that SOGo cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ToldSogo {
    /// Nothing may be written.
    OrNothing,
    /// The mailbox is switched all the same: somebody who is gone must not wait for a right.
    IfGranted,
}

/// Writes `active` of the mailbox that is stored under this name: 0 off, 1 on, 2 receives only.
pub(super) async fn switch<S: Session>(
    session: &mut S,
    stored: &str,
    active: i64,
    told: ToldSogo,
) -> Result<(), Fault> {
    session.query(SET_MAILBOX, vec![active.into(), stored.into()]).await?;
    // What is no address has neither an alias nor a user of SOGo.
    let Ok(user) = Username::parse(stored.as_bytes()) else { return Ok(()) };
    let own = look_for_address(session, ("alias", "address"), &user).await?;
    if let Presence::There(alias) = own {
        session.query(SET_ALIAS, vec![active.into(), alias.as_str().into()]).await?;
    }
    match told {
        ToldSogo::OrNothing => sogo::tell(session, &user).await,
        ToldSogo::IfGranted => sogo::tell_if_granted(session, &user).await,
    }
}
