//! LOGIN (draft-murchison-sasl-login-00): two prompts, then name and password, each as it is.

use super::{Presented, Step};
use crate::auth::{Credential, Secret};

/// The first prompt. Old clients compare it letter by letter.
pub(super) const USERNAME_PROMPT: &[u8] = b"Username:";
const PASSWORD_PROMPT: &[u8] = b"Password:";

/// A LOGIN exchange: before the name, or between name and password.
#[derive(Debug, Default)]
pub struct Login {
    username: Option<Vec<u8>>,
}

impl Login {
    pub(super) fn respond(&mut self, response: &[u8]) -> Step {
        match self.username.take() {
            None => {
                self.username = Some(response.to_vec());
                Step::Challenge(PASSWORD_PROMPT)
            }
            Some(authcid) => Step::Done(Presented {
                authcid,
                authzid: Vec::new(),
                credential: Credential::Password(Secret::new(response.to_vec())),
            }),
        }
    }

    pub(super) fn username(&self) -> &[u8] {
        self.username.as_deref().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use crate::auth::Mechanism;
    use crate::frontend::sasl::{Exchange, Step};

    fn password_is_asked(step: &Step) -> bool {
        matches!(step, Step::Challenge(b"Password:"))
    }

    fn finish(exchange: &mut Exchange) -> (Vec<u8>, Vec<u8>) {
        match exchange.respond(b"pw") {
            Step::Done(presented) => {
                let password = presented.credential.password().unwrap().expose().to_vec();
                (presented.authcid, password)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_prompts_are_sent_when_there_is_no_initial_response() {
        let (mut exchange, step) = Exchange::begin(Mechanism::Login, None);
        assert!(matches!(step, Step::Challenge(b"Username:")));
        assert!(password_is_asked(&exchange.respond(b"alice@example.org")));
        assert_eq!(exchange.claimed(), b"alice@example.org");
        assert_eq!(finish(&mut exchange), (b"alice@example.org".to_vec(), b"pw".to_vec()));
    }

    #[test]
    fn an_initial_response_is_the_name() {
        let (mut exchange, step) = Exchange::begin(Mechanism::Login, Some(b"alice@example.org"));
        assert!(password_is_asked(&step));
        assert_eq!(finish(&mut exchange), (b"alice@example.org".to_vec(), b"pw".to_vec()));
    }
}
