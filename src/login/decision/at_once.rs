//! The login of somebody who is known: it waits for nobody, so it needs no future.

use super::Decision;
use super::authenticate::{Judgement, check_access, check_domain, check_mailbox};
use super::form::{check_password_form, check_service};
use super::login::Moment;
use super::master::Claim;
use super::open::is_same_person;
use super::trace::Path;
use super::webmail::Via;
use crate::auth::{AuthRequest, Credential, Grant, UserFields, Verdict};
use crate::login::passdb::{Password, Presented};

impl Decision {
    /// Lets somebody in with their main password where every step of [`decide`](Self::decide) can be taken from memory and
    /// none stands against it. `None` where one does or cannot be taken, whichever it is: then the steps are taken one by
    /// one, and say what became of it.
    ///
    /// The guards are those of the steps, in the order of what they cost. Only the last one has an effect, so nothing is
    /// counted or written down twice.
    #[must_use]
    pub fn let_in_at_once(&self, request: &AuthRequest, now: Moment) -> Option<Judgement> {
        let Credential::Password(password) = &request.credential else { return None };
        check_password_form(password).ok()?;
        check_service(&request.service).ok()?;
        let Claim { user, master_user: None } = self.read_claim(request).ok()? else { return None };
        let via = self.0.webmail.recognise(request);
        if via != Via::Client || self.0.mailboxes.know_aliases() {
            return None;
        }
        let remote = request.origin.remote;
        if !self.0.throttle.makes_nobody_wait(now.monotonic.into_std()) {
            return None;
        }
        let held = self.0.mailboxes.peek(&user, now.monotonic)?;
        let record = &*held.record;
        check_domain(&record.hosting).ok()?;
        let mailbox = record.hosting.mailbox.as_ref()?;
        check_mailbox(mailbox).ok()?;
        check_access(via, &request.service, mailbox).ok()?;
        let passdb = &self.0.passdb;
        passdb.check_main_password_counts(&user, mailbox.authsource).ok()?;
        let presented = Presented { password: Password::Given(password), remote, name: user.as_str() };
        if record.app_passwords().is_ok_and(|rows| passdb.find_named(rows, presented).is_some()) {
            return None;
        }
        let owner = passdb.peek_entitled_owner(&user, mailbox, now.monotonic)?;
        if !is_same_person(record, &owner) {
            return None;
        }
        let source = passdb.knows_main_password(mailbox, &owner, &record.fitted, password)?;
        let proxied = self.place_known(request, record)?;
        self.0.throttle.note_accepted(&user, remote, now.monotonic.into_std());
        if let Some(entitled) = owner.entitled() {
            self.0.bookkeeper.see(entitled, record.owner_digest, now.monotonic);
        }
        let fields = match request.wants_fields {
            true => self.0.userdb.fields(&user, mailbox.quota_bytes),
            false => UserFields::default(),
        };
        let grant = Grant { user, master_user: None, source, fields, through_webmail: false, proxied };
        Some(Judgement { verdict: Verdict::Accept(grant), path: Path::Hit, target: None })
    }
}
