//! The steps of a login.

use std::pin::pin;
use std::time::SystemTime;

use futures_util::FutureExt;
use tokio::time::{Instant, timeout_at};

use super::Decision;
use super::mailboxes::MailboxRecord;
use super::master::Claim;
use super::open::Opened;
use super::path::Path;
use super::webmail::Via;
use crate::auth::{
    AuthRequest, Credential, Denial, Grant, NotAccepted, Secret, Service, Source, TempFail, TempFailReason,
    UserFields, Username, Verdict,
};
use crate::bookkeeping::Note;
use crate::cache::Held;
use crate::passdb::{Owner, Presented};
use crate::provision::{Identity, Provisioned};
use crate::sql::{AuthSource, Hosting, Mailbox, MailboxState};

/// Longest password. A hash of more than this would be an attack on the processor.
const MAX_PASSWORD_BYTES: usize = 1024;

/// When a request came.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// By the clock that never goes back: for waits and ages.
    pub monotonic: Instant,
    /// By the wall clock: for dates that an administrator has set.
    pub wall: SystemTime,
    /// Until when there is time to wait for something better.
    pub until: Instant,
}

/// A login whose form has been found right.
pub(super) struct Login<'a> {
    pub(super) user: Username,
    /// Whose password it is, where it is a master user's.
    pub(super) master_user: Option<Box<str>>,
    pub(super) proof: Proof<'a>,
    pub(super) request: &'a AuthRequest,
    pub(super) via: Via,
    pub(super) now: Moment,
    pub(super) purpose: Purpose,
}

/// What a decision is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Somebody is told the verdict.
    Answer,
    /// Somebody else decides, or an administrator wants to know how it would end: nothing is made, and nothing noted.
    Rehearsal,
}

