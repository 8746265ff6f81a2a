//! Postfix's questions about senders and addresses.

use std::time::SystemTime;

use super::authenticate::{check_domain, check_mailbox};
use super::open::check_same_person;
use super::{Decision, Moment};
use crate::auth::{
    Denial, MailMap, MapRequest, NotAccepted, SenderRequest, SenderVerdict, Service, TempFail, Username,
};
use crate::backend::sql;
use crate::backend::sql::{AppPassword, DomainName, Mailbox};

impl Decision {
    /// Whether somebody who is logged in may send under an address: would they still be let in, are there not too many
    /// wrong passwords, is the address theirs?
    ///
    /// The first is asked of what is known, as at a login. Where nobody can tell, they were let in a moment ago and go
    /// on. Whose an address is, is asked of the database; where nobody can tell, only one's own address is used.
    pub async fn judge_sender(&self, request: &SenderRequest, now: Moment) -> SenderVerdict {
        let Ok(login) = Username::parse(&request.login) else {
            return SenderVerdict::Refuse(Denial::NameInvalid);
        };
        let trouble = match self.check_standing(&login, &request.service, now).await {
            Ok(()) => None,
            Err(NotAccepted::Refused(denial)) => return SenderVerdict::Refuse(denial),
            Err(NotAccepted::CannotTell(trouble)) => Some(trouble),
        };
        if self.0.throttle.admit(&login, request.remote, now.monotonic.into_std()).is_err() {
            return SenderVerdict::Throttled;
        }
        match self.check_sender(&login, &request.sender).await {
            Ok(true) => trouble.map_or(SenderVerdict::Pass, SenderVerdict::PassUnchecked),
            Ok(false) => SenderVerdict::NotOwner,
            Err(trouble) if is_own(&login, &request.sender) => SenderVerdict::PassUnchecked(trouble),
            Err(trouble) => SenderVerdict::CannotTell(trouble),
        }
    }

    /// Answers a lookup table; `None` is that nothing stands there.
    ///
    /// # Errors
    /// The database cannot tell.
    pub async fn look_up(&self, request: &MapRequest, wall: SystemTime) -> Result<Option<String>, TempFail> {
        let database = &self.0.database;
        let address = Username::parse(&request.key).ok();
        let answer = match (request.map, &address) {
            (MailMap::Domains, _) => self.find_domain(&request.key).await,
            // What is no address stands in no table. Postfix looks bare domains up too.
            (_, None) => Ok(None),
            (MailMap::Mailboxes, Some(address)) => {
                database.find_receiver(address).await.map(|found| found.map(|mailbox| mailbox.to_string()))
            }
            (MailMap::Aliases, Some(address)) => database.find_alias(address, wall).await,
            (MailMap::SenderLogins, Some(address)) => {
                let owners = database.sender_owners(Some(address)).await;
                owners.map(|owners| (!owners.is_empty()).then(|| owners.join(",")))
            }
        };
        answer.map_err(|error| error.temp_fail())
    }

    async fn find_domain(&self, key: &[u8]) -> Result<Option<String>, sql::Error> {
        let domain = std::str::from_utf8(key).ok().and_then(|name| DomainName::parse(name).ok());
        let Some(domain) = domain else { return Ok(None) };
        let is_hosted = self.0.database.hosts_domain(&domain).await?;
        Ok(is_hosted.then(|| domain.to_string()))
    }

    /// Whether somebody would still be let in, apart from their password.
    async fn check_standing(
        &self,
        login: &Username,
        service: &Service,
        now: Moment,
    ) -> Result<(), NotAccepted> {
        let known = self.0.mailboxes.find(login).await?;
        let hosting = &known.record.hosting;
        check_domain(hosting)?;
        let mailbox = hosting.mailbox.as_ref().ok_or(Denial::MailboxUnknown)?;
        check_mailbox(mailbox)?;
        let app_passwords = known.record.app_passwords();
        check_service(mailbox, app_passwords, service, now.wall)?;
        let owner = self.0.passdb.find_owner(login, mailbox, known.record.owner_id.as_deref()).await?;
        Ok(check_same_person(login, &known.record, &owner)?)
    }

    /// Whether an address is theirs. A report that is not to be answered is from nobody, and anybody may send it.
    async fn check_sender(&self, login: &Username, sender: &[u8]) -> Result<bool, TempFail> {
        if sender.is_empty() {
            return Ok(true);
        }
        let sender = Username::parse(sender).ok();
        let owners = self.0.database.sender_owners(sender.as_ref()).await;
        let owners = owners.map_err(|error| error.temp_fail())?;
        Ok(owners.iter().any(|owner| owner == login.as_str()))
    }
}

/// The mailbox's switch is about its main password. Which password it was nobody knows any more, so one app password
/// that opens the service is enough.
fn check_service(
    mailbox: &Mailbox,
    app_passwords: Result<&[AppPassword], &TempFail>,
    service: &Service,
    wall: SystemTime,
) -> Result<(), NotAccepted> {
    if mailbox.access.allows(service) {
        return Ok(());
    }
    let opens = |row: &AppPassword| row.allows(service) && !row.has_expired(wall);
    match app_passwords {
        Ok(rows) if rows.iter().any(opens) => Ok(()),
        Ok(_) => Err(Denial::ServiceForbidden.into()),
        Err(trouble) => Err(trouble.clone().into()),
    }
}

fn is_own(login: &Username, sender: &[u8]) -> bool {
    Username::parse(sender).is_ok_and(|sender| sender == *login)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Secret, TempFailReason};
    use crate::backend::sql::{AccessSwitches, AuthSource, MailboxState};

    fn mailbox(attributes: &str) -> Mailbox {
        Mailbox {
            active: MailboxState::On,
            kind_is_resource: false,
            authsource: Some(AuthSource::Keycloak),
            password: Secret::from(""),
            quota_bytes: 0,
            access: AccessSwitches::parse(Some(attributes)),
            second_factor: false,
        }
    }

    #[test]
    fn a_service_that_is_off_is_refused_unless_nobody_can_tell() {
        let (on, off) = (mailbox("{}"), mailbox(r#"{"smtp_access": "0"}"#));
        let trouble = TempFail::new(TempFailReason::SqlError, "no right");
        let smtp = |mailbox, rows| check_service(mailbox, rows, &Service::Smtp, SystemTime::UNIX_EPOCH);
        assert_eq!(smtp(&on, Ok(&[])), Ok(()));
        assert_eq!(smtp(&on, Err(&trouble)), Ok(()));
        assert_eq!(smtp(&off, Ok(&[])), Err(Denial::ServiceForbidden.into()));
        assert_eq!(smtp(&off, Err(&trouble)), Err(trouble.clone().into()));
    }

    #[test]
    fn ones_own_address_is_the_same_in_any_spelling() {
        let alice = Username::parse(b"alice@example.org").unwrap();
        assert!(is_own(&alice, b"Alice@Example.ORG"));
        assert!(!is_own(&alice, b"alice+x@example.org") && !is_own(&alice, b"") && !is_own(&alice, b"alice"));
    }
}
