//! What the master side asks, and what it is told.

use crate::auth::UserRequest;
use crate::frontend::{Answer, Forget, ListUsers, Questions, Ticket, Ticketed};

/// A question of one connection.
#[derive(Debug)]
pub enum MasterQuestion {
    /// Where does their mail live?
    User(Ticketed<UserRequest>),
    /// Who is there?
    List(Ticketed<ListUsers>),
    /// Forget what is remembered about users.
    Forget(Ticketed<Forget>),
}

/// The answer to one of them.
#[derive(Debug)]
pub enum MasterAnswer {
    /// To [`MasterQuestion::User`].
    User(Answer<UserRequest>),
    /// To [`MasterQuestion::List`].
    List(Answer<ListUsers>),
    /// To [`MasterQuestion::Forget`].
    Forget(Answer<Forget>),
}

impl Questions for MasterQuestion {
    type Answers = MasterAnswer;

    fn ticket(&self) -> Ticket {
        match self {
            Self::User(asked) => asked.ticket,
            Self::List(asked) => asked.ticket,
            Self::Forget(asked) => asked.ticket,
        }
    }

    fn when_stopping(&self) -> fn(Ticket) -> MasterAnswer {
        match self {
            Self::User(_) => |ticket| MasterAnswer::User(Answer::when_stopping(ticket)),
            Self::List(_) => |ticket| MasterAnswer::List(Answer::when_stopping(ticket)),
            Self::Forget(_) => |ticket| MasterAnswer::Forget(Answer::when_stopping(ticket)),
        }
    }
}
