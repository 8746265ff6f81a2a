//! Why can they not log in? The steps of a login with what each of them saw, for an administrator.
//!
//! The verdict is that of [`Decision::authenticate`]'s own steps, tried out; what is told beside it comes from the
//! records that these steps have just used. Without a password the walk goes as far as one can without it.

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Decision;
use super::authenticate::{
    Login, Moment, Proof, Purpose, check_domain, check_mailbox, check_service, proof_of,
};
use super::known::KnownMailbox;
use super::mailboxes::MailboxRecord;
use super::master::Claim;
use super::open::attempt;
use super::path::Path;
use super::webmail::Via;
use crate::auth::{AuthRequest, Denial, NotAccepted, Secret, Source, Username, Verdict};
use crate::cache::{Fitted, Standing};
use crate::passdb::Owner;
use crate::provision::Identity;
use crate::scheme;
use crate::sql::{AuthSource, Mailbox};

/// How a login would end now, and why.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The name in normal form; as given where it has none.
    pub user: String,
    /// For which service.
    pub service: String,
    /// What was looked at, in order.
    pub steps: Vec<Step>,
    /// `accept`, `refuse` or `cannot_tell`. Without a password `accept` means: with the right one.
    pub verdict: String,
    /// The reason code of the log line; for `accept` which password opens the mailbox.
    pub reason: String,
    /// For `cannot_tell`: what was attempted, on what, what went wrong.
    pub detail: Option<String>,
}

/// One step of the decision.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its name.
    pub step: String,
    /// How it ended.
    pub end: StepEnd,
    /// What it saw.
    pub saw: String,
    /// From where, and how old that is.
    pub from: Option<String>,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepEnd {
    /// Nothing stands against the login.
    Passed,
    /// This way does not open the mailbox; another may.
    Closed,
    /// The login ends here.
    Stopped,
}

/// What a walk has seen so far.
struct Walk {
    steps: Vec<Step>,
    now: Instant,
}

impl Walk {
    fn push(&mut self, step: &str, end: StepEnd, saw: impl Into<String>, from: Option<String>) {
        self.steps.push(Step { step: step.to_owned(), end, saw: saw.into(), from });
    }

    /// Takes down how a step ended and hands the end on.
    fn check<T, E: Into<NotAccepted>>(
        &mut self,
        step: &str,
        found: Result<T, E>,
        saw: impl Into<String>,
        from: Option<String>,
    ) -> Result<T, NotAccepted> {
        let end = if found.is_ok() { StepEnd::Passed } else { StepEnd::Stopped };
        self.push(step, end, saw, from);
        found.map_err(Into::into)
    }

    /// The same for one of two ways: another may be open where this one is closed.
    fn way<T>(&mut self, step: &str, found: &Result<T, NotAccepted>, saw: impl Into<String>) {
        let end = match found {
            Ok(_) => StepEnd::Passed,
            Err(NotAccepted::CannotTell(trouble)) if !trouble.is_of_one_hash() => StepEnd::Stopped,
            Err(_) => StepEnd::Closed,
        };
        self.push(step, end, saw, None);
    }
}

impl Decision {
    /// Says how a login would end now. Without a password (`has_password`) that of the request does not matter.
    pub async fn explain(&self, request: &AuthRequest, has_password: bool, now: Moment) -> Explanation {
        // First, because it may fetch what is known anew.
        let tried = if has_password {
            Some(self.decide(request, now, Purpose::Rehearsal).await.verdict)
        } else {
            None
        };
        let mut walk = Walk { steps: Vec::new(), now: now.monotonic };
        let walked = self.walk(request, now, &mut walk).await;
        let end = match tried {
            None => walked,
            Some(verdict) => {
                let (end, saw) = match &verdict {
                    Verdict::Accept(_) => (StepEnd::Passed, "opens the mailbox"),
                    Verdict::Refuse(_) => (StepEnd::Stopped, "does not open the mailbox"),
                    Verdict::CannotTell(_) => (StepEnd::Stopped, "cannot be judged"),
                };
                walk.push("the password given", end, saw, None);
                verdict.into_source()
            }
        };
        let (verdict, reason, detail) = match end {
            Ok(source) => ("accept", source.name(), None),
            Err(NotAccepted::Refused(denial)) => ("refuse", denial.code(), None),
            Err(NotAccepted::CannotTell(trouble)) => {
                ("cannot_tell", trouble.reason.code(), Some(trouble.detail))
            }
        };
        Explanation {
            user: shown_name(request),
            service: request.service.name().to_owned(),
            steps: walk.steps,
            verdict: verdict.to_owned(),
            reason: reason.to_owned(),
            detail,
        }
    }

