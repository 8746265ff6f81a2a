//! What opens a mailbox that is there: the main password, an app password, or a token.

use super::Decision;
use super::authenticate::{Login, Proof, check_access};
use super::mailboxes::MailboxRecord;
use super::path::Path;
use super::webmail::Via;
use crate::auth::{Denial, NotAccepted, Secret, Service, Source, TempFail, Username};
use crate::passdb::{AppPasswordAttempt, Aside, Entitled, Owner, Presented, Tried, is_switched_off};
use crate::sql::{AuthSource, Mailbox};

/// A mailbox that was opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) source: Source,
    pub(super) owner: Owner,
}

impl Decision {
    /// Steps 4 and 5. Whatever opens the mailbox, a person in Keycloak must be entitled to it now.
    pub(super) async fn open(
        &self,
        login: &Login<'_>,
        mailbox: &Mailbox,
        record: &MailboxRecord,
        path: &mut Path,
    ) -> Result<Opened, NotAccepted> {
        // A master user opens what is on, and nobody is asked about the person.
        if let Some(master_user) = &login.master_user {
            // A token proves who somebody is, which no master user's name can be.
            let Proof::Password(presented) = login.proof else { return Err(Denial::AuthzidForbidden.into()) };
            Box::pin(self.0.passdb.check_master_user(master_user, presented)).await?;
            return Ok(Opened { source: Source::MasterUser, owner: Owner::Row });
        }
        if login.via == Via::SingleSignOn {
            let owner = self.find_owner(login, mailbox, record, path).await?;
            return Ok(Opened { source: Source::SingleSignOn, owner });
        }
        let presented = match login.proof {
            Proof::Password(presented) => Presented { name: login.user.as_str(), ..presented },
            Proof::Token(token) => {
                return Box::pin(self.open_with_token(login, mailbox, (record, token), path)).await;
            }
        };
        // An app password that keydove made names its row, so that no other hash need be tried.
        let app_passwords = record.app_passwords();
        if let Some(row) =
            app_passwords.ok().and_then(|rows| self.0.passdb.find_named(rows, presented.password))
        {
            let attempt = attempt(login, presented);
            let id = Box::pin(self.0.passdb.check_named_app_password(row, &attempt)).await?;
            let owner = self.find_owner(login, mailbox, record, path).await?;
            return Ok(Opened { source: Source::AppPassword(id), owner });
        }
        let (why_not, owner) = match self.check_main_password_counts(login, Some(mailbox)) {
            // Nobody is asked about a person as long as nothing has fitted.
            Err(why_not) => (why_not, None),
            Ok(()) => {
                let owner = self.find_owner(login, mailbox, record, path).await?;
                let passdb = &self.0.passdb;
                match passdb.check_main_password(mailbox, &owner, &record.fitted, presented).await {
                    Ok(source) => return Ok(Opened { source, owner }),
                    Err(why_not) => (why_not, Some(owner)),
                }
            }
        };
        // Nobody can tell whether main passwords count, so nobody could tell whose mailbox it is.
        if owner.is_none() && matches!(why_not, NotAccepted::CannotTell(_)) {
            return Err(why_not);
        }
        let rows = app_passwords.map_err(TempFail::clone)?;
        let attempt = attempt(login, presented);
        let tried = Box::pin(self.0.passdb.try_app_passwords(rows, &attempt)).await?;
        let Tried::Fits(id) = tried else {
            let aside = match is_switched_off(&why_not) && tried == Tried::Mismatch {
                true => Box::pin(self.compare_aside(login, mailbox, record, (owner, presented))).await,
                false => Aside::Unknown,
            };
            return Err(self.0.passdb.conclude(&login.user, why_not, &tried, aside));
        };
        let owner = match owner {
            Some(owner) => owner,
            None => self.find_owner(login, mailbox, record, path).await?,
        };
        Ok(Opened { source: Source::AppPassword(id), owner })
    }

