//! A first login: the person is entitled and the credential right before anything is written.

use super::Decision;
use super::authenticate::{check_access, check_mailbox};
use super::login::{Login, Purpose};
use super::open::Opened;
use super::trace::Trace;
use super::webmail::Via;
use super::words;
use crate::auth::{Denial, NotAccepted, TempFail, TempFailReason};
use crate::backend::mailboxes::MailboxRecord;
use crate::backend::people::Entitled;
use crate::backend::records::Held;
use crate::backend::sql::Mailbox;
use crate::jobs::bookkeeping::Note;
use crate::login::passdb::Owner;
use crate::provision::{Identity, Provisioned};

impl Decision {
    /// Makes the mailbox of somebody who has none yet; it is committed before the login is answered. In a rehearsal it is
    /// made and taken back.
    pub(super) async fn make_mailbox(
        &self,
        login: &Login<'_>,
        known: &Held<MailboxRecord>,
        trace: &mut Trace,
    ) -> Result<(u64, Opened), NotAccepted> {
        let makes = self.check_makes_mailboxes(login);
        trace.step("mailbox", &makes, |makes| self.no_mailbox_seen(login, known, makes.is_ok()));
        makes?;
        let presented = login.presented();
        if presented.is_some() {
            let counts = self.check_main_password_counts(login, None);
            trace.step("main password counts", &counts, |_| words::counts_in_keycloak());
            counts?;
        }
        trace.note_cold();
        let found = self.0.passdb.find_person(&login.user).await;
        trace.step("person", &found, |found| self.person_seen(login, found));
        let person = found?;
        let source = match presented {
            Some(presented) => {
                let fits = self.0.passdb.check_person(&person, presented).await;
                trace.step("main password", &fits, |fits| {
                    words::main_password(None, &Owner::Person(person.clone()), login, fits)
                });
                fits?
            }
            None => self.confirm_word_about(login, &person).await?,
        };
        let quota_bytes = self.take_mailbox(login, &person, trace).await?;
        Ok((quota_bytes, Opened { source, owner: Owner::Person(person) }))
    }

    /// A single sign-on and a master user open what is there.
    fn check_makes_mailboxes(&self, login: &Login<'_>) -> Result<(), Denial> {
        let makes =
            self.0.provisioner.is_enabled() && login.via != Via::SingleSignOn && login.master_user.is_none();
        if makes { Ok(()) } else { Err(Denial::MailboxUnknown) }
    }

    async fn take_mailbox(
        &self,
        login: &Login<'_>,
        person: &Entitled,
        trace: &mut Trace,
    ) -> Result<u64, NotAccepted> {
        let (identity, now) = (Identity::new(person.person()), login.now.monotonic.into_std());
        let (provisioner, database) = (&self.0.provisioner, &self.0.database);
        if login.purpose != Purpose::Answer {
            let rehearsed = provisioner.rehearse(database, &identity, now).await;
            trace.step("template", &rehearsed, words::template);
            return match rehearsed?.mailbox {
                Some(mailbox) => judge_new(login, &mailbox, trace),
                None => self.find_new(login, trace).await,
            };
        }
        if let Provisioned::Created(settings) = provisioner.provision(database, &identity, now).await? {
            tracing::info!(user = login.user.as_str(), "made a mailbox at the first login");
            self.0.bookkeeper.note(Note::Created { user: login.user.clone(), settings });
        }
        self.find_new(login, trace).await
    }

    /// The mailbox that somebody has just made.
    async fn find_new(&self, login: &Login<'_>, trace: &mut Trace) -> Result<u64, NotAccepted> {
        self.0.mailboxes.forget(&login.user);
        let known = self.0.mailboxes.find(&login.user).await?;
        let mailbox = known.record.hosting.mailbox.as_ref().ok_or_else(|| {
            let detail = "a mailbox that was just made is not there";
            TempFail::new(TempFailReason::SqlError, detail)
        })?;
        judge_new(login, mailbox, trace)
    }
}

/// What the template has switched off stands against the first login too.
fn judge_new(login: &Login<'_>, mailbox: &Mailbox, trace: &mut Trace) -> Result<u64, NotAccepted> {
    let stands =
        check_mailbox(mailbox).and_then(|()| check_access(login.via, &login.request.service, mailbox));
    trace.step("new mailbox", &stands, |_| words::new_mailbox(mailbox));
    stands?;
    Ok(mailbox.quota_bytes)
}