    /// The steps of [`Decision::authenticate`], as far as they go without a password.
    async fn walk(&self, request: &AuthRequest, now: Moment, walk: &mut Walk) -> Result<Source, NotAccepted> {
        let claim = self.read_claim(request);
        let Claim { user, master_user } = walk.check("name", claim, shown_name(request), None)?;
        let service = check_service(&request.service);
        walk.check("service", service, request.service.name(), None)?;
        let via = self.0.webmail.recognise(request);
        let proof = proof_of(request);
        let mut login = Login { user, master_user, proof, request, via, now, purpose: Purpose::Rehearsal };
        if let Some(remote) = request.origin.remote {
            let admitted = self.admit(&login).map_err(NotAccepted::from);
            let saw = if admitted.is_ok() {
                "nobody has to wait there"
            } else {
                "too many guesses: who logs in waits"
            };
            walk.check("guessing", admitted, saw, Some(remote.to_string()))?;
        }
        if let Ok(Some(_)) = self.follow_alias(&mut login, &mut Path::Hit).await {
            walk.push("alias", StepEnd::Passed, format!("opens the mailbox {}", login.user), None);
        }
        let held = self.find_mailbox(&login, &mut Path::Hit).await;
        let held = match held {
            Ok(held) => held,
            Err(why_not) => {
                let saw = "it cannot tell, and nothing recent enough is remembered";
                return walk.check("database", Err(why_not), saw, None);
            }
        };
        let standing = self.0.mailboxes.standing(&login.user, walk.now).unwrap_or(Standing::Fresh);
        let known = KnownMailbox::new(&held.record, standing, held.age_ms(walk.now));
        let from = Some(asked("database", known.age_ms, known.standing));
        let domain = check_domain(&held.record.hosting);
        walk.check("domain", domain, format!("{}: {}", login.user.domain(), known.domain), from.clone())?;
        match &held.record.hosting.mailbox {
            Some(mailbox) => {
                walk.check("mailbox", check_mailbox(mailbox), known.mailbox.clone(), from.clone())?;
                self.walk_mailbox(&login, mailbox, (&held.record, &known), walk).await
            }
            None => self.walk_without_mailbox(&login, from, walk).await,
        }
    }

    async fn walk_mailbox(
        &self,
        login: &Login<'_>,
        mailbox: &Mailbox,
        (record, known): (&MailboxRecord, &KnownMailbox),
        walk: &mut Walk,
    ) -> Result<Source, NotAccepted> {
        if let Some(master) = &login.master_user {
            walk.push("master user", StepEnd::Passed, format!("the password of `{master}` counts"), None);
            return Ok(Source::MasterUser);
        }
        let counts = self.check_main_password_counts(login, Some(mailbox));
        let switches = match known.denied.as_slice() {
            [] => "no service is switched off".to_owned(),
            denied => format!("switched off: {}", denied.join(", ")),
        };
        let authsource = known.authsource.as_deref().unwrap_or("none");
        walk.way("main password counts", &counts, format!("{switches}; authsource {authsource}"));
        let owner = self.find_owner(login, mailbox, record, &mut Path::Hit).await;
        if mailbox.authsource == Some(AuthSource::Keycloak) {
            let (saw, from) = self.person_seen(&login.user, walk.now);
            walk.push("person", end_of(&owner), saw, from);
        }
        let owner = owner?;
        let main = match counts {
            Ok(()) => {
                let stored = self.0.passdb.check_stored_password(Some(mailbox), &owner, &record.fitted);
                let scheme = match &owner {
                    Owner::Person(person) => scheme_of(person.person().password.as_ref()),
                    Owner::Row => known.scheme.clone(),
                };
                let saw = shown_scheme(scheme);
                walk.way("stored password", &stored, saw);
                stored
            }
            Err(why_not) => Err(why_not),
        };
        let app_passwords = self.walk_app_passwords(login, record, walk);
        match (main, app_passwords) {
            (Ok(source), _) => Ok(source),
            (Err(NotAccepted::CannotTell(trouble)), _) if !trouble.is_of_one_hash() => Err(trouble.into()),
            (Err(_), Some(id)) => Ok(Source::AppPassword(id)),
            (Err(why_not), None) => Err(why_not),
        }
    }

