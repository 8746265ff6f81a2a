//! SASL mechanisms as exchanges: responses in, challenges or an identity with its credential out. Pure.
//!
//! Base64, request ids and time limits are the frontend's business; whether the credential is right is the
//! decision's.

mod bearer;
mod login;
mod plain;

use crate::auth::{Credential, Mechanism, SentName};

pub use bearer::ErrorChallenges;

/// One exchange under way.
#[derive(Debug)]
pub enum Exchange {
    /// Waits for the one PLAIN message.
    Plain,
    /// Waits for the user name or the password.
    Login(login::Login),
    /// Waits for the one OAUTHBEARER message.
    OauthBearer,
    /// Waits for the one XOAUTH2 message.
    Xoauth2,
}

/// What an exchange says to a response.
#[derive(Debug)]
pub enum ExchangeStep {
    /// Ask the client for more.
    Challenge(&'static [u8]),
    /// The client has said everything.
    Done(PresentedIdentity),
    /// The response breaks the mechanism's rules.
    Malformed,
}

/// What a client presented.
#[derive(Debug)]
pub struct PresentedIdentity {
    /// Who proves who they are.
    pub authcid: SentName,
    /// As whom they want to act; empty = as themselves.
    pub authzid: Vec<u8>,
    /// The password or token.
    pub credential: Credential,
}

impl Exchange {
    /// Begins an exchange; `initial` is the initial response, where the client sent one (RFC 4422, 3).
    #[must_use]
    pub fn begin(mechanism: Mechanism, initial: Option<&[u8]>) -> (Self, ExchangeStep) {
        let mut exchange = match mechanism {
            Mechanism::Plain => Self::Plain,
            Mechanism::Login => Self::Login(login::Login::default()),
            Mechanism::OauthBearer => Self::OauthBearer,
            Mechanism::Xoauth2 => Self::Xoauth2,
        };
        let step = match (initial, mechanism) {
            (Some(response), _) => exchange.respond(response),
            (None, Mechanism::Login) => ExchangeStep::Challenge(login::USERNAME_PROMPT),
            (None, Mechanism::Plain | Mechanism::OauthBearer | Mechanism::Xoauth2) => {
                ExchangeStep::Challenge(b"")
            }
        };
        (exchange, step)
    }

    /// Takes the client's next response.
    pub fn respond(&mut self, response: &[u8]) -> ExchangeStep {
        match self {
            Self::Plain => plain::parse(response).map_or(ExchangeStep::Malformed, ExchangeStep::Done),
            Self::Login(login) => login.respond(response),
            Self::OauthBearer => {
                bearer::parse_oauthbearer(response).map_or(ExchangeStep::Malformed, ExchangeStep::Done)
            }
            Self::Xoauth2 => {
                bearer::parse_xoauth2(response).map_or(ExchangeStep::Malformed, ExchangeStep::Done)
            }
        }
    }

    /// Whom the client claims to be so far, for the log line of an exchange that ends early.
    #[must_use]
    pub fn claimed(&self) -> &[u8] {
        match self {
            Self::Plain | Self::OauthBearer | Self::Xoauth2 => b"",
            Self::Login(login) => login.username(),
        }
    }
}
