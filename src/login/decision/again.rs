//! A second look, before anybody is refused for what may be out of date.

use tokio::time::timeout_at;

use super::Decision;
use super::login::{Login, Proof};
use super::trace::Trace;
use super::words;
use crate::auth::{Grant, NotAccepted, Outdated};
use crate::backend::mailboxes::MailboxRecord;
use crate::backend::records::Held;
use crate::backend::sql::AuthSource;

impl Decision {
    /// Judges once more, if what stood against the login may be out of date.
    pub(super) async fn judge_again(
        &self,
        login: &Login<'_>,
        known: &Held<MailboxRecord>,
        (why_not, mark): (NotAccepted, usize),
        trace: &mut Trace,
    ) -> Result<Grant, NotAccepted> {
        let first = why_not.clone();
        let stays = outdated(&why_not) == Outdated::ByReturn;
        let again = self.look_again(login, known, why_not, trace);
        let newer = match stays {
            false => again.await,
            // Somebody who is known to be shut out stays out while nobody can tell.
            true => match timeout_at(login.now.until, again).await {
                Ok(Ok(newer)) => Ok(newer),
                Ok(Err(NotAccepted::Refused(_) | NotAccepted::CannotTell(_))) | Err(_) => Err(first.clone()),
            },
        };
        match &newer {
            // The first answer stands, and so does what was seen.
            Err(why_not) if *why_not == first => {}
            Err(_) => trace.step("asked anew", &newer, words::asked_anew),
            Ok(_) => {
                trace.forget_since(mark);
                trace.step("asked anew", &newer, words::asked_anew);
            }
        }
        self.judge(login, &newer?, trace).await
    }

    /// A password that does not fit may have been set a moment ago, in the database or in Keycloak. What is known is
    /// fetched anew, as often as [`Lifetimes::refetch_pause`](crate::backend::records::Lifetimes) allows.
    ///
    /// The first answer stands if that brought nothing new, or if nothing new could change it.
    async fn look_again(
        &self,
        login: &Login<'_>,
        known: &Held<MailboxRecord>,
        why_not: NotAccepted,
        trace: &mut Trace,
    ) -> Result<Held<MailboxRecord>, NotAccepted> {
        let outdated = outdated(&why_not);
        if outdated == Outdated::Never {
            return Err(why_not);
        }
        let (user, since, until) = (&login.user, login.now.monotonic, login.now.until);
        trace.note_cold();
        let newer = self.0.mailboxes.find_newer(user, since, until).await?;
        let authsource = match &newer.record.hosting.mailbox {
            Some(mailbox) => mailbox.authsource,
            None => Some(AuthSource::Keycloak),
        };
        let counts = || match login.proof {
            Proof::Password(_) | Proof::Assumed(_) => {
                self.check_main_password_counts(login, newer.record.hosting.mailbox.as_ref()).is_ok()
            }
            Proof::Token(_) | Proof::Identity(_) | Proof::AssumedIdentity => true,
        };
        // An app password, too, opens nothing of somebody who is shut out.
        let is_about_person = matches!(outdated, Outdated::ByArrival | Outdated::ByReturn);
        let asks_keycloak = authsource == Some(AuthSource::Keycloak) && (is_about_person || counts());
        let is_newer_person = asks_keycloak && self.0.passdb.renew_person(user, since, until).await?;
        if is_newer_person || newer.asked != known.asked { Ok(newer) } else { Err(why_not) }
    }
}

/// What may have put this answer out of date. Denials that a switch in the database made hold until what is known is too
/// old.
fn outdated(why_not: &NotAccepted) -> Outdated {
    match why_not {
        NotAccepted::Refused(denial) => denial.outdated(),
        NotAccepted::CannotTell(trouble) if trouble.is_of_one_hash() => Outdated::ByCredentials,
        NotAccepted::CannotTell(_) => Outdated::Never,
    }
}