    /// One that would open this service from here, if there is one.
    fn walk_app_passwords(&self, login: &Login<'_>, record: &MailboxRecord, walk: &mut Walk) -> Option<i64> {
        let rows = match record.app_passwords() {
            Ok(rows) => rows,
            Err(trouble) => {
                walk.push("app passwords", StepEnd::Closed, trouble.to_string(), None);
                return None;
            }
        };
        let Proof::Password(presented) = login.proof else { return None };
        let attempt = attempt(login, presented);
        let usable: Vec<i64> = self.0.passdb.usable_app_passwords(rows, &attempt).collect();
        let mut saw = format!(
            "{} active, {} of them for this service, from here, and in time",
            rows.len(),
            usable.len()
        );
        for trouble in self.0.passdb.unusable_app_passwords(rows) {
            saw.push_str("; can never match: ");
            saw.push_str(&trouble.detail);
        }
        let end = if usable.is_empty() { StepEnd::Closed } else { StepEnd::Passed };
        walk.push("app passwords", end, saw, None);
        usable.first().copied()
    }

    async fn walk_without_mailbox(
        &self,
        login: &Login<'_>,
        from: Option<String>,
        walk: &mut Walk,
    ) -> Result<Source, NotAccepted> {
        let makes = self.0.provisioner.is_enabled() && login.via != Via::SingleSignOn;
        let saw = if makes { "none; the first login makes it" } else { "none, and logins make none" };
        walk.check("mailbox", if makes { Ok(()) } else { Err(Denial::MailboxUnknown) }, saw, from)?;
        let counts = self.check_main_password_counts(login, None);
        walk.check("main password counts", counts, "authsource keycloak", None)?;
        let person = self.0.passdb.find_person(&login.user).await;
        let (saw, from) = self.person_seen(&login.user, walk.now);
        let owner = Owner::Person(walk.check("person", person, saw, from)?);
        let stored = self.0.passdb.check_stored_password(None, &owner, &Fitted::default());
        let saw = owner.person().and_then(|person| scheme_of(person.password.as_ref()));
        let saw = shown_scheme(saw);
        let source = walk.check("stored password", stored, saw, None)?;
        if let Some(person) = owner.person() {
            let template = self.0.provisioner.preview(&self.0.database, &Identity::new(person)).await;
            let saw = match &template {
                Ok(name) => format!("`{name}`; the limits of the domain are looked at when it is used"),
                Err(_) => "none can be used".to_owned(),
            };
            walk.check("template", template, saw, None)?;
        }
        Ok(source)
    }

    fn person_seen(&self, user: &Username, now: Instant) -> (String, Option<String>) {
        match self.0.passdb.people().look(user, now) {
            Some(known) => {
                let from = asked("Keycloak", known.age_ms, known.standing);
                (known.to_string(), Some(from))
            }
            None => ("nothing is known of them".to_owned(), None),
        }
    }
}

fn shown_name(request: &AuthRequest) -> String {
    Username::parse(&request.authcid).map_or_else(
        |_| String::from_utf8_lossy(&request.authcid).into_owned(),
        |user| user.as_str().to_owned(),
    )
}

fn scheme_of(stored: Option<&Secret>) -> Option<String> {
    stored.map(|stored| scheme::label(stored).to_owned())
}

fn shown_scheme(name: Option<String>) -> String {
    name.map_or_else(|| "there is none".to_owned(), |name| format!("{{{name}}}"))
}

fn end_of<T>(found: &Result<T, NotAccepted>) -> StepEnd {
    if found.is_ok() { StepEnd::Passed } else { StepEnd::Stopped }
}

fn asked(whom: &str, age_ms: u64, standing: Standing) -> String {
    let standing = match standing {
        Standing::Fresh => "",
        Standing::Stale => "; old, serves while nobody can tell",
        Standing::Expired => "; too old to serve",
    };
    format!("{whom}, {}.{} s ago{standing}", age_ms / 1000, age_ms % 1000 / 100)
}
