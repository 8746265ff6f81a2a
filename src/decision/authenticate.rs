//! The steps of a login.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::OnceLock;
use std::time::SystemTime;

use futures_util::FutureExt;
use tokio::time::{Instant, timeout_at};

use super::Decision;
use super::mailboxes::MailboxRecord;
use super::master::Claim;
use super::trace::{Path, Trace};
use super::webmail::Via;
use super::words;
use crate::auth::{
    AuthRequest, Credential, Denial, Grant, NotAccepted, Secret, Service, UserFields, Username, Verdict,
};
use crate::cache::Held;
use crate::passdb::{Password, Presented, SignedToken};
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
    /// What the realm has said of the token, once that is known.
    pub(super) signed: OnceLock<SignedToken>,
    pub(super) request: &'a AuthRequest,
    pub(super) via: Via,
    pub(super) now: Moment,
    pub(super) purpose: Purpose,
}

impl Login<'_> {
    /// What is compared with stored hashes; `None` for a token.
    pub(super) fn presented(&self) -> Option<Presented<'_>> {
        self.proof.presented().map(|presented| Presented { name: self.user.as_str(), ..presented })
    }
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
    /// A right main password, where main passwords count, and else a right app password; from there. Of a rehearsal only.
    Assumed(Option<IpAddr>),
}

impl<'a> Proof<'a> {
    fn presented(self) -> Option<Presented<'a>> {
        match self {
            Self::Password(presented) => Some(presented),
            Self::Assumed(remote) => Some(Presented { password: Password::Assumed, remote, name: "" }),
            Self::Token(_) => None,
        }
    }

    fn of(&Asked { request, assumes_proof, .. }: &Asked<'a>) -> Self {
        let remote = request.origin.remote;
        match &request.credential {
            _ if assumes_proof => Self::Assumed(remote),
            Credential::Password(password) => {
                Self::Password(Presented { password: Password::Given(password), remote, name: "" })
            }
            Credential::Token(token) => Self::Token(token),
        }
    }
}

/// What is to be decided.
pub(super) struct Asked<'a> {
    request: &'a AuthRequest,
    purpose: Purpose,
    assumes_proof: bool,
}

impl<'a> Asked<'a> {
    pub(super) fn with_credential(request: &'a AuthRequest, purpose: Purpose) -> Self {
        Self { request, purpose, assumes_proof: false }
    }

    /// The credential of the request does not matter; see [`Proof::Assumed`]. Nobody is let in by that.
    pub(super) fn assuming_proof(request: &'a AuthRequest) -> Self {
        Self { request, purpose: Purpose::Rehearsal, assumes_proof: true }
    }
}

/// How a login ended, and what it took.
#[derive(Debug)]
pub struct Judgement {
    /// The end.
    pub verdict: Verdict,
    /// Whom it took.
    pub path: Path,
    /// Whose mailbox it was about, where that was opened by another name.
    pub target: Option<Username>,
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
    /// a first login the mailbox is made, and taken back before it is committed.
    pub async fn decide(&self, request: &AuthRequest, now: Moment, purpose: Purpose) -> Judgement {
        let mut trace = Trace::silent();
        let asked = Asked::with_credential(request, purpose);
        let verdict = self.take_steps(asked, now, &mut trace).await.into();
        Judgement { verdict, path: trace.path(), target: trace.into_target() }
    }

