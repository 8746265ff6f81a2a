//! The steps of a login.

use std::time::{Instant, SystemTime};

use super::webmail::Via;
use super::{Decision, Opened};
use crate::auth::{
    AuthRequest, Denial, Grant, NotAccepted, Secret, Service, Source, TempFail, TempFailReason, Username,
    Verdict,
};
use crate::bookkeeping::Note;
use crate::passdb::Owner;
use crate::provision::{Identity, Provisioned};
use crate::sql::{AuthSource, Mailbox, MailboxState};

/// Longest password. A hash of more than this would be an attack on the processor.
const MAX_PASSWORD_BYTES: usize = 1024;

/// When a request came.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// By the clock that never goes back: for waits and ages.
    pub monotonic: Instant,
    /// By the wall clock: for dates that an administrator has set.
    pub wall: SystemTime,
}

/// A login whose form has been found right.
pub(super) struct Login<'a> {
    pub(super) user: Username,
    pub(super) password: &'a Secret,
    pub(super) request: &'a AuthRequest,
    pub(super) via: Via,
    pub(super) now: Moment,
}

impl Decision {
    /// Decides a login. The steps stand in the order in which they are taken; none asks anybody before all
    /// cheaper ones have passed. `now` is when the request came.
    pub async fn authenticate(&self, request: &AuthRequest, now: Moment) -> Verdict {
        self.take_steps(request, now).await.into()
    }

    async fn take_steps(&self, request: &AuthRequest, now: Moment) -> Result<Grant, NotAccepted> {
        // 1. Is it a name and a password at all, for a service that we know?
        let user = check_name(request)?;
        check_password_form(&request.password)?;
        check_service(&request.service)?;
        let via = self.0.webmail.recognise(request);
        let login = Login { user, password: &request.password, request, via, now };
        // 2. Is the domain hosted here and on? Is there a mailbox?
        let (mailbox, opened) = match self.find_mailbox(&login.user).await? {
            // 3. Is the mailbox on? 4. The main password, where it counts. 5. The app passwords.
            Some(mailbox) => {
                check_mailbox(&mailbox)?;
                let opened = self.open(&login, &mailbox).await?;
                (mailbox, opened)
            }
            // 6. None: the right person with the right password gets one, and then as 3.
            None => {
                let (mailbox, opened) = self.make_mailbox(&login).await?;
                check_mailbox(&mailbox)?;
                check_access(&login, &mailbox)?;
                (mailbox, opened)
            }
        };
        // 7. Where does the mail live? Whose it is, and whether their template changed, is looked at later.
        if let Some(person) = opened.owner.person() {
            self.0.bookkeeper.note(Note::SeenPerson(Box::new(Identity::new(person))));
        }
        let fields = self.0.userdb.fields(&login.user, mailbox.quota_bytes);
        Ok(Grant { user: login.user, source: opened.source, fields, through_webmail: via != Via::Client })
    }

    /// The mailbox row, if there is one; the domain must be hosted here and active.
    async fn find_mailbox(&self, user: &Username) -> Result<Option<Mailbox>, NotAccepted> {
        let hosting = self.0.database.find_mailbox(user).await.map_err(|error| error.temp_fail())?;
        let domain = hosting.domain.ok_or(Denial::DomainUnknown)?;
        if domain.active { Ok(hosting.mailbox) } else { Err(Denial::DomainDisabled.into()) }
    }

    /// A first login: the person must be entitled and the password right before anything is written, and the
    /// mailbox is committed before the login is answered.
    async fn make_mailbox(&self, login: &Login<'_>) -> Result<(Mailbox, Opened), NotAccepted> {
        if !self.0.provisioner.is_enabled() || login.via == Via::SingleSignOn {
            return Err(Denial::MailboxUnknown.into());
        }
        self.0.passdb.check_main_password_counts(&login.user, Some(AuthSource::Keycloak))?;
        let person = self.0.passdb.check_person(&login.user, login.password).await?;
        let identity = Identity::new(&person);
        let made = self.0.provisioner.provision(&self.0.database, &identity, login.now.monotonic).await?;
        if let Provisioned::Created(settings) = made {
            tracing::info!(user = login.user.as_str(), "made a mailbox at the first login");
            self.0.bookkeeper.note(Note::Created { user: login.user.clone(), settings });
        }
        let mailbox = self.find_mailbox(&login.user).await?.ok_or_else(|| {
            let detail = "a mailbox that was just made is not there";
            TempFail::new(TempFailReason::SqlError, detail)
        })?;
        let opened = Opened { source: Source::Keycloak, owner: Owner::Person(Box::new(person)) };
        Ok((mailbox, opened))
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
    use crate::auth::{Mechanism, Origin};

    fn request(authcid: &str, authzid: &str) -> AuthRequest {
        AuthRequest {
            authcid: authcid.into(),
            authzid: authzid.into(),
            password: Secret::from("pw"),
            service: Service::Imap,
            service_name: "imap".into(),
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
