//! What administrators ask through the portal, and what is answered. Each area of their pages has a file with its own
//! requests, which say by themselves whether they change something and what is then noted of it.

mod census;
mod hosting;
mod identity_provider;
mod overview;
mod people;
mod sync;
mod templates;
mod work;

use serde::{Deserialize, Serialize};

pub use census::{CensusCard, CensusFinding, CensusRequest, PasswordLine};
pub use hosting::{DomainLine, DomainList, HostingRequest, MailboxLine, MailboxList, PAGE_ROWS};
pub use identity_provider::{Finding, IdentityProviderRequest, ProviderCard, ProviderSetting};
pub use overview::{BackendState, OnDisk, Overview, OverviewRequest, ReasonCount, SyncState};
pub use people::{
    ExplainedEnd, ExplainedLogin, ExplainedStep, MailState, MailboxCard, OwnerCard, PasswordSource,
    PeopleRequest, PersonCard, PersonChange,
};

pub use sync::{SyncBoard, SyncPerson, SyncProgress, SyncRequest, SyncRun};
pub use templates::{
    TemplateCard, TemplateDifference, TemplateDifferences, TemplateField, TemplateLine, TemplateList,
    TemplatesRequest,
};
pub use work::Work;

/// What an administrator asks: the area, and what there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminRequest {
    /// How things stand.
    Overview(OverviewRequest),
    /// One person: why they can or cannot log in, and what may be changed about it.
    People(PeopleRequest),
    /// Mailboxes and domains.
    Hosting(HostingRequest),
    /// Everybody in Keycloak gone through.
    Sync(SyncRequest),
    /// Where users come from.
    IdentityProvider(IdentityProviderRequest),
    /// Users and passwords, counted.
    Census(CensusRequest),
    /// What new mailboxes get.
    Templates(TemplatesRequest),
}

/// What a request does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing is changed.
    Reads,
    /// Something is. It needs a recent proof of who asks, and is noted.
    Changes(Audited),
}

/// What is noted of a change: never a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// What is done.
    pub action: &'static str,
    /// To whom or what.
    pub row: String,
    /// What is set; empty where the action says it all.
    pub value: String,
}

impl AdminRequest {
    /// What it does.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            Self::Overview(request) => request.effect(),
            Self::People(request) => request.effect(),
            Self::Hosting(request) => request.effect(),
            Self::Sync(request) => request.effect(),
            Self::IdentityProvider(request) => request.effect(),
            Self::Census(request) => request.effect(),
            Self::Templates(request) => request.effect(),
        }
    }

    /// One of each kind, for tests that must leave none out.
    #[must_use]
    pub fn examples() -> Vec<Self> {
        let overview = OverviewRequest::examples().into_iter().map(Self::Overview);
        let people = PeopleRequest::examples().into_iter().map(Self::People);
        let hosting = HostingRequest::examples().into_iter().map(Self::Hosting);
        let sync = SyncRequest::examples().into_iter().map(Self::Sync);
        let provider = IdentityProviderRequest::examples().into_iter().map(Self::IdentityProvider);
        let census = CensusRequest::examples().into_iter().map(Self::Census);
        let templates = TemplatesRequest::examples().into_iter().map(Self::Templates);
        overview
            .chain(people)
            .chain(hosting)
            .chain(sync)
            .chain(provider)
            .chain(census)
            .chain(templates)
            .collect()
    }
}

