//! What opens a mailbox that is there: the main password, an app password, or a token.

use super::Decision;
use super::authenticate::check_access;
use super::login::{Login, Proof};
use super::trace::Trace;
use super::webmail::Via;
use super::words;
use crate::auth::{Denial, NotAccepted, Secret, Service, Source, TempFail, Username};
use crate::backend::keycloak::Person;
use crate::backend::mailboxes::MailboxRecord;
use crate::backend::people::Entitled;
use crate::backend::sql::{AppPassword, AuthSource, Mailbox};
use crate::login::passdb::{AppPasswordAttempt, Aside, Owner, Presented, Tried, is_switched_off, of_mailbox};

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
        trace: &mut Trace,
    ) -> Result<Opened, NotAccepted> {
        // A master user opens what is on, and nobody is asked about the person.
        if let Some(master_user) = &login.master_user {
            return Box::pin(self.open_as_master(login, master_user, trace)).await;
        }
        if login.via == Via::SingleSignOn {
            let owner = self.find_owner(login, mailbox, record, trace).await?;
            return Ok(Opened { source: Source::SingleSignOn, owner });
        }
        let Some(presented) = login.presented() else {
            return Box::pin(self.open_with_word(login, mailbox, record, trace)).await;
        };
        // An app password that keydove made names its row, so that no other hash need be tried.
        let app_passwords = record.app_passwords();
        if let Some(row) = app_passwords.ok().and_then(|rows| self.0.passdb.find_named(rows, presented)) {
            return Box::pin(self.open_with_named(login, (mailbox, record), (row, presented), trace)).await;
        }
        let counts = self.check_main_password_counts(login, Some(mailbox));
        trace.way("main password counts", &counts, |_| words::counts(mailbox));
        let (why_not, owner) = match counts {
            // Nobody is asked about a person as long as nothing has fitted.
            Err(why_not) => (why_not, None),
            Ok(()) => {
                let owner = self.find_owner(login, mailbox, record, trace).await?;
                let passdb = &self.0.passdb;
                let fits = passdb.check_main_password(mailbox, &owner, &record.fitted, presented).await;
                trace.way("main password", &fits, |fits| {
                    words::main_password(Some(mailbox), &owner, login, fits)
                });
                match fits {
                    Ok(source) => return Ok(Opened { source, owner }),
                    Err(why_not) => (why_not, Some(owner)),
                }
            }
        };
        // Nobody can tell whether main passwords count, so nobody could tell whose mailbox it is.
        if owner.is_none() && matches!(why_not, NotAccepted::CannotTell(_)) {
            return Err(why_not);
        }
        let attempt = attempt(login, presented);
        let tried = match app_passwords {
            Ok(rows) => Box::pin(self.0.passdb.try_app_passwords(rows, &attempt)).await,
            Err(trouble) => Err(TempFail::clone(trouble).into()),
        };
        let found = match tried {
            Ok(Tried::Fits(id)) => Ok(id),
            // None that fits is no end of its own: why the main password does not open it counts too.
            Ok(tried) => {
                let aside = match is_switched_off(&why_not) && tried == Tried::Mismatch {
                    true => Box::pin(self.compare_aside(login, mailbox, record, (&owner, presented))).await,
                    false => Aside::Unknown,
                };
                Err(self.0.passdb.conclude(&login.user, why_not, &tried, aside))
            }
            Err(trouble) => Err(trouble),
        };
        trace.way("app passwords", &found, |found| self.app_passwords_seen(app_passwords, &attempt, found));
        let source = Source::AppPassword(found?);
        let owner = match owner {
            Some(owner) => owner,
            None => self.find_owner(login, mailbox, record, trace).await?,
        };
        Ok(Opened { source, owner })
    }

    /// An app password that names its row fits it, or nothing.
    async fn open_with_named(
        &self,
        login: &Login<'_>,
        (mailbox, record): (&Mailbox, &MailboxRecord),
        (row, presented): (&AppPassword, Presented<'_>),
        trace: &mut Trace,
    ) -> Result<Opened, NotAccepted> {
        let attempt = attempt(login, presented);
        let fits = self.0.passdb.check_named_app_password(row, &attempt).await;
        trace.step("app passwords", &fits, |fits| words::named_app_password(row.id, fits));
        let source = Source::AppPassword(fits?);
        let owner = self.find_owner(login, mailbox, record, trace).await?;
        Ok(Opened { source, owner })
    }

    /// Whether the main password fits where it does not count. Whoever sends the right one guesses no app password.
    async fn compare_aside(
        &self,
        login: &Login<'_>,
        mailbox: &Mailbox,
        record: &MailboxRecord,
        (owner, presented): (&Option<Owner>, Presented<'_>),
    ) -> Aside {
        let passdb = &self.0.passdb;
        let found;
        let owner = match owner {
            Some(owner) => owner,
            None => match passdb.check_main_password_counts(&login.user, mailbox.authsource) {
                Ok(()) | Err(NotAccepted::Refused(Denial::MailPasswordsOff)) => {
                    match self.find_owner(login, mailbox, record, &mut Trace::silent()).await {
                        Ok(owner) => {
                            found = owner;
                            &found
                        }
                        Err(_) => return Aside::Unknown,
                    }
                }
                // Where only app passwords count, nobody is asked about a person for a wrong one.
                Err(NotAccepted::Refused(Denial::AppPasswordRequired)) => {
                    let known = record.owner_id.as_deref();
                    match passdb.peek_owner(&login.user, mailbox, known, login.now.monotonic) {
                        Some(Ok(owner)) => {
                            found = owner;
                            &found
                        }
                        Some(Err(_)) | None => return Aside::FitsNot,
                    }
                }
                Err(NotAccepted::Refused(_)) => return Aside::FitsNot,
                Err(NotAccepted::CannotTell(_)) => return Aside::Unknown,
            },
        };
        passdb.compare_aside(mailbox, owner, &record.fitted, presented).await
    }

    async fn open_as_master(
        &self,
        login: &Login<'_>,
        master_user: &str,
        trace: &mut Trace,
    ) -> Result<Opened, NotAccepted> {
        let presented = login.presented().ok_or(Denial::AuthzidForbidden)?;
        let fits = self.0.passdb.check_master_user(master_user, presented).await;
        trace.step("master user", &fits, |_| words::master_user(master_user));
        fits?;
        Ok(Opened { source: Source::MasterUser, owner: Owner::Row })
    }

    /// Whether the realm has signed a token for the name that comes with it. That asks nobody about the name.
    pub(super) async fn verify_token(
        &self,
        login: &Login<'_>,
        token: &Secret,
        trace: &mut Trace,
    ) -> Result<(), NotAccepted> {
        let signed = self.0.passdb.verify_token(&login.user, token, login.now.wall).await;
        trace.step("token", &signed, |_| words::token());
        // Empty until now: this is asked once for each login.
        let _ = login.signed.set(signed?);
        Ok(())
    }

    /// Keycloak's word about somebody is no password: settings that switch main passwords off are not about it, and
    /// neither are app passwords. The service's own switch is.
    async fn open_with_word(
        &self,
        login: &Login<'_>,
        mailbox: &Mailbox,
        record: &MailboxRecord,
        trace: &mut Trace,
    ) -> Result<Opened, NotAccepted> {
        check_access(login.via, &login.request.service, mailbox)?;
        if mailbox.authsource != Some(AuthSource::Keycloak) {
            return Err(Denial::SourceUnsupported.into());
        }
        let owner = self.find_owner(login, mailbox, record, trace).await?;
        let Some(entitled) = owner.entitled() else { return Err(Denial::SourceUnsupported.into()) };
        let source = self.confirm_word_about(login, entitled).await?;
        Ok(Opened { source, owner })
    }

    /// Whether Keycloak's word is about this person, who may have no mailbox yet.
    pub(super) async fn confirm_word_about(
        &self,
        login: &Login<'_>,
        entitled: &Entitled,
    ) -> Result<Source, NotAccepted> {
        let passdb = &self.0.passdb;
        match (login.proof, login.signed.get()) {
            (Proof::Token(token), Some(signed)) => passdb.confirm_token(token, signed, entitled).await?,
            (Proof::Identity(identity), _) => passdb.confirm_identity(identity, entitled)?,
            (Proof::AssumedIdentity, _) => {}
            (Proof::Token(_), None) | (Proof::Password(_) | Proof::Assumed(_), _) => {
                return Err(Denial::TokenInvalid.into());
            }
        }
        Ok(Source::Token)
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
                check_access(login.via, &login.request.service, mailbox)?;
                mailbox.authsource
            }
            None => Some(AuthSource::Keycloak),
        };
        let counts = self.0.passdb.check_main_password_counts(&login.user, authsource);
        counts.map_err(|why_not| if mailbox.is_some() { of_mailbox(why_not) } else { why_not })
    }

    /// Who has the mailbox; in Keycloak it must still be the person who had it before. The same address with
    /// another id is somebody new, who gets the leaver's mail only when an administrator says so.
    pub(super) async fn find_owner(
        &self,
        login: &Login<'_>,
        mailbox: &Mailbox,
        record: &MailboxRecord,
        trace: &mut Trace,
    ) -> Result<Owner, NotAccepted> {
        let known = record.owner_id.as_deref();
        let found = match self.0.passdb.peek_owner(&login.user, mailbox, known, login.now.monotonic) {
            Some(found) => found,
            None => {
                trace.note_cold();
                Box::pin(self.0.passdb.find_owner(&login.user, mailbox, known)).await
            }
        };
        let found = found.and_then(|owner| {
            trace.note_stale(owner.stale_age(login.now.monotonic));
            check_same_person(&login.user, record, &owner)?;
            Ok(owner)
        });
        if mailbox.authsource == Some(AuthSource::Keycloak) {
            trace.step("person", &found, |found| self.person_seen(login, found));
        }
        found
    }
}

/// Whether the person is the one who had the mailbox when keydove saw it last.
pub(super) fn check_same_person(
    user: &Username,
    record: &MailboxRecord,
    owner: &Owner,
) -> Result<(), Denial> {
    if is_same_person(record, owner) {
        return Ok(());
    }
    tracing::warn!(
        user = user.as_str(),
        known = record.owner_id.as_deref(),
        found = owner.person().map(Person::id),
        "the address has another person in Keycloak than before; to give them the mailbox, run \
         `keydove mailbox adopt`"
    );
    Err(Denial::UserReplaced)
}

/// The same, said to nobody. A row has no person, and a mailbox whose owner nobody has seen yet has any.
pub(super) fn is_same_person(record: &MailboxRecord, owner: &Owner) -> bool {
    match (owner.person(), record.owner_id.as_deref()) {
        (Some(person), Some(known)) => person.id() == known,
        (None, _) | (_, None) => true,
    }
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
