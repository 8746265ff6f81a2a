//! Access tokens: issued by the Keycloak that knows the people of the mailbox's domain, for us, and to the person.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Passdb;
use crate::auth::{Denial, NotAccepted, ProvenIdentity, Secret, TempFail, TempFailReason, Username};
use crate::backend::keycloak::{Activity, LookupBy, Signature};
use crate::backend::people::Entitled;
use crate::token::{Claims, Config, Demands, Token};

/// A token that the realm has signed for this mailbox. Whether its person is entitled is another question.
#[derive(Debug)]
pub struct SignedToken {
    /// Keycloak's id of the person, where the token has it.
    subject: Option<Box<str>>,
    /// Whether it is made for the client as which we ask Keycloak.
    is_for_client: bool,
}

impl Passdb {
    /// Verifies a token as far as that takes no word from Keycloak about it: what it says, then who has signed it. The
    /// realm's keys are remembered.
    ///
    /// # Errors
    /// A denial, or the reason why nobody can tell.
    pub async fn verify_token(
        &self,
        user: &Username,
        token: &Secret,
        wall: SystemTime,
    ) -> Result<SignedToken, NotAccepted> {
        let config = self.token_config()?;
        let client = self.people.sources().client_for(user)?;
        let (lookup, verified_email) = client.lookup();
        let parsed = Token::parse(token.expose())?;
        let claims = Claims::of(&parsed);
        let demands = Demands {
            user,
            issuer: &client.issuer(),
            verified_email,
            local_part: lookup == LookupBy::LocalPart,
            now: wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        };
        // Signed or not, what says so itself is no token for us, and Keycloak need not be asked for keys.
        claims.check(config, demands)?;
        match client.verify_signature(&parsed).await.map_err(|error| error.temp_fail())? {
            Signature::Right => {}
            Signature::Wrong(denial) => return Err(denial.into()),
            Signature::Paused => {
                let detail = "the token names a key of the realm that is not known, and Keycloak was asked for its \
                              keys less than 5 min ago";
                return Err(TempFail::new(TempFailReason::TokenKeyUnknown, detail).into());
            }
        }
        Ok(SignedToken {
            subject: claims.subject().map(Into::into),
            is_for_client: claims.is_for(client.client_id()),
        })
    }

    /// Whether what the portal has seen proven is about this person, in the realm of the mailbox's domain.
    ///
    /// # Errors
    /// A denial, or the reason why nobody can tell.
    pub fn confirm_identity(
        &self,
        identity: &ProvenIdentity,
        entitled: &Entitled,
    ) -> Result<(), NotAccepted> {
        let person = entitled.person();
        let client = self.people.sources().client_for(&person.address)?;
        if identity.issuer != client.issuer() {
            return Err(Denial::TokenIssuer.into());
        }
        if identity.subject != person.id() {
            return Err(Denial::TokenSubjectMismatch.into());
        }
        Ok(())
    }

    /// Verifies that a token is this person's and, where the configuration wants that, that Keycloak would still take
    /// it.
    ///
    /// # Errors
    /// A denial, or the reason why nobody can tell.
    pub async fn confirm_token(
        &self,
        token: &Secret,
        signed: &SignedToken,
        entitled: &Entitled,
    ) -> Result<(), NotAccepted> {
        let person = entitled.person();
        // An address can pass to somebody else while tokens of the one before are about.
        if signed.subject.as_deref().is_some_and(|subject| subject != person.id()) {
            return Err(Denial::TokenSubjectMismatch.into());
        }
        let config = self.token_config()?;
        if !config.introspection {
            return Ok(());
        }
        let client = self.people.sources().client_for(&person.address)?;
        let keep = config.introspection_cache.get();
        match client.introspect(token, keep).await.map_err(|error| error.temp_fail())? {
            Activity::Active => Ok(()),
            Activity::Inactive if signed.is_for_client => Err(Denial::TokenRevoked.into()),
            Activity::Inactive => {
                let detail = format!(
                    "Keycloak tells nothing about tokens that are not made for the client `{id}`: add an audience mapper \
                     for `{id}` to the client that gets the tokens, or switch introspection off",
                    id = client.client_id()
                );
                Err(TempFail::new(TempFailReason::KeycloakSettings, detail).into())
            }
        }
    }

    /// The person with this address, who must be entitled.
    ///
    /// # Errors
    /// A denial, or the reason why nobody can tell.
    pub async fn find_person(&self, user: &Username) -> Result<Entitled, NotAccepted> {
        self.people.find_entitled(user, None).await
    }

    fn token_config(&self) -> Result<&Config, Denial> {
        self.tokens.as_ref().ok_or(Denial::MechanismUnknown)
    }
}