    pub(super) async fn take_steps(
        &self,
        asked: Asked<'_>,
        now: Moment,
        trace: &mut Trace,
    ) -> Result<Grant, NotAccepted> {
        // 1. Is it a name and a credential at all, for a service that we know?
        let mut login = self.check_form(asked, now, trace)?;
        // 2. Does somebody guess there, who has to wait? An alias is the mailbox that it opens.
        self.admit(&login, trace)?;
        if self.0.mailboxes.know_aliases() && Box::pin(self.follow_alias(&mut login, trace)).await? {
            self.admit(&login, trace)?;
        }
        let mut rest = pin!(self.ask_around(&login, trace));
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

    async fn ask_around(&self, login: &Login<'_>, trace: &mut Trace) -> Result<Grant, NotAccepted> {
        // Did the realm sign this token for this name? Before anybody is looked up, so that a token that was made up
        // ends alike for every name.
        if let Proof::Token(token) = login.proof {
            Box::pin(self.verify_token(login, token, trace)).await?;
        }
        // Is the domain hosted here and on? Is there a mailbox?
        let known = self.find_mailbox(login, trace).await?;
        let mark = trace.mark();
        match self.judge(login, &known, trace).await {
            // What did not fit may be newer than what is known.
            Err(why_not) => Box::pin(self.judge_again(login, &known, (why_not, mark), trace)).await,
            accepted => accepted,
        }
    }

    async fn judge_again(
        &self,
        login: &Login<'_>,
        known: &Held<MailboxRecord>,
        (why_not, mark): (NotAccepted, usize),
        trace: &mut Trace,
    ) -> Result<Grant, NotAccepted> {
        let first = why_not.clone();
        let stays = is_said_by_keycloak(&why_not);
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

    /// Steps 2 to 7, with what is known about the mailbox.
    async fn judge(
        &self,
        login: &Login<'_>,
        known: &Held<MailboxRecord>,
        trace: &mut Trace,
    ) -> Result<Grant, NotAccepted> {
        let domain = check_domain(&known.record.hosting);
        trace.step("domain", &domain, |_| self.domain_seen(login, known));
        domain?;
        let (quota_bytes, opened) = match &known.record.hosting.mailbox {
            // 3. Is the mailbox on? 4. The token, or the main password, where it counts. 5. The app passwords.
            Some(mailbox) => {
                let on = check_mailbox(mailbox);
                trace.step("mailbox", &on, |_| self.mailbox_seen(login, known));
                on?;
                (mailbox.quota_bytes, self.open(login, mailbox, &known.record, trace).await?)
            }
            // 6. None: the right person with the right credential gets one, and then as 3.
            None => Box::pin(self.make_mailbox(login, known, trace)).await?,
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
        trace: &mut Trace,
    ) -> Result<Held<MailboxRecord>, NotAccepted> {
        if let Some(held) = self.0.mailboxes.peek(&login.user, login.now.monotonic) {
            return Ok(held);
        }
        trace.note_cold();
        let found = Box::pin(self.0.mailboxes.find(&login.user)).await;
        if found.is_err() {
            trace.step("database", &found, |_| words::nothing_remembered());
        }
        let held = found?;
        trace.note_stale(held.stale_age(login.now.monotonic));
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
        trace: &mut Trace,
    ) -> Result<Held<MailboxRecord>, NotAccepted> {
        if !may_be_outdated(&why_not) {
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
            Proof::Token(_) => true,
        };
        // An app password, too, opens nothing of somebody who is shut out.
        let is_about_person = is_said_by_keycloak(&why_not) || why_not == Denial::UserUnknown.into();
        let asks_keycloak = authsource == Some(AuthSource::Keycloak) && (is_about_person || counts());
        let is_newer_person = asks_keycloak && self.0.passdb.renew_person(user, since, until).await?;
        if is_newer_person || newer.asked != known.asked { Ok(newer) } else { Err(why_not) }
    }

    fn check_form<'a>(&self, asked: Asked<'a>, now: Moment, trace: &mut Trace) -> Result<Login<'a>, Denial> {
        let Asked { request, purpose, .. } = asked;
        let claim = self.read_claim(request);
        trace.step("name", &claim, |_| (words::name(request), None));
        let Claim { user, master_user } = claim?;
        let proof = Proof::of(&asked);
        let form = check_proof_form(proof, master_user.as_deref());
        if form.is_err() {
            trace.step("password", &form, |_| words::no_such_password());
        }
        form?;
        let service = check_service(&request.service);
        trace.step("service", &service, |_| (request.service.name().to_owned(), None));
        service?;
        let via = self.0.webmail.recognise(request);
        Ok(Login { user, master_user, proof, signed: OnceLock::new(), request, via, now, purpose })
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

/// A token proves who somebody is, which no master user's name can be.
fn check_proof_form(proof: Proof<'_>, master_user: Option<&str>) -> Result<(), Denial> {
    match (proof, master_user) {
        (Proof::Token(_), Some(_)) => Err(Denial::AuthzidForbidden),
        (Proof::Token(_), None) | (Proof::Assumed(_), _) => Ok(()),
        (Proof::Password(presented), _) => presented.password.given().map_or(Ok(()), check_password_form),
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
