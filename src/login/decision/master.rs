//! Whose mailbox a login is for, and whose password comes with it: one's own, or a master user's.

use super::Decision;
use crate::auth::{AuthRequest, Denial, Service, Username};

/// Whose mailbox, and by which master user.
pub(super) struct Claim {
    pub(super) user: Username,
    pub(super) master_user: Option<Box<str>>,
}

impl Decision {
    /// Who is it? A master user comes as `mailbox*master`, or with the mailbox as authzid.
    pub(super) fn read_claim(&self, request: &AuthRequest) -> Result<Claim, Denial> {
        let master_users = self.0.passdb.master_users();
        let Some((mailbox, master)) = master_users.and_then(|masters| split(request, masters.separator))
        else {
            let user = check_name(request)?;
            return Ok(Claim { user, master_user: None });
        };
        if !master_users.is_some_and(|masters| masters.sending) && !opens_mailbox(request) {
            return Err(Denial::AuthzidForbidden);
        }
        let user = Username::parse(mailbox).map_err(|_| Denial::NameInvalid)?;
        let master = str::from_utf8(master).map_err(|_| Denial::NameInvalid)?;
        Ok(Claim { user, master_user: Some(master.into()) })
    }
}

/// Mailbox and master user of a login name, if there is a master user in it.
fn split(request: &AuthRequest, separator: char) -> Option<(&[u8], &[u8])> {
    let (authcid, authzid) = (&request.authcid[..], &request.authzid[..]);
    if acts_for_another(request) {
        return Some((authzid, authcid));
    }
    let mut buffer = [0; 4];
    let separator = separator.encode_utf8(&mut buffer).as_bytes();
    // The last one: master users' names hold none.
    let at = authcid.windows(separator.len()).rposition(|window| window == separator)?;
    Some((&authcid[..at], &authcid[at + separator.len()..]))
}

/// Whether a mail process will open the mailbox after this login. Postfix asks for no place of mail, and whoever has
/// submission in mind wants to send.
fn opens_mailbox(request: &AuthRequest) -> bool {
    request.wants_fields && request.service != Service::Smtp
}

/// Who is it, where nobody may act as somebody else?
fn check_name(request: &AuthRequest) -> Result<Username, Denial> {
    let user = request.authcid.parse().map_err(|_| Denial::NameInvalid)?;
    if acts_for_another(request) { Err(Denial::AuthzidForbidden) } else { Ok(user) }
}

/// Naming oneself twice is no such thing (doveadm does).
fn acts_for_another(request: &AuthRequest) -> bool {
    let (authcid, authzid) = (&request.authcid, &request.authzid);
    let is_oneself = || authcid.parse().is_ok_and(|user| Username::parse(authzid) == Ok(user));
    !authzid.is_empty() && **authzid != **authcid && !is_oneself()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Credential, Mechanism, Origin, Secret};

    fn request(authcid: &str, authzid: &str) -> AuthRequest {
        AuthRequest {
            authcid: authcid.into(),
            authzid: authzid.into(),
            credential: Credential::Password(Secret::from("pw")),
            service: Service::Imap,
            service_name: "imap".into(),
            mechanism: Some(Mechanism::Plain),
            origin: Origin::default(),
            wants_fields: true,
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
    fn a_master_user_stands_behind_the_last_separator_or_is_the_authcid() {
        let both = |authcid: &str, authzid: &str, separator| {
            let request = request(authcid, authzid);
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            split(&request, separator).map(|(mailbox, master)| (text(mailbox), text(master)))
        };
        let alice_by = |master: &str| Some(("alice@example.org".to_owned(), master.to_owned()));
        assert_eq!(both("alice@example.org*admin", "", '*'), alice_by("admin"));
        assert_eq!(both("alice@example.org§admin", "", '§'), alice_by("admin"));
        assert_eq!(both("admin", "alice@example.org", '*'), alice_by("admin"));
        assert_eq!(both("a+b@example.org+admin", "", '+'), Some(("a+b@example.org".into(), "admin".into())));
        assert_eq!(both("alice@example.org", "", '*'), None);
        assert_eq!(both("alice@example.org", "ALICE@example.org", '*'), None);
        assert_eq!(both("alice@example.org*", "", '*'), alice_by(""));
    }

    #[test]
    fn what_asks_for_no_mailbox_or_wants_to_send_opens_none() {
        assert!(opens_mailbox(&request("a", "")));
        assert!(!opens_mailbox(&AuthRequest { wants_fields: false, ..request("a", "") }));
        assert!(!opens_mailbox(&AuthRequest { service: Service::Smtp, ..request("a", "") }));
    }
}
