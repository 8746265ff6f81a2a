//! Questions of protocols, and their answers.
//!
//! Each question is of a type that names the type of its answer, and a protocol takes answers to its own questions only.
//! So an answer of the wrong kind cannot be written.

use crate::auth::{
    AuthRequest, MapRequest, SenderRequest, SenderVerdict, TempFail, TempFailReason, UserMask, UserRequest,
    Verdict,
};
use crate::login::service::{MapAnswer, UserAnswer, UserPage};

/// Names a question of one connection. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Something that can be asked.
pub trait Question {
    /// What answers it.
    type Answer: Send;

    /// The answer when there is no time for a true one, because keydove is stopping.
    fn when_stopping() -> Self::Answer;
}

/// A question on its way.
#[derive(Debug)]
pub struct Ticketed<Q> {
    /// Its name.
    pub ticket: Ticket,
    /// What is asked.
    pub question: Q,
}

/// The answer to a question.
#[derive(Debug)]
pub struct Answer<Q: Question> {
    /// The name of the question.
    pub ticket: Ticket,
    /// What is answered.
    pub answer: Q::Answer,
}

/// The questions of one protocol: [`Ticketed`] where it has one kind, else an enum of them.
pub trait Questions {
    /// Their answers: [`Answer`], or an enum of the same kinds.
    type Answers: Send;

    /// The name of the question.
    fn ticket(&self) -> Ticket;

    /// Makes the answer to the question of this kind and of a given name, for when keydove is stopping.
    fn when_stopping(&self) -> fn(Ticket) -> Self::Answers;
}

impl<Q: Question> Ticketed<Q> {
    /// Answers it.
    #[must_use]
    pub fn answer(&self, answer: Q::Answer) -> Answer<Q> {
        Answer { ticket: self.ticket, answer }
    }
}

impl<Q: Question> Answer<Q> {
    /// The answer when there is no time for a true one.
    pub fn when_stopping(ticket: Ticket) -> Self {
        Self { ticket, answer: Q::when_stopping() }
    }
}

impl<Q: Question> Questions for Ticketed<Q> {
    type Answers = Answer<Q>;

    fn ticket(&self) -> Ticket {
        self.ticket
    }

    fn when_stopping(&self) -> fn(Ticket) -> Answer<Q> {
        Answer::when_stopping
    }
}

/// Who is there, after this name? From the first name on without one.
#[derive(Debug)]
pub struct ListUsers(pub Option<String>);

/// Forget the users whom these masks mean; all, where there are none.
#[derive(Debug)]
pub struct Forget(pub Vec<UserMask>);

const STOPPING: TempFailReason = TempFailReason::Stopping;

fn stopping() -> TempFail {
    TempFail::new(STOPPING, "keydove is stopping")
}

impl Question for AuthRequest {
    type Answer = Verdict;

    fn when_stopping() -> Verdict {
        Verdict::CannotTell(stopping())
    }
}

impl Question for UserRequest {
    type Answer = UserAnswer;

    fn when_stopping() -> UserAnswer {
        UserAnswer::CannotTell(STOPPING.code())
    }
}

impl Question for ListUsers {
    /// `None` when the list cannot be had.
    type Answer = Option<UserPage>;

    fn when_stopping() -> Option<UserPage> {
        None
    }
}

impl Question for Forget {
    /// How many entries were known.
    type Answer = usize;

    fn when_stopping() -> usize {
        // What keydove knows ends with it.
        0
    }
}

impl Question for SenderRequest {
    type Answer = SenderVerdict;

    fn when_stopping() -> SenderVerdict {
        SenderVerdict::CannotTell(stopping())
    }
}

impl Question for MapRequest {
    type Answer = MapAnswer;

    fn when_stopping() -> MapAnswer {
        MapAnswer::CannotTell(STOPPING.code())
    }
}
