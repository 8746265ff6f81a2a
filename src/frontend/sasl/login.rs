//! LOGIN (draft-murchison-sasl-login-00): two prompts, then name and password, each as it is.

use super::{ExchangeStep, PresentedIdentity};
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
    pub(super) fn respond(&mut self, response: &[u8]) -> ExchangeStep {
        match self.username.take() {
            None => {
                self.username = Some(response.to_vec());
                ExchangeStep::Challenge(PASSWORD_PROMPT)
            }
            Some(authcid) => ExchangeStep::Done(PresentedIdentity {
                authcid: authcid.into(),
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
    use crate::frontend::sasl::{Exchange, ExchangeStep};

    fn password_is_asked(step: &ExchangeStep) -> bool {
        matches!(step, ExchangeStep::Challenge(b"Password:"))
    }

    fn finish(exchange: &mut Exchange) -> (Vec<u8>, Vec<u8>) {
        match exchange.respond(b"pw") {
            ExchangeStep::Done(presented) => {
                let password = presented.credential.password().unwrap().expose().to_vec();
                (presented.authcid.to_vec(), password)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_prompts_are_sent_when_there_is_no_initial_response() {
        let (mut exchange, step) = Exchange::begin(Mechanism::Login, None);
        assert!(matches!(step, ExchangeStep::Challenge(b"Username:")));
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
