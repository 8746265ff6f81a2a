//! The steps of a login.

use std::pin::pin;

use futures_util::FutureExt;

use super::Decision;
use super::login::{Asked, Login, Moment, Proof, Purpose};
use super::trace::{Path, Trace};
use super::webmail::Via;
use super::words;
use crate::auth::{AuthRequest, Denial, Grant, NotAccepted, Service, UserFields, Username, Verdict};
use crate::backend::mailboxes::MailboxRecord;
use crate::backend::records::Held;
use crate::backend::sql::{Hosting, Mailbox, MailboxState};

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

    /// Steps 2 to 7, with what is known about the mailbox.
    pub(super) async fn judge(
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
            self.0.bookkeeper.see(entitled, known.record.owner_digest, login.now.monotonic);
        }
        let proxied = self.place(login, &known.record, trace).await?;
        let fields = match login.request.wants_fields {
            true => self.0.userdb.fields(&login.user, quota_bytes),
            false => UserFields::default(),
        };
        let through_webmail = login.via != Via::Client;
        let (user, master_user) = (login.user.clone(), login.master_user.clone());
        Ok(Grant { user, master_user, source: opened.source, fields, through_webmail, proxied })
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

/// The mailbox's own switch of the service. It is about the main password only, as in mailcow: an app password
/// has switches of its own. From the webmail it does not count.
pub(super) fn check_access(via: Via, service: &Service, mailbox: &Mailbox) -> Result<(), Denial> {
    if via == Via::Webmail || mailbox.access.allows(service) { Ok(()) } else { Err(Denial::ServiceForbidden) }
}
