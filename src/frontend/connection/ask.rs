//! The questions of each protocol, put to the login service. A new kind of question gets its line here.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use crate::auth::{AuthRequest, MapRequest, SenderRequest, UserRequest};
use crate::frontend::control::{self, Administration};
use crate::frontend::dovecot::{MasterAnswer, MasterQuestion};
use crate::frontend::hook::{HookAnswer, HookQuestion};
use crate::frontend::portal::PortalService;
use crate::frontend::question::{Answer, Forget, ListUsers, Question, Questions, Ticket, Ticketed};
use crate::login::LoginService;
use crate::login::service::{Arrival, Concluded, Listener, now};
use crate::portal;

/// Whom the connections of one listener ask.
#[derive(Debug)]
pub struct Desk {
    /// About logins and users.
    pub service: Arc<LoginService>,
    /// What administrators ask.
    pub administration: Arc<Administration>,
    /// What the web portal asks.
    pub portal: Arc<PortalService>,
    /// By which listener the connections come.
    pub listener: Listener,
}

/// An answer on its way back to the protocol.
#[derive(Debug)]
pub struct Replied<A> {
    pub(super) ticket: Ticket,
    pub(super) answer: A,
    /// When it was found.
    pub(super) at: Instant,
    /// A refusal is held back until then.
    pub(super) not_before: Option<Instant>,
}

/// Questions of a protocol that the connection loop can put.
pub trait Put: Questions + Sized {
    /// The answer, where nobody needs to be waited for. `None`: the question is to be [put](Self::put).
    fn put_at_once(&mut self, _: &Desk, _: Arrival) -> Option<Replied<Self::Answers>> {
        None
    }

    /// Puts the question, and waits for its answer no longer than the deadline of logins.
    fn put(self, desk: &Desk, arrival: Arrival) -> impl Future<Output = Replied<Self::Answers>> + Send;
}

/// How one kind of question is answered.
trait Ask: Question {
    /// See [`Put::put_at_once`].
    fn ask_at_once(&mut self, _: &Desk, _: Arrival) -> Option<Found<Self::Answer>> {
        None
    }

    fn ask(self, desk: &Desk, arrival: Arrival) -> impl Future<Output = Found<Self::Answer>> + Send;
}

/// An answer without its ticket.
struct Found<A> {
    answer: A,
    at: Instant,
    not_before: Option<Instant>,
}

impl<A> Found<A> {
    fn now(answer: A) -> Self {
        Self { answer, at: now(), not_before: None }
    }
}

impl<A> Replied<A> {
    fn map<B>(self, wrap: impl FnOnce(A) -> B) -> Replied<B> {
        let Self { ticket, answer, at, not_before } = self;
        Replied { ticket, answer: wrap(answer), at, not_before }
    }
}

impl<Q: Ask + Send> Put for Ticketed<Q> {
    fn put_at_once(&mut self, desk: &Desk, arrival: Arrival) -> Option<Replied<Answer<Q>>> {
        let ticket = self.ticket;
        let Found { answer, at, not_before } = self.question.ask_at_once(desk, arrival)?;
        Some(Replied { ticket, answer: Answer { ticket, answer }, at, not_before })
    }

    async fn put(self, desk: &Desk, arrival: Arrival) -> Replied<Answer<Q>> {
        let Self { ticket, question } = self;
        let Found { answer, at, not_before } = question.ask(desk, arrival).await;
        Replied { ticket, answer: Answer { ticket, answer }, at, not_before }
    }
}

impl Put for MasterQuestion {
    async fn put(self, desk: &Desk, arrival: Arrival) -> Replied<MasterAnswer> {
        match self {
            Self::User(asked) => asked.put(desk, arrival).await.map(MasterAnswer::User),
            Self::List(asked) => asked.put(desk, arrival).await.map(MasterAnswer::List),
            Self::Forget(asked) => asked.put(desk, arrival).await.map(MasterAnswer::Forget),
        }
    }
}

impl Put for HookQuestion {
    fn put_at_once(&mut self, desk: &Desk, arrival: Arrival) -> Option<Replied<HookAnswer>> {
        match self {
            Self::Login(asked) => Some(asked.put_at_once(desk, arrival)?.map(HookAnswer::Login)),
            Self::User(_) | Self::List(_) => None,
        }
    }

    async fn put(self, desk: &Desk, arrival: Arrival) -> Replied<HookAnswer> {
        match self {
            Self::Login(asked) => asked.put(desk, arrival).await.map(HookAnswer::Login),
            // Boxed, so that the way of logins stays small.
            Self::User(asked) => Box::pin(asked.put(desk, arrival)).await.map(HookAnswer::User),
            Self::List(asked) => Box::pin(asked.put(desk, arrival)).await.map(HookAnswer::List),
        }
    }
}

impl Ask for AuthRequest {
    fn ask_at_once(&mut self, desk: &Desk, arrival: Arrival) -> Option<Found<Self::Answer>> {
        let Concluded { verdict, ended, not_before } =
            desk.service.log_in_at_once(&desk.listener, self, arrival)?;
        Some(Found { answer: verdict, at: ended, not_before })
    }

    async fn ask(self, desk: &Desk, arrival: Arrival) -> Found<Self::Answer> {
        let Concluded { verdict, ended, not_before } =
            desk.service.log_in(&desk.listener, self, arrival).await;
        Found { answer: verdict, at: ended, not_before }
    }
}

impl Ask for UserRequest {
    async fn ask(self, desk: &Desk, _: Arrival) -> Found<Self::Answer> {
        Found::now(desk.service.find_user(self).await)
    }
}

impl Ask for ListUsers {
    async fn ask(self, desk: &Desk, _: Arrival) -> Found<Self::Answer> {
        Found::now(desk.service.list_users(self.0.as_deref()).await)
    }
}

impl Ask for Forget {
    async fn ask(self, desk: &Desk, _: Arrival) -> Found<Self::Answer> {
        Found::now(desk.service.forget(&self.0).await)
    }
}

impl Ask for SenderRequest {
    async fn ask(self, desk: &Desk, arrival: Arrival) -> Found<Self::Answer> {
        Found::now(desk.service.judge_sender(self, arrival).await)
    }
}

impl Ask for MapRequest {
    async fn ask(self, desk: &Desk, arrival: Arrival) -> Found<Self::Answer> {
        Found::now(desk.service.look_up(&self, arrival).await)
    }
}

impl Ask for portal::Request {
    async fn ask(self, desk: &Desk, arrival: Arrival) -> Found<Self::Answer> {
        Found::now(Box::pin(desk.portal.answer(self, &desk.listener, arrival)).await)
    }
}

impl Ask for control::Request {
    async fn ask(self, desk: &Desk, arrival: Arrival) -> Found<Self::Answer> {
        Found::now(desk.administration.answer(self, arrival).await)
    }
}
