//! What administrators ask keydove about the sync, the Identity Provider, the census and templates.

use std::net::IpAddr;

use keydove_words::portal::admin::{
    AdminObstacle, AdminRequest, AdminResponse, CensusCard, CensusRequest, Done, IdentityProviderRequest,
    ProviderCard, SyncBoard, SyncRequest, SyncRun, TemplateCard, TemplateDifferences, TemplateList,
    TemplatesRequest,
};

use super::Daemon;
use super::admin::odd;
use crate::problem::Problem;
use crate::session::{Administrator, RecentAdministrator};

/// Whether something has begun, or what stands against it.
pub type Begun = Result<(), AdminObstacle>;

impl Daemon {
    /// What runs of the sync there are.
    ///
    /// # Errors
    /// The daemon cannot be asked, or refuses.
    pub async fn sync_board(&self, who: &Administrator) -> Result<SyncBoard, Problem> {
        match self.look(who, AdminRequest::Sync(SyncRequest::Show)).await? {
            AdminResponse::Sync(board) => Ok(*board),
            other => Err(odd(other)),
        }
    }

    /// One of the last runs; `None` if it is no longer remembered.
    ///
    /// # Errors
    /// The daemon cannot be asked, or refuses.
    pub async fn sync_run(&self, who: &Administrator, number: u64) -> Result<Option<SyncRun>, Problem> {
        match self.look(who, AdminRequest::Sync(SyncRequest::Run { number })).await? {
            AdminResponse::SyncRun(run) => Ok(Some(*run)),
            AdminResponse::Obstacle(_) => Ok(None),
            other => Err(odd(other)),
        }
    }

    /// Begins a run that writes nothing.
    ///
    /// # Errors
    /// The daemon cannot be asked, or refuses.
    pub async fn rehearse_sync(&self, who: &Administrator) -> Result<Begun, Problem> {
        self.begin(who, AdminRequest::Sync(SyncRequest::Rehearse)).await
    }

    /// Begins a run.
    ///
    /// # Errors
    /// The daemon cannot be asked, or refuses.
    pub async fn start_sync(
        &self,
        who: &RecentAdministrator,
        remote: Option<IpAddr>,
    ) -> Result<Begun, Problem> {
        Ok(self.change(who, AdminRequest::Sync(SyncRequest::Start), remote).await?.map(drop))
    }

    /// Where users come from.
    ///
    /// # Errors
    /// The daemon cannot be asked, or refuses.
    pub async fn identity_provider(&self, who: &Administrator) -> Result<ProviderCard, Problem> {
        match self.look(who, AdminRequest::IdentityProvider(IdentityProviderRequest::Show)).await? {
            AdminResponse::IdentityProvider(provider) => Ok(*provider),
            other => Err(odd(other)),
        }
    }

    /// Begins a connection test.
    ///
    /// # Errors
    /// The daemon cannot be asked, or refuses.
    pub async fn test_connection(&self, who: &Administrator) -> Result<Begun, Problem> {
        self.begin(who, AdminRequest::IdentityProvider(IdentityProviderRequest::Test)).await
    }

    /// The last count of users and passwords.
    ///
    /// # Errors
    /// The daemon cannot be asked, or refuses.
    pub async fn census(&self, who: &Administrator) -> Result<CensusCard, Problem> {
        match self.look(who, AdminRequest::Census(CensusRequest::Show)).await? {
            AdminResponse::Census(census) => Ok(*census),
            other => Err(odd(other)),
        }
    }

    /// Begins a count.
    ///
    /// # Errors
    /// The daemon cannot be asked, or refuses.
    pub async fn count(&self, who: &Administrator) -> Result<Begun, Problem> {
        self.begin(who, AdminRequest::Census(CensusRequest::Count)).await
    }

    /// All templates, and who gets which.
    ///
    /// # Errors
    /// The daemon cannot be asked, or refuses.
    pub async fn templates(&self, who: &Administrator) -> Result<TemplateList, Problem> {
        match self.look(who, AdminRequest::Templates(TemplatesRequest::List)).await? {
            AdminResponse::Templates(list) => Ok(list),
            other => Err(odd(other)),
        }
    }

    /// A template; `None` if there is none of this name.
    ///
    /// # Errors
    /// The daemon cannot be asked, or refuses.
    pub async fn template(&self, who: &Administrator, name: &str) -> Result<Option<TemplateCard>, Problem> {
        let name = name.to_owned();
        match self.look(who, AdminRequest::Templates(TemplatesRequest::Show { name })).await? {
            AdminResponse::Template(card) => Ok(Some(*card)),
            AdminResponse::Obstacle(_) => Ok(None),
            other => Err(odd(other)),
        }
    }

    /// What a template would be like with this text; or what is wrong with the text.
    ///
    /// # Errors
    /// The daemon cannot be asked, or refuses.
    pub async fn compare_template(
        &self,
        who: &Administrator,
        name: &str,
        text: &str,
    ) -> Result<Result<TemplateDifferences, AdminObstacle>, Problem> {
        let (name, text) = (name.to_owned(), text.to_owned());
        match self.look(who, AdminRequest::Templates(TemplatesRequest::Compare { name, text })).await? {
            AdminResponse::Compared(differences) => Ok(Ok(differences)),
            AdminResponse::Obstacle(obstacle) => Ok(Err(obstacle)),
            other => Err(odd(other)),
        }
    }

    /// Adds or changes one.
    ///
    /// # Errors
    /// The daemon cannot be asked, or refuses.
    pub async fn change_templates(
        &self,
        who: &RecentAdministrator,
        what: TemplatesRequest,
        remote: Option<IpAddr>,
    ) -> Result<Result<Done, AdminObstacle>, Problem> {
        self.change(who, AdminRequest::Templates(what), remote).await
    }

    async fn begin(&self, who: &Administrator, what: AdminRequest) -> Result<Begun, Problem> {
        match self.look(who, what).await? {
            AdminResponse::Done(_) => Ok(Ok(())),
            AdminResponse::Obstacle(obstacle) => Ok(Err(obstacle)),
            other => Err(odd(other)),
        }
    }
}
