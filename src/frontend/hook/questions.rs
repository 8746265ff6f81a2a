//! What the lookup protocol asks, and what it is told.

use crate::auth::{AuthRequest, UserRequest};
use crate::frontend::{Answer, ListUsers, Questions, Ticket, Ticketed};

/// A question of one connection.
#[derive(Debug)]
pub enum HookQuestion {
    /// May they log in?
    Login(Ticketed<AuthRequest>),
    /// Where does their mail live?
    User(Ticketed<UserRequest>),
    /// Who is there?
    List(Ticketed<ListUsers>),
}

/// The answer to one of them.
#[derive(Debug)]
pub enum HookAnswer {
    /// To [`HookQuestion::Login`].
    Login(Answer<AuthRequest>),
    /// To [`HookQuestion::User`].
    User(Answer<UserRequest>),
    /// To [`HookQuestion::List`].
    List(Answer<ListUsers>),
}

impl Questions for HookQuestion {
    type Answers = HookAnswer;

    fn ticket(&self) -> Ticket {
        match self {
            Self::Login(asked) => asked.ticket,
            Self::User(asked) => asked.ticket,
            Self::List(asked) => asked.ticket,
        }
    }

    fn when_stopping(&self) -> fn(Ticket) -> HookAnswer {
        match self {
            Self::Login(_) => |ticket| HookAnswer::Login(Answer::when_stopping(ticket)),
            Self::User(_) => |ticket| HookAnswer::User(Answer::when_stopping(ticket)),
            Self::List(_) => |ticket| HookAnswer::List(Answer::when_stopping(ticket)),
        }
    }
}
