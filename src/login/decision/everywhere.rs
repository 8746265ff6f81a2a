//! What is remembered is forgotten here and on every other node.

use super::{Decision, Forgotten};
use crate::auth::UserMask;
use crate::backend::sql::{Error, Invalidation, NodeRow};

impl Decision {
    /// The same as a node: under this name, like no other's, it tells the others what to forget.
    #[must_use]
    pub fn as_node(self, name: Option<String>) -> Self {
        Self(self.0, name)
    }

    /// Its name among the nodes, where it follows what they change.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        self.1.as_deref()
    }

    /// Forgets what is wrong now, in this process.
    pub fn take_back(&self, outdated: &Invalidation) -> Forgotten {
        let of_mailboxes = |mailboxes| Forgotten { mailboxes, ..Forgotten::default() };
        match outdated {
            Invalidation::Mailbox(user) => of_mailboxes(usize::from(self.0.mailboxes.forget(user))),
            Invalidation::Person(user) => self.forget(user),
            Invalidation::KeycloakId(id) => self.forget_keycloak_id(id),
            Invalidation::Mask(mask) => self.forget_matching(&[UserMask::new(mask.as_bytes())]),
            Invalidation::Domain(domain) => of_mailboxes(self.forget_mailboxes_of(domain)),
            Invalidation::Everybody => self.flush(),
        }
    }

    /// Forgets what is wrong now, and tells every other node to. Where the database cannot be asked, the log says so.
    pub async fn forget_everywhere(&self, outdated: Invalidation) -> Forgotten {
        let forgotten = self.take_back(&outdated);
        if let Some(node) = self.node()
            && let Err(error) = self.0.database.tell_nodes(node, outdated).await
        {
            tracing::warn!(%error, "other nodes were not told to forget: forget it again when the database answers");
        }
        forgotten
    }

    /// The database's time and the nodes that follow, by name; none where this one does not.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn nodes(&self) -> Result<(i64, Vec<NodeRow>), Error> {
        match self.node() {
            Some(_) => self.0.database.nodes().await,
            None => Ok((0, Vec::new())),
        }
    }
}
