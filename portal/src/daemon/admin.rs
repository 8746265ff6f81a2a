//! What administrators ask keydove. What changes something takes the proof of an administrator who has just signed in.

use std::net::IpAddr;

use keydove_words::portal::admin::{
    AdminObstacle, AdminRequest, AdminResponse, DomainLine, DomainList, Done, Effect, ExplainedLogin,
    HostingRequest, MailboxList, Overview, OverviewRequest, PeopleRequest, PersonCard, PersonChange,
};
use keydove_words::portal::{Request, Response};

use super::{Daemon, unexpected};
use crate::problem::Problem;
use crate::session::{Administrator, RecentAdministrator};

impl Daemon {
    /// How things stand.
    ///
    /// # Errors
    /// The daemon cannot be asked, or refuses.
    pub async fn overview(&self, who: &Administrator) -> Result<Overview, Problem> {
        match self.look(who, AdminRequest::Overview(OverviewRequest::Show)).await? {
            AdminResponse::Overview(overview) => Ok(*overview),
            other => Err(odd(other)),
        }
    }

    /// What does not answer keydove.
    ///
    /// # Errors
    /// The daemon cannot be asked, or refuses.
    pub async fn check_backends(&self, who: &Administrator) -> Result<Vec<String>, Problem> {
        match self.look(who, AdminRequest::Overview(OverviewRequest::Check)).await? {
            AdminResponse::Checked(troubles) => Ok(troubles),
            other => Err(odd(other)),
        }
    }

    /// All that is known of a person; or why their address is none.
    ///
    /// # Errors
    /// The daemon cannot be asked, or refuses.
    pub async fn person(
        &self,
        who: &Administrator,
        user: &str,
    ) -> Result<Result<Box<PersonCard>, AdminObstacle>, Problem> {
        match self.look(who, AdminRequest::People(PeopleRequest::Show { user: user.to_owned() })).await? {
            AdminResponse::Person(person) => Ok(Ok(person)),
            AdminResponse::Obstacle(obstacle) => Ok(Err(obstacle)),
            other => Err(odd(other)),
        }
    }

    /// How a login of this name for this service from there would end.
    ///
    /// # Errors
    /// The daemon cannot be asked, or refuses.
    pub async fn explain(
        &self,
        who: &Administrator,
        (user, service, remote): (String, &str, Option<IpAddr>),
    ) -> Result<Box<ExplainedLogin>, Problem> {
        let request = PeopleRequest::Explain { user, service: service.to_owned(), remote };
        match self.look(who, AdminRequest::People(request)).await? {
            AdminResponse::Explained(explanation) => Ok(explanation),
            other => Err(odd(other)),
        }
    }

    /// Changes something about a person.
    ///
    /// # Errors
    /// The daemon cannot be asked, or refuses.
    pub async fn change_person(
        &self,
        who: &RecentAdministrator,
        user: &str,
        change: PersonChange,
        remote: Option<IpAddr>,
    ) -> Result<Result<Done, AdminObstacle>, Problem> {
        let request = PeopleRequest::Change { user: user.to_owned(), change };
        self.change(who, AdminRequest::People(request), remote).await
    }

    /// A page of the mailboxes; or why there is no such domain.
    ///
    /// # Errors
    /// The daemon cannot be asked, or refuses.
    pub async fn mailboxes(
        &self,
        who: &Administrator,
        search: String,
        domain: Option<String>,
        page: u32,
    ) -> Result<Result<MailboxList, AdminObstacle>, Problem> {
        let request = HostingRequest::Mailboxes { search, domain, page };
        match self.look(who, AdminRequest::Hosting(request)).await? {
            AdminResponse::Mailboxes(list) => Ok(Ok(list)),
            AdminResponse::Obstacle(obstacle) => Ok(Err(obstacle)),
            other => Err(odd(other)),
        }
    }

    /// A page of the domains.
    ///
    /// # Errors
    /// The daemon cannot be asked, or refuses.
    pub async fn domains(
        &self,
        who: &Administrator,
        search: String,
        page: u32,
    ) -> Result<DomainList, Problem> {
        match self.look(who, AdminRequest::Hosting(HostingRequest::Domains { search, page })).await? {
            AdminResponse::Domains(list) => Ok(list),
            other => Err(odd(other)),
        }
    }

    /// A domain; `None` if there is none of this name.
    ///
    /// # Errors
    /// The daemon cannot be asked, or refuses.
    pub async fn domain(&self, who: &Administrator, name: &str) -> Result<Option<DomainLine>, Problem> {
        let domain = name.to_owned();
        match self.look(who, AdminRequest::Hosting(HostingRequest::Domain { domain })).await? {
            AdminResponse::Domain(line) => Ok(Some(*line)),
            AdminResponse::Obstacle(_) => Ok(None),
            other => Err(odd(other)),
        }
    }

    /// Changes one.
    ///
    /// # Errors
    /// The daemon cannot be asked, or refuses.
    pub async fn change_hosting(
        &self,
        who: &RecentAdministrator,
        what: HostingRequest,
        remote: Option<IpAddr>,
    ) -> Result<Result<Done, AdminObstacle>, Problem> {
        self.change(who, AdminRequest::Hosting(what), remote).await
    }

    /// Asks what changes nothing.
    pub(super) async fn look(
        &self,
        who: &Administrator,
        what: AdminRequest,
    ) -> Result<AdminResponse, Problem> {
        if what.effect() != Effect::Reads {
            return Err(Problem::Internal("a change was to be made without a recent proof".to_owned()));
        }
        self.administrate(who, what, None).await
    }

    /// Makes a change.
    ///
    /// # Errors
    /// The daemon cannot be asked, or refuses.
    pub async fn change(
        &self,
        who: &RecentAdministrator,
        what: AdminRequest,
        remote: Option<IpAddr>,
    ) -> Result<Result<Done, AdminObstacle>, Problem> {
        match self.administrate(who.administrator(), what, remote).await? {
            AdminResponse::Done(done) => Ok(Ok(done)),
            AdminResponse::Obstacle(obstacle) => Ok(Err(obstacle)),
            other => Err(odd(other)),
        }
    }

    async fn administrate(
        &self,
        who: &Administrator,
        what: AdminRequest,
        remote: Option<IpAddr>,
    ) -> Result<AdminResponse, Problem> {
        let request = Request::Administrate { session: who.who().key(), what, remote };
        match self.ask(request).await? {
            Response::Administration { said } => Ok(said),
            Response::Stale => Err(who.who().stale()),
            other => Err(unexpected(&other)),
        }
    }
}

/// An answer of another kind than was asked for.
pub(super) fn odd(said: AdminResponse) -> Problem {
    unexpected(&Response::Administration { said })
}