    /// Whether the main password fits where it does not count. Whoever sends the right one guesses no app password.
    async fn compare_aside(
        &self,
        login: &Login<'_>,
        mailbox: &Mailbox,
        record: &MailboxRecord,
        (owner, presented): (Option<Owner>, Presented<'_>),
    ) -> Aside {
        let passdb = &self.0.passdb;
        let owner = match owner {
            Some(owner) => owner,
            None => match passdb.check_main_password_counts(&login.user, mailbox.authsource) {
                Ok(()) => match self.find_owner(login, mailbox, record, &mut Path::Cold).await {
                    Ok(owner) => owner,
                    Err(_) => return Aside::Unknown,
                },
                Err(NotAccepted::Refused(_)) => return Aside::FitsNot,
                Err(NotAccepted::CannotTell(_)) => return Aside::Unknown,
            },
        };
        passdb.compare_aside(mailbox, &owner, &record.fitted, presented).await
    }

    /// A token is no password: settings that switch main passwords off are not about it, and neither are app passwords.
    /// The service's own switch is.
    async fn open_with_token(
        &self,
        login: &Login<'_>,
        mailbox: &Mailbox,
        (record, token): (&MailboxRecord, &Secret),
        path: &mut Path,
    ) -> Result<Opened, NotAccepted> {
        check_access(login, mailbox)?;
        if mailbox.authsource != Some(AuthSource::Keycloak) {
            return Err(Denial::SourceUnsupported.into());
        }
        let signed = self.0.passdb.verify_token(&login.user, token, login.now.wall).await?;
        let owner = self.find_owner(login, mailbox, record, path).await?;
        let Some(entitled) = owner.entitled() else { return Err(Denial::SourceUnsupported.into()) };
        self.0.passdb.confirm_token(token, &signed, entitled).await?;
        Ok(Opened { source: Source::Token, owner })
    }

    /// The person of a token who has no mailbox yet.
    pub(super) async fn find_person_of_token(
        &self,
        login: &Login<'_>,
        token: &Secret,
    ) -> Result<Entitled, NotAccepted> {
        let signed = self.0.passdb.verify_token(&login.user, token, login.now.wall).await?;
        let entitled = self.0.passdb.find_person(&login.user).await?;
        self.0.passdb.confirm_token(token, &signed, &entitled).await?;
        Ok(entitled)
    }

    /// Whether the main password may open this mailbox for this service, before anybody looks at it. A mailbox that
    /// is not there yet has no switches, and Keycloak knows its person or nobody does.
    pub(super) fn check_main_password_counts(
        &self,
        login: &Login<'_>,
        mailbox: Option<&Mailbox>,
    ) -> Result<(), NotAccepted> {
        let authsource = match mailbox {
            Some(mailbox) => {
                check_access(login, mailbox)?;
                mailbox.authsource
            }
            None => Some(AuthSource::Keycloak),
        };
        self.0.passdb.check_main_password_counts(&login.user, authsource)
    }

    /// Who has the mailbox; in Keycloak it must still be the person who had it before. The same address with
    /// another id is somebody new, who gets the leaver's mail only when an administrator says so.
    pub(super) async fn find_owner(
        &self,
        login: &Login<'_>,
        mailbox: &Mailbox,
        record: &MailboxRecord,
        path: &mut Path,
    ) -> Result<Owner, NotAccepted> {
        let owner = match self.0.passdb.peek_owner(&login.user, mailbox, login.now.monotonic) {
            Some(owner) => owner?,
            None => {
                *path = (*path).max(Path::Cold);
                Box::pin(self.0.passdb.find_owner(&login.user, mailbox)).await?
            }
        };
        path.note_stale(owner.stale_age(login.now.monotonic));
        check_same_person(&login.user, record, &owner)?;
        Ok(owner)
    }
}

/// Whether the person is the one who had the mailbox when keydove saw it last.
pub(super) fn check_same_person(
    user: &Username,
    record: &MailboxRecord,
    owner: &Owner,
) -> Result<(), Denial> {
    let Some(person) = owner.person() else { return Ok(()) };
    let Some(known) = record.owner_id.as_deref().filter(|known| *known != person.id()) else { return Ok(()) };
    tracing::warn!(
        user = user.as_str(),
        known,
        found = person.id(),
        "the address has another person in Keycloak than before; to give them the mailbox, run \
         `keydove mailbox adopt`"
    );
    Err(Denial::UserReplaced)
}

pub(super) fn attempt<'a>(login: &Login<'a>, presented: Presented<'a>) -> AppPasswordAttempt<'a> {
    AppPasswordAttempt {
        presented,
        service: Some(&login.request.service)
            .filter(|service| login.via == Via::Client && **service != Service::Unnamed),
        wall: login.now.wall,
    }
}

#[cfg(test)]
#[path = "open_tests.rs"]
mod tests;