/// What an administrator is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminResponse {
    /// To every change that was made.
    Done(Done),
    /// What stands against the change, or against the question. Nothing was changed.
    Obstacle(AdminObstacle),
    /// To [`OverviewRequest::Show`].
    Overview(Box<Overview>),
    /// To [`OverviewRequest::Check`]: what is wrong, in the daemon's words; none where all is well.
    Checked(Vec<String>),
    /// To [`PeopleRequest::Show`].
    Person(Box<PersonCard>),
    /// To [`PeopleRequest::Explain`].
    Explained(Box<ExplainedLogin>),
    /// To [`HostingRequest::Mailboxes`].
    Mailboxes(MailboxList),
    /// To [`HostingRequest::Domains`].
    Domains(DomainList),
    /// To [`HostingRequest::Domain`].
    Domain(Box<DomainLine>),
    /// To [`SyncRequest::Show`].
    Sync(Box<SyncBoard>),
    /// To [`SyncRequest::Run`].
    SyncRun(Box<SyncRun>),
    /// To [`IdentityProviderRequest::Show`].
    IdentityProvider(Box<ProviderCard>),
    /// To [`CensusRequest::Show`].
    Census(Box<CensusCard>),
    /// To [`TemplatesRequest::List`].
    Templates(TemplateList),
    /// To [`TemplatesRequest::Show`].
    Template(Box<TemplateCard>),
    /// To [`TemplatesRequest::Compare`].
    Compared(TemplateDifferences),
}

/// A change that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// How many rows or entries it was about.
    pub count: u64,
    /// After how many seconds it holds on every node; 0 is now.
    pub holds_within: u64,
}

/// What stands against what an administrator asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminObstacle {
    /// Which kind.
    pub kind: ObstacleKind,
    /// The same in the words of the command line, with names and numbers.
    pub detail: String,
}

/// Kinds of obstacles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObstacleKind {
    /// That is no mail address, no domain, no service.
    Malformed,
    /// There is no such row.
    Unknown,
    /// The mailbox has no password of its own, and could not be opened with one.
    NoOwnPassword,
    /// The same is under way.
    UnderWay,
    /// Anything else; the detail says what.
    Other,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::*;

    /// The names of all variants, out of what the reader says of a name that is none.
    fn variants<T: DeserializeOwned>() -> BTreeSet<String> {
        let Err(error) = serde_json::from_str::<T>("\"?\"") else { return BTreeSet::new() };
        error.to_string().split('`').skip(3).step_by(2).map(str::to_owned).collect()
    }

    fn names<T: Serialize>(examples: &[T]) -> BTreeSet<String> {
        let name = |example: &T| match serde_json::to_value(example).ok()? {
            serde_json::Value::String(name) => Some(name),
            serde_json::Value::Object(map) => map.keys().next().cloned(),
            _ => None,
        };
        examples.iter().filter_map(name).collect()
    }

    #[test]
    fn there_is_an_example_of_each_request() {
        assert_eq!(names(&AdminRequest::examples()), variants::<AdminRequest>());
        assert_eq!(names(&OverviewRequest::examples()), variants::<OverviewRequest>());
        assert_eq!(names(&PeopleRequest::examples()), variants::<PeopleRequest>());
        assert_eq!(names(&PersonChange::examples()), variants::<PersonChange>());
        assert_eq!(names(&HostingRequest::examples()), variants::<HostingRequest>());
        assert_eq!(names(&SyncRequest::examples()), variants::<SyncRequest>());
        assert_eq!(names(&IdentityProviderRequest::examples()), variants::<IdentityProviderRequest>());
        assert_eq!(names(&CensusRequest::examples()), variants::<CensusRequest>());
        assert_eq!(names(&TemplatesRequest::examples()), variants::<TemplatesRequest>());
    }

    #[test]
    fn requests_survive_the_wire() {
        for request in AdminRequest::examples() {
            let line = serde_json::to_string(&request).unwrap();
            assert_eq!(serde_json::from_str::<AdminRequest>(&line).unwrap(), request);
        }
    }

    #[test]
    fn a_change_names_what_it_changes() {
        let changes = AdminRequest::examples().into_iter().filter_map(|request| match request.effect() {
            Effect::Changes(change) => Some(change),
            Effect::Reads => None,
        });
        let changes: Vec<_> = changes.collect();
        assert!(changes.iter().all(|change| !change.action.is_empty() && !change.row.is_empty()));
        let actions: BTreeSet<_> = changes.iter().map(|change| change.action).collect();
        assert_eq!(actions.len(), changes.len(), "two changes have one name");
    }
}
