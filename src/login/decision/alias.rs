//! Whose mailbox a login opens that comes under another name of it: through an alias domain, or an alias of one mailbox.
//!
//! A mailbox of the very name always wins. Who the name belongs to in Keycloak does not matter: it is the target's owner,
//! password and app passwords that count, so nobody gets in who could not under the mailbox's own name.

use super::Decision;
use super::login::{Login, Proof};
use super::trace::Trace;
use crate::auth::NotAccepted;

impl Decision {
    /// Puts the mailbox's name in the place of the one that was given, where that is an alias which opens it; says whether
    /// it is one. From here on the login is one under the mailbox's own name: its throttling, its log line, its answer.
    ///
    /// A token or an identity names its person's own address, and nobody is looked up before a token is verified: it follows no alias.
    pub(super) async fn follow_alias(
        &self,
        login: &mut Login<'_>,
        trace: &mut Trace,
    ) -> Result<bool, NotAccepted> {
        if matches!(login.proof, Proof::Token(_) | Proof::Identity(_) | Proof::AssumedIdentity) {
            return Ok(false);
        }
        let known = self.find_mailbox(login, trace).await?;
        let Some(target) = known.record.alias_of().cloned() else { return Ok(false) };
        trace.step("alias", &Ok::<_, NotAccepted>(()), |_| (format!("opens the mailbox {target}"), None));
        trace.note_target(&target);
        login.user = target;
        Ok(true)
    }
}
