//! Is it a name and a credential at all, for a service that we know? Nobody is asked for that.

use std::sync::OnceLock;

use super::Decision;
use super::login::{Asked, Login, Moment, Proof};
use super::master::Claim;
use super::trace::Trace;
use super::words;
use crate::auth::{Denial, Secret, Service};

/// Longest password. A hash of more than this would be an attack on the processor.
const MAX_PASSWORD_BYTES: usize = 1024;

impl Decision {
    pub(super) fn check_form<'a>(
        &self,
        asked: Asked<'a>,
        now: Moment,
        trace: &mut Trace,
    ) -> Result<Login<'a>, Denial> {
        let Asked { request, purpose, .. } = asked;
        let claim = self.read_claim(request);
        trace.step("name", &claim, |_| (words::name(request), None));
        let Claim { user, master_user } = claim?;
        let proof = Proof::of(&asked);
        let form = check_proof_form(proof, master_user.as_deref());
        if form.is_err() {
            trace.step("password", &form, |_| words::no_such_password());
        }
        form?;
        let service = check_service(&request.service);
        trace.step("service", &service, |_| (request.service.name().to_owned(), None));
        service?;
        let via = self.0.webmail.recognise(request);
        Ok(Login { user, master_user, proof, signed: OnceLock::new(), request, via, now, purpose })
    }
}

/// A token or an identity proves who somebody is, which no master user's name can be.
fn check_proof_form(proof: Proof<'_>, master_user: Option<&str>) -> Result<(), Denial> {
    match (proof, master_user) {
        (Proof::Token(_) | Proof::Identity(_) | Proof::AssumedIdentity, Some(_)) => {
            Err(Denial::AuthzidForbidden)
        }
        (Proof::Token(_) | Proof::Identity(_) | Proof::AssumedIdentity, None) | (Proof::Assumed(_), _) => {
            Ok(())
        }
        (Proof::Password(presented), _) => presented.password.given().map_or(Ok(()), check_password_form),
    }
}

pub(super) fn check_password_form(password: &Secret) -> Result<(), Denial> {
    let bytes = password.expose();
    if bytes.is_empty() || bytes.len() > MAX_PASSWORD_BYTES || bytes.contains(&0) {
        return Err(Denial::PasswordInvalid);
    }
    Ok(())
}

/// `doveadm auth test` logs in too; what has no switch and is no mail service does not.
pub(super) fn check_service(service: &Service) -> Result<(), Denial> {
    match service {
        Service::Lmtp | Service::Other(_) => Err(Denial::ServiceUnknown),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
