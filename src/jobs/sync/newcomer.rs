//! Somebody who has no mailbox yet.

use super::report::Outcome;
use crate::provision::{Identity, NewMailbox};

/// What looking at one person came to.
pub(super) enum Settled {
    /// It is done.
    Done(Outcome),
    /// They get this mailbox with the others of their page.
    Wants(Box<NewMailbox>),
}

/// Somebody who gets a mailbox.
pub(super) struct Newcomer {
    pub(super) identity: Identity,
    pub(super) plan: Box<NewMailbox>,
}

impl Newcomer {
    pub(super) fn domain(&self) -> &str {
        self.identity.user.domain()
    }
}