/// What opens the mailbox, if anything does.
#[derive(Clone, Copy)]
pub(super) enum Proof<'a> {
    Password(Presented<'a>),
    Token(&'a Secret),
}

/// How a login ended, and what it took.
#[derive(Debug)]
pub struct Judgement {
    /// The end.
    pub verdict: Verdict,
    /// Whom it took.
    pub path: Path,
}

impl Decision {
    /// Decides a login. The steps stand in the order in which they are taken; none asks anybody before all
    /// cheaper ones have passed. `now` is when the request came.
    ///
    /// Whatever has to wait for somebody has a place of its own on the heap (`Box::pin`), so that the login of somebody
    /// known, who waits for nobody, is small enough to be made and dropped a million times a second.
    pub async fn authenticate(&self, request: &AuthRequest, now: Moment) -> Judgement {
        self.decide(request, now, Purpose::Answer).await
    }

    /// The same for a purpose. A rehearsal takes every step, asks everybody whom a login asks, and changes nothing: for
    /// a first login that would make a mailbox it ends where the template is found.
    pub async fn decide(&self, request: &AuthRequest, now: Moment, purpose: Purpose) -> Judgement {
        let mut path = Path::Hit;
        let verdict = self.take_steps((request, purpose), now, &mut path).await.into();
        Judgement { verdict, path }
    }

    async fn take_steps(
        &self,
        (request, purpose): (&AuthRequest, Purpose),
        now: Moment,
        path: &mut Path,
    ) -> Result<Grant, NotAccepted> {
        // 1. Is it a name and a credential at all, for a service that we know?
        let login = self.check_form(request, now, purpose)?;
        // 2. Does somebody guess there, who has to wait?
        self.admit(&login)?;
        let mut rest = pin!(self.ask_around(&login, path));
        let end = match rest.as_mut().now_or_never() {
            Some(end) => end,
            None => {
                let _pending = self.enter(&login)?;
                rest.await
            }
        };
        self.note_end(&login, &end);
        end
    }

    async fn ask_around(&self, login: &Login<'_>, path: &mut Path) -> Result<Grant, NotAccepted> {
        // Is the domain hosted here and on? Is there a mailbox?
        let known = self.find_mailbox(login, path).await?;
        match self.judge(login, &known, path).await {
            // What did not fit may be newer than what is known.
            Err(why_not) => Box::pin(self.judge_again(login, &known, why_not, path)).await,
            accepted => accepted,
        }
    }

    async fn judge_again(
        &self,
        login: &Login<'_>,
        known: &Held<MailboxRecord>,
        why_not: NotAccepted,
        path: &mut Path,
    ) -> Result<Grant, NotAccepted> {
        if !is_said_by_keycloak(&why_not) {
            let newer = self.look_again(login, known, why_not, path).await?;
            return self.judge(login, &newer, path).await;
        }
        // Somebody who is known to be shut out stays out while nobody can tell.
        let again = self.look_again(login, known, why_not.clone(), path);
        match timeout_at(login.now.until, again).await {
            Ok(Ok(newer)) => self.judge(login, &newer, path).await,
            Ok(Err(NotAccepted::Refused(_) | NotAccepted::CannotTell(_))) | Err(_) => Err(why_not),
        }
    }

    /// Steps 2 to 7, with what is known about the mailbox.
    async fn judge(
        &self,
        login: &Login<'_>,
        known: &Held<MailboxRecord>,
        path: &mut Path,
    ) -> Result<Grant, NotAccepted> {
        check_domain(&known.record.hosting)?;
        let (quota_bytes, opened) = match &known.record.hosting.mailbox {
            // 3. Is the mailbox on? 4. The token, or the main password, where it counts. 5. The app passwords.
            Some(mailbox) => {
                check_mailbox(mailbox)?;
                (mailbox.quota_bytes, self.open(login, mailbox, &known.record, path).await?)
            }
            // 6. None: the right person with the right credential gets one, and then as 3.
            None => Box::pin(self.make_mailbox(login, path)).await?,
        };
        // 7. Where does the mail live? Whose it is, and whether their template changed, is looked at later.
        if let (Some(entitled), Purpose::Answer) = (opened.owner.entitled(), login.purpose) {
            self.0.bookkeeper.see(entitled, login.now.monotonic);
        }
        let fields = match login.request.wants_fields {
            true => self.0.userdb.fields(&login.user, quota_bytes),
            false => UserFields::default(),
        };
        let through_webmail = login.via != Via::Client;
        let (user, master_user) = (login.user.clone(), login.master_user.clone());
        Ok(Grant { user, master_user, source: opened.source, fields, through_webmail })
    }

    pub(super) async fn find_mailbox(
        &self,
        login: &Login<'_>,
        path: &mut Path,
    ) -> Result<Held<MailboxRecord>, NotAccepted> {
        if let Some(held) = self.0.mailboxes.peek(&login.user, login.now.monotonic) {
            return Ok(held);
        }
        *path = (*path).max(Path::Cold);
        let held = Box::pin(self.0.mailboxes.find(&login.user)).await?;
        path.note_stale(held.stale_age(login.now.monotonic));
        Ok(held)
    }

    /// A password that does not fit may have been set a moment ago, in the database or in Keycloak. What is known is
    /// fetched anew, as often as [`Lifetimes::refetch_pause`](crate::cache::Lifetimes) allows.
    ///
    /// The first answer stands if that brought nothing new, or if nothing new could change it.
    async fn look_again(
        &self,
        login: &Login<'_>,
        known: &Held<MailboxRecord>,
        why_not: NotAccepted,
        path: &mut Path,
    ) -> Result<Held<MailboxRecord>, NotAccepted> {
        if !may_be_outdated(&why_not) {
            return Err(why_not);
        }
        let (user, since, until) = (&login.user, login.now.monotonic, login.now.until);
        *path = (*path).max(Path::Cold);
        let newer = self.0.mailboxes.find_newer(user, since, until).await?;
        let authsource = match &newer.record.hosting.mailbox {
            Some(mailbox) => mailbox.authsource,
            None => Some(AuthSource::Keycloak),
        };
        let counts = || match login.proof {
            Proof::Password(_) => {
                self.check_main_password_counts(login, newer.record.hosting.mailbox.as_ref()).is_ok()
            }
            Proof::Token(_) => true,
        };
        // An app password, too, opens nothing of somebody who is shut out.
        let is_about_person = is_said_by_keycloak(&why_not) || why_not == Denial::UserUnknown.into();
        let asks_keycloak = authsource == Some(AuthSource::Keycloak) && (is_about_person || counts());
        let is_newer_person = asks_keycloak && self.0.passdb.renew_person(user, since, until).await?;
        if is_newer_person || newer.asked != known.asked { Ok(newer) } else { Err(why_not) }
    }

    /// A first login: the person must be entitled and the credential right before anything is written, and the
    /// mailbox is committed before the login is answered.
    async fn make_mailbox(&self, login: &Login<'_>, path: &mut Path) -> Result<(u64, Opened), NotAccepted> {
        if !self.0.provisioner.is_enabled() || login.via == Via::SingleSignOn || login.master_user.is_some() {
            return Err(Denial::MailboxUnknown.into());
        }
        let (source, person) = match login.proof {
            Proof::Password(presented) => {
                self.check_main_password_counts(login, None)?;
                *path = (*path).max(Path::Cold);
                (Source::Keycloak, self.0.passdb.check_person(&login.user, presented).await?)
            }
            Proof::Token(token) => {
                *path = (*path).max(Path::Cold);
                (Source::Token, self.find_person_of_token(login, token).await?)
            }
        };
        let identity = Identity::new(person.person());
        if login.purpose == Purpose::Rehearsal {
            self.0.provisioner.preview(&self.0.database, &identity).await?;
            return Ok((0, Opened { source, owner: Owner::Person(person) }));
        }
        let now = login.now.monotonic.into_std();
        let made = self.0.provisioner.provision(&self.0.database, &identity, now).await?;
        if let Provisioned::Created(settings) = made {
            tracing::info!(user = login.user.as_str(), "made a mailbox at the first login");
            self.0.bookkeeper.note(Note::Created { user: login.user.clone(), settings });
        }
        self.0.mailboxes.forget(&login.user);
        let known = self.0.mailboxes.find(&login.user).await?;
        let mailbox = known.record.hosting.mailbox.as_ref().ok_or_else(|| {
            let detail = "a mailbox that was just made is not there";
            TempFail::new(TempFailReason::SqlError, detail)
        })?;
        check_mailbox(mailbox)?;
        check_access(login, mailbox)?;
        let opened = Opened { source, owner: Owner::Person(person) };
        Ok((mailbox.quota_bytes, opened))
    }

    fn check_form<'a>(
        &self,
        request: &'a AuthRequest,
        now: Moment,
        purpose: Purpose,
    ) -> Result<Login<'a>, Denial> {
        let Claim { user, master_user } = self.read_claim(request)?;
        if let Credential::Password(password) = &request.credential {
            check_password_form(password)?;
        }
        check_service(&request.service)?;
        let via = self.0.webmail.recognise(request);
        Ok(Login { user, master_user, proof: proof_of(request), request, via, now, purpose })
    }
}

