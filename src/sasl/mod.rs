//! SASL mechanisms as exchanges: responses in, challenges or an identity with its password out. Pure.
//!
//! Base64, request ids and time limits are the frontend's business; whether the password is right is the
//! decision's.

mod login;
mod plain;

use crate::auth::{Mechanism, Secret};

/// One exchange under way.
#[derive(Debug)]
pub enum Exchange {
    /// Waits for the one PLAIN message.
    Plain,
    /// Waits for the user name or the password.
    Login(login::Login),
}

/// What an exchange says to a response.
#[derive(Debug)]
pub enum Step {
    /// Ask the client for more.
    Challenge(&'static [u8]),
    /// The client has said everything.
    Done(Presented),
    /// The response breaks the mechanism's rules.
    Malformed,
}

/// What a client presented.
#[derive(Debug)]
pub struct Presented {
    /// Who proves who they are.
    pub authcid: Vec<u8>,
    /// As whom they want to act; empty = as themselves.
    pub authzid: Vec<u8>,
    /// The password.
    pub password: Secret,
}

impl Exchange {
    /// Begins an exchange; `initial` is the initial response, where the client sent one (RFC 4422, 3).
    #[must_use]
    pub fn begin(mechanism: Mechanism, initial: Option<&[u8]>) -> (Self, Step) {
        let mut exchange = match mechanism {
            Mechanism::Plain => Self::Plain,
            Mechanism::Login => Self::Login(login::Login::default()),
        };
        let step = match (initial, mechanism) {
            (Some(response), _) => exchange.respond(response),
            (None, Mechanism::Plain) => Step::Challenge(b""),
            (None, Mechanism::Login) => Step::Challenge(login::USERNAME_PROMPT),
        };
        (exchange, step)
    }

    /// Takes the client's next response.
    pub fn respond(&mut self, response: &[u8]) -> Step {
        match self {
            Self::Plain => plain::parse(response).map_or(Step::Malformed, Step::Done),
            Self::Login(login) => login.respond(response),
        }
    }

    /// Whom the client claims to be so far, for the log line of an exchange that ends early.
    #[must_use]
    pub fn claimed(&self) -> &[u8] {
        match self {
            Self::Plain => b"",
            Self::Login(login) => login.username(),
        }
    }
}
