//! Whose mailbox a login opens that comes under another name of it: through an alias domain, or an alias of one mailbox.
//!
//! A mailbox of the very name always wins. Who the name belongs to in Keycloak does not matter: it is the target's owner,
//! password and app passwords that count, so nobody gets in who could not under the mailbox's own name.

use super::Decision;
use super::authenticate::Login;
use super::path::Path;
use crate::auth::{NotAccepted, Username};

impl Decision {
    /// Puts the mailbox's name in the place of the one that was given, where that is an alias which opens it; returns the
    /// former. From here on the login is one under the mailbox's own name: its throttling, its log line, its answer.
    pub(super) async fn follow_alias(
        &self,
        login: &mut Login<'_>,
        path: &mut Path,
    ) -> Result<Option<Username>, NotAccepted> {
        if !self.0.mailboxes.know_aliases() {
            return Ok(None);
        }
        let known = self.find_mailbox(login, path).await?;
        let target = known.record.alias_of.clone();
        Ok(target.map(|target| std::mem::replace(&mut login.user, target)))
    }
}
