//! On which machine is the mailbox, and does it answer? Only asked where there are several.
//!
//! A mailbox lives where its mail is. Whose machine is away is told so: nobody is ever sent to another machine, where the
//! mailbox would be empty.

use super::Decision;
use super::login::{Login, Purpose};
use super::trace::{Sight, Trace};
use crate::auth::{
    AuthRequest, Credential, MailHost, NotAccepted, ProxiedLogin, Secret, Service, TempFail, TempFailReason,
    UserLookup, UserRequest, Username,
};
use crate::backend::mail_hosts::{MailHosts, MailPlace};
use crate::backend::mailboxes::MailboxRecord;
use crate::backend::sql::Placed;

/// For a login that is let in.
pub(super) type Proxied = Option<Box<ProxiedLogin>>;

impl Decision {
    /// Where a login has to be passed on, as far as that is known. `None`: it is not known, or stands against the login.
    pub(super) fn place_known(&self, request: &AuthRequest, record: &MailboxRecord) -> Option<Proxied> {
        let Some(hosts) = &self.0.mail_hosts else { return Some(None) };
        if !opens_mailbox(request) {
            return Some(None);
        }
        let backend = record.backend().ok()??;
        let found = hosts.find(backend, &request.service).ok()?;
        Some(proxied(request, found))
    }

    /// Step 7. Gives the mailbox a machine where it has none yet.
    pub(super) async fn place(
        &self,
        login: &Login<'_>,
        record: &MailboxRecord,
        trace: &mut Trace,
    ) -> Result<Proxied, NotAccepted> {
        let Some(hosts) = &self.0.mail_hosts else { return Ok(None) };
        let is_explained = login.purpose == Purpose::Rehearsal && is_of_mailbox(&login.request.service);
        if !opens_mailbox(login.request) && !is_explained {
            return Ok(None);
        }
        let known = record.backend().map_err(TempFail::clone)?;
        if let (None, Purpose::Rehearsal | Purpose::Shadow) = (known, login.purpose) {
            trace.step("backend", &Ok::<_, NotAccepted>(()), |_| none_yet());
            return Ok(None);
        }
        let found = match known {
            Some(backend) => hosts.find(backend, &login.request.service),
            None => {
                trace.note_cold();
                Box::pin(self.place_first(hosts, &login.user, &login.request.service)).await
            }
        };
        trace.step("backend", &found, |found| seen(known, found));
        Ok(proxied(login.request, found?))
    }

    /// The first question for a mailbox that has no machine decides which it gets.
    async fn place_first(
        &self,
        hosts: &MailHosts,
        user: &Username,
        service: &Service,
    ) -> Result<MailPlace, TempFail> {
        let placed = self.0.database.place(user).await.map_err(|error| error.temp_fail())?;
        // What is remembered has no machine.
        self.0.mailboxes.forget(user);
        match placed {
            Placed::On(backend) => {
                tracing::info!(user = user.as_str(), backend = &*backend, "the mailbox has a backend");
                hosts.find(&backend, service)
            }
            Placed::NoneFree => {
                let detail = "each [[backend]] is drained, or has weight 0";
                Err(TempFail::new(TempFailReason::BackendNone, detail))
            }
        }
    }

    /// For a question without a password: where a proxy finds the mailbox, and whether mail may be delivered here.
    pub(super) async fn place_for_lookup(
        &self,
        request: &UserRequest,
        user: &Username,
        known: Option<&str>,
    ) -> Result<Option<MailHost>, TempFail> {
        let Some(hosts) = &self.0.mail_hosts else { return Ok(None) };
        let delivers_here = request.lookup == UserLookup::Userdb && request.service == Service::Lmtp;
        if request.lookup == UserLookup::Userdb && !delivers_here {
            return Ok(None);
        }
        if let (Service::Doveadm, Some(backend)) = (&request.service, known)
            && !hosts.passes_doveadm_on(backend)
        {
            return Ok(None);
        }
        let found = match known {
            Some(backend) => hosts.find(backend, &request.service)?,
            None => self.place_first(hosts, user, &request.service).await?,
        };
        match found {
            MailPlace::Here => Ok(None),
            MailPlace::There(host) if delivers_here => {
                let detail = format!("the mailbox lives on the backend {}", host.name);
                Err(TempFail::new(TempFailReason::BackendElsewhere, detail))
            }
            MailPlace::There(host) => Ok(Some(host)),
        }
    }
}

/// Postfix and mailcow's login over HTTP only want to know who it is, also where Postfix asks through Dovecot's own auth
/// server. Dovecot's own submission is called so.
fn opens_mailbox(request: &AuthRequest) -> bool {
    request.wants_fields && (request.service != Service::Smtp || request.service_name == "submission")
}

/// Whether an administrator who asks about such a login has a mailbox in mind.
fn is_of_mailbox(service: &Service) -> bool {
    matches!(service, Service::Imap | Service::Pop3 | Service::Sieve)
}

fn proxied(request: &AuthRequest, found: MailPlace) -> Proxied {
    let MailPlace::There(host) = found else { return None };
    let (pass, mechanism) = match &request.credential {
        Credential::Password(password) => (password.duplicate(), None),
        Credential::Token(token) => (token.duplicate(), request.mechanism.map(|mechanism| mechanism.name())),
        // No mail server has it.
        Credential::Identity(_) => (Secret::from(""), None),
    };
    Some(Box::new(ProxiedLogin { host, pass, mechanism }))
}

fn none_yet() -> Sight {
    ("none yet; the first login or delivery gives it one".to_owned(), None)
}

fn seen(known: Option<&str>, found: &Result<MailPlace, TempFail>) -> Sight {
    let from = Some("database".to_owned());
    let saw = match (found, known) {
        (Ok(MailPlace::Here), _) => "this machine".to_owned(),
        (Ok(MailPlace::There(host)), _) => format!("{}, at {}", host.name, host.host),
        (Err(_), Some(backend)) => backend.to_owned(),
        (Err(_), None) => "none".to_owned(),
    };
    (saw, from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Mechanism, Origin};

    #[test]
    fn whoever_only_sends_through_postfix_depends_on_no_backend() {
        let request = |name: &'static str, wants_fields| AuthRequest {
            authcid: "alice@example.org".into(),
            authzid: Vec::new(),
            credential: Credential::Password(Secret::from("pw")),
            service: Service::parse(name),
            service_name: name.into(),
            mechanism: Some(Mechanism::Plain),
            origin: Origin::default(),
            wants_fields,
        };
        for (name, wants_fields, opens) in [
            ("imap", true, true),
            ("sieve", true, true),
            ("submission", true, true),
            ("smtp", true, false),
            ("imap", false, false),
        ] {
            assert_eq!(opens_mailbox(&request(name, wants_fields)), opens, "{name} {wants_fields}");
        }
    }
}
