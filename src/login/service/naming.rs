//! What the names that peers send stand for here: services that the administrator allows, and people whose domain goes
//! without saying.

use std::borrow::Cow;

use crate::auth::{AuthRequest, DefaultDomain, SenderRequest, SentName, ServiceNames, UserRequest, Username};

/// The administrator's words about names. One place reads them, so that every protocol understands the same.
#[derive(Clone, Debug, Default)]
pub struct Naming {
    /// Further names of services.
    pub services: ServiceNames,
    /// The domain of whoever names none.
    pub default_domain: DefaultDomain,
    /// What stands between a mailbox and a master user, where there are master users.
    pub master_separator: Option<char>,
}

impl Naming {
    /// Reads the name of a user whose mail is looked for.
    pub fn read_user(&self, request: &mut UserRequest) {
        self.complete(&mut request.user);
    }

    /// Reads the login name and the service of a question about a sender. The address is whole already.
    pub fn read_sender(&self, request: &mut SenderRequest) {
        self.complete(&mut request.login);
        self.services.resolve(&mut request.service);
    }

    /// Reads the names of a login.
    pub fn read_login(&self, request: &mut AuthRequest) {
        self.services.resolve(&mut request.service);
        if self.default_domain == DefaultDomain::default() {
            return;
        }
        if request.authzid.is_empty() {
            if let Some(whole) = self.complete_mailbox(&request.authcid) {
                request.authcid = whole.into();
            }
            return;
        }
        self.complete(&mut request.authzid);
        let whole = self.default_domain.complete(&request.authcid);
        let names_oneself =
            || Username::parse(&whole).is_ok_and(|user| Username::parse(&request.authzid) == Ok(user));
        // A master user acts for somebody else, and their names have no domain.
        if self.master_separator.is_none() || names_oneself() {
            request.authcid = SentName::new(&whole);
        }
    }

    /// The same for `mailbox*master`: the mailbox gets the domain, the master user does not.
    fn complete_mailbox(&self, name: &[u8]) -> Option<Vec<u8>> {
        let mut buffer = [0; 4];
        let separator = self.master_separator.map(|separator| &*separator.encode_utf8(&mut buffer));
        let at = separator.and_then(|separator| {
            name.windows(separator.len()).rposition(|window| window == separator.as_bytes())
        });
        let (mailbox, master) = name.split_at(at.unwrap_or(name.len()));
        match self.default_domain.complete(mailbox) {
            Cow::Owned(mut whole) => {
                whole.extend(master);
                Some(whole)
            }
            Cow::Borrowed(_) => None,
        }
    }

    fn complete(&self, name: &mut Vec<u8>) {
        if let Cow::Owned(whole) = self.default_domain.complete(name) {
            *name = whole;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Credential, Mechanism, Origin, Secret, Service};

    fn naming(master_separator: Option<char>) -> Naming {
        let default_domain = DefaultDomain::new(Some("example.org")).unwrap();
        let mut services = ServiceNames::default();
        services.allow("xmpp", "imap").unwrap();
        Naming { services, default_domain, master_separator }
    }

    fn read(naming: &Naming, authcid: &str, authzid: &str) -> (String, String) {
        let mut request = AuthRequest {
            authcid: authcid.into(),
            authzid: authzid.into(),
            credential: Credential::Password(Secret::from("pw")),
            service: Service::parse("XMPP"),
            service_name: "XMPP".to_owned().into(),
            mechanism: Some(Mechanism::Plain),
            origin: Origin::default(),
            wants_fields: true,
        };
        naming.read_login(&mut request);
        assert_eq!(request.service, Service::Imap);
        assert_eq!(request.named_service(), Some(Service::Other("xmpp".into())));
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (text(&request.authcid), text(&request.authzid))
    }

    #[test]
    fn mailboxes_get_the_domain_and_master_users_do_not() {
        let (plain, masters) = (naming(None), naming(Some('*')));
        let (whole, other) = ("alice@example.org", "bob@example.net");
        for (naming, authcid, authzid, expected) in [
            (&plain, "alice", "", (whole, "")),
            (&plain, other, "", (other, "")),
            (&plain, "alice", "alice", (whole, whole)),
            (&plain, "alice", whole, (whole, whole)),
            (&plain, "bob", "alice", ("bob@example.org", whole)),
            (&plain, "alice*admin", "", ("alice*admin@example.org", "")),
            (&masters, "alice", "", (whole, "")),
            (&masters, "alice*admin", "", ("alice@example.org*admin", "")),
            (&masters, "bob@example.net*admin", "", ("bob@example.net*admin", "")),
            (&masters, "*admin", "", ("*admin", "")),
            (&masters, "admin", "alice", ("admin", whole)),
            (&masters, "admin", other, ("admin", other)),
            (&masters, "Alice", "alice", ("Alice@example.org", whole)),
        ] {
            let (authcid, authzid) = read(naming, authcid, authzid);
            assert_eq!((&*authcid, &*authzid), expected);
        }
    }
}
