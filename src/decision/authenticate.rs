//! The steps of a login.

use super::Decision;
use crate::auth::{AuthRequest, Denial, Grant, NotAccepted, Secret, Service, Username, Verdict};
use crate::sql::{Mailbox, MailboxState};

/// Longest password. A hash of more than this would be an attack on the processor.
const MAX_PASSWORD_BYTES: usize = 1024;

impl Decision {
    /// Decides a login. The steps stand in the order in which they are taken; none asks anybody before all
    /// cheaper ones have passed.
    pub async fn authenticate(&self, request: &AuthRequest) -> Verdict {
        self.take_steps(request).await.into()
    }

    async fn take_steps(&self, request: &AuthRequest) -> Result<Grant, NotAccepted> {
        let user = check_name(request)?;
        check_password_form(&request.password)?;
        check_service(&request.service)?;
        let mailbox = self.find_active_mailbox(&user).await?;
        check_access(&mailbox, &request.service)?;
        let source = self.passdb.check_main_password(&user, &mailbox, &request.password).await?;
        let fields = self.userdb.fields(&user, mailbox.quota_bytes);
        Ok(Grant { user, source, fields })
    }

    async fn find_active_mailbox(&self, user: &Username) -> Result<Mailbox, NotAccepted> {
        let hosting = self.database.find_mailbox(user).await.map_err(|error| error.temp_fail())?;
        let domain = hosting.domain.ok_or(Denial::DomainUnknown)?;
        if !domain.active {
            return Err(Denial::DomainDisabled.into());
        }
        let mailbox = hosting.mailbox.ok_or(Denial::MailboxUnknown)?;
        if mailbox.kind_is_resource {
            return Err(Denial::MailboxIsResource.into());
        }
        match mailbox.active {
            MailboxState::On => Ok(mailbox),
            MailboxState::Off | MailboxState::ReceiveOnly => Err(Denial::MailboxDisabled.into()),
        }
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