pub(super) fn proof_of(request: &AuthRequest) -> Proof<'_> {
    match &request.credential {
        Credential::Password(password) => {
            Proof::Password(Presented { password, remote: request.origin.remote })
        }
        Credential::Token(token) => Proof::Token(token),
    }
}

/// Whether a newer record could change this answer. Denials that a switch in the database made hold until what is known
/// is too old.
fn may_be_outdated(why_not: &NotAccepted) -> bool {
    match why_not {
        NotAccepted::Refused(denial) => {
            matches!(
                denial,
                Denial::PasswordMismatch
                    | Denial::PasswordMissing
                    | Denial::AppPasswordMismatch
                    | Denial::ServiceForbidden
                    | Denial::SecondFactorRequired
                    | Denial::SourceUnsupported
                    | Denial::MailPasswordsOff
                    | Denial::TokenSubjectMismatch
                    | Denial::UserUnknown
            ) || is_said_by_keycloak(why_not)
        }
        NotAccepted::CannotTell(trouble) => trouble.is_of_one_hash(),
    }
}

/// Whether Keycloak has said that this person is shut out. Whoever is let in again there gets in at the next try.
fn is_said_by_keycloak(why_not: &NotAccepted) -> bool {
    matches!(
        why_not,
        NotAccepted::Refused(
            Denial::UserDisabled
                | Denial::UserLockedOut
                | Denial::StoreDisabled
                | Denial::ProviderOff
                | Denial::OrganizationOff
                | Denial::UserConflict
                | Denial::EmailUnverified
                | Denial::AttributeMissing
                | Denial::RoleMissing
                | Denial::GroupMissing
        )
    )
}

pub(super) fn check_domain(hosting: &Hosting) -> Result<(), Denial> {
    match hosting.domain {
        None => Err(Denial::DomainUnknown),
        Some(domain) if !domain.active => Err(Denial::DomainDisabled),
        Some(_) => Ok(()),
    }
}

pub(super) fn check_mailbox(mailbox: &Mailbox) -> Result<(), Denial> {
    if mailbox.kind_is_resource {
        return Err(Denial::MailboxIsResource);
    }
    match mailbox.active {
        MailboxState::On => Ok(()),
        MailboxState::Off | MailboxState::ReceiveOnly => Err(Denial::MailboxDisabled),
    }
}

fn check_password_form(password: &Secret) -> Result<(), Denial> {
    let bytes = password.expose();
    if bytes.is_empty() || bytes.len() > MAX_PASSWORD_BYTES || bytes.contains(&0) {
        return Err(Denial::PasswordInvalid);
    }
    Ok(())
}

/// `doveadm auth test` logs in too; what has no switch and is no mail service does not.
pub(super) fn check_service(service: &Service) -> Result<(), Denial> {
    match service {
        Service::Lmtp | Service::Other(_) => Err(Denial::ServiceUnknown),
        _ => Ok(()),
    }
}

/// The mailbox's own switch of the service. It is about the main password only, as in mailcow: an app password
/// has switches of its own. From the webmail it does not count.
pub(super) fn check_access(login: &Login<'_>, mailbox: &Mailbox) -> Result<(), Denial> {
    if login.via == Via::Webmail || mailbox.access.allows(&login.request.service) {
        Ok(())
    } else {
        Err(Denial::ServiceForbidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_that_exist_nowhere_are_refused_without_a_hash() {
        for password in [vec![], vec![b'a', 0], vec![0, b'a'], vec![b'x'; 1025], vec![b'x'; 1 << 20]] {
            assert_eq!(check_password_form(&Secret::new(password)), Err(Denial::PasswordInvalid));
        }
        for password in [vec![b' '], vec![0xFF; 1024], b"\t\r\n\x01".to_vec()] {
            assert_eq!(check_password_form(&Secret::new(password)), Ok(()));
        }
    }
}
