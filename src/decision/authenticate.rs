//! The steps of a login.

use std::time::Instant;

use super::Decision;
use crate::auth::{
    AuthRequest, Denial, Grant, NotAccepted, Secret, Service, Source, TempFail, TempFailReason, Username,
    Verdict,
};
use crate::provision::{Identity, Provisioned};
use crate::sql::{Mailbox, MailboxState};

/// Longest password. A hash of more than this would be an attack on the processor.
const MAX_PASSWORD_BYTES: usize = 1024;

impl Decision {
    /// Decides a login. The steps stand in the order in which they are taken; none asks anybody before all
    /// cheaper ones have passed. `now` is when the request came.
    pub async fn authenticate(&self, request: &AuthRequest, now: Instant) -> Verdict {
        self.take_steps(request, now).await.into()
    }

    async fn take_steps(&self, request: &AuthRequest, now: Instant) -> Result<Grant, NotAccepted> {
        let user = check_name(request)?;
        check_password_form(&request.password)?;
        check_service(&request.service)?;
        let (mailbox, source) = match self.find_mailbox(&user).await? {
            Some(mailbox) => {
                check_mailbox(&mailbox)?;
                check_access(&mailbox, &request.service)?;
                let source = self.passdb.check_main_password(&user, &mailbox, &request.password).await?;
                (mailbox, source)
            }
            None => {
                let mailbox = self.make_mailbox(&user, &request.password, now).await?;
                check_mailbox(&mailbox)?;
                check_access(&mailbox, &request.service)?;
                (mailbox, Source::Keycloak)
            }
        };
        let fields = self.userdb.fields(&user, mailbox.quota_bytes);
        Ok(Grant { user, source, fields })
    }

    /// The mailbox row, if there is one; the domain must be hosted here and active.
    async fn find_mailbox(&self, user: &Username) -> Result<Option<Mailbox>, NotAccepted> {
        let hosting = self.database.find_mailbox(user).await.map_err(|error| error.temp_fail())?;
        let domain = hosting.domain.ok_or(Denial::DomainUnknown)?;
        if domain.active { Ok(hosting.mailbox) } else { Err(Denial::DomainDisabled.into()) }
    }

    /// A first login: the person must be entitled and the password right before anything is written, and the
    /// mailbox is committed before the login is answered.
    async fn make_mailbox(
        &self,
        user: &Username,
        password: &Secret,
        now: Instant,
    ) -> Result<Mailbox, NotAccepted> {
        if !self.provisioner.is_enabled() {
            return Err(Denial::MailboxUnknown.into());
        }
        let person = self.passdb.check_person(user, password).await?;
        let made = self.provisioner.provision(&self.database, &Identity::new(&person), now).await?;
        if matches!(made, Provisioned::Created(_)) {
            tracing::info!(user = user.as_str(), "made a mailbox at the first login");
        }
        let mailbox = self.find_mailbox(user).await?;
        mailbox.ok_or_else(|| {
            let detail = "a mailbox that was just made is not there";
            TempFail::new(TempFailReason::SqlError, detail).into()
        })
    }
}

fn check_mailbox(mailbox: &Mailbox) -> Result<(), Denial> {
    if mailbox.kind_is_resource {
        return Err(Denial::MailboxIsResource);
    }
    match mailbox.active {
        MailboxState::On => Ok(()),
        MailboxState::Off | MailboxState::ReceiveOnly => Err(Denial::MailboxDisabled),
    }
}

/// Who is it? Acting as somebody else is not offered; naming oneself twice is no such thing (doveadm does).
fn check_name(request: &AuthRequest) -> Result<Username, Denial> {
    let user = Username::parse(&request.authcid).map_err(|_| Denial::NameInvalid)?;
    if request.authzid.is_empty() || Username::parse(&request.authzid).is_ok_and(|other| other == user) {
        Ok(user)
    } else {
        Err(Denial::AuthzidForbidden)
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
fn check_service(service: &Service) -> Result<(), Denial> {
    match service {
        Service::Lmtp | Service::Other(_) => Err(Denial::ServiceUnknown),
        _ => Ok(()),
    }
}

fn check_access(mailbox: &Mailbox, service: &Service) -> Result<(), Denial> {
    if mailbox.access.allows(service) { Ok(()) } else { Err(Denial::ServiceForbidden) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Mechanism, Origin};

    fn request(authcid: &str, authzid: &str) -> AuthRequest {
        AuthRequest {
            authcid: authcid.into(),
            authzid: authzid.into(),
            password: Secret::from("pw"),
            service: Service::Imap,
            mechanism: Mechanism::Plain,
            origin: Origin::default(),
        }
    }

    #[test]
    fn naming_oneself_twice_is_no_impersonation() {
        assert!(check_name(&request("alice@example.org", "")).is_ok());
        assert!(check_name(&request("alice@example.org", "Alice@Example.ORG")).is_ok());
        for other in ["bob@example.org", "root", "\0"] {
            let answer = check_name(&request("alice@example.org", other));
            assert_eq!(answer, Err(Denial::AuthzidForbidden), "{other:?}");
        }
        assert_eq!(check_name(&request("alice", "alice")), Err(Denial::NameInvalid));
    }

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
