//! What administrators ask through the portal. Each area of their pages has a file; all of them lead through
//! [`PortalService::administrate`]: is it an administrator, and for changes, have they proven who they are just now? Every
//! change leaves one line in the log, whatever becomes of it.

mod census;
mod hosting;
mod identity_provider;
mod on_disk;
mod overview;
mod people;
mod sync;
mod templates;

use std::net::IpAddr;
use std::sync::Arc;

use super::asked_roles::For;
use super::service::{PortalService, SignedIn, is_recent, out_of_reach, seconds};
use crate::backend::sql::{AdminError, Obstacle, StoredSession};
use crate::jobs::errands::{Errand, Errands, UnderWay};
use crate::jobs::sync::RunStatus;
use crate::login::service::Arrival;
use crate::observe;
use crate::portal::Response;
use crate::portal::admin::{
    AdminObstacle, AdminRequest, AdminResponse, Audited, Done, Effect, ObstacleKind, Work,
};
pub use identity_provider::Provider;
pub use on_disk::LookAtDisk;

/// As much of what was sent as a line of the log shows, in characters.
const LONGEST_NOTE: usize = 200;

/// What administrators ask about beside logins.
#[derive(Debug, Default)]
pub struct AdminParts {
    /// How runs of the sync end, where this process does it.
    pub sync: Option<Arc<RunStatus>>,
    /// What they begin here.
    pub errands: Arc<Errands>,
    /// The settings of Keycloak.
    pub provider: Provider,
    /// How the files are compared with what this process runs with.
    pub disk: LookAtDisk,
}

impl PortalService {
    /// What only administrators may ask.
    pub(super) async fn administrate(
        &self,
        asked: &SignedIn,
        what: AdminRequest,
        (remote, arrival): (Option<IpAddr>, Arrival),
    ) -> Result<Response, Response> {
        let change = match what.effect() {
            Effect::Changes(change) => Some(change),
            Effect::Reads => None,
        };
        let purpose = if change.is_some() { For::Changing } else { For::Reading };
        if !self.is_administrator(asked, purpose).await? {
            tracing::warn!(
                user = asked.user.as_str(),
                subject = asked.session.subject,
                action = change.map_or("read", |change| change.action),
                remote = observe::remote_field(remote),
                "somebody who is no administrator asked for what only administrators may do"
            );
            return Ok(Response::Forbidden);
        }
        if change.is_some() && !is_recent(&asked.session, seconds(arrival)) {
            return Ok(Response::Stale);
        }
        let audit = change.map(|change| Audit { session: &asked.session, change, remote, end: None });
        let end = self.carry_out(what, arrival).await;
        if let Some(mut audit) = audit {
            audit.end = Some(name_of_end(&end));
        }
        end.map(|said| Response::Administration { said })
    }

    async fn carry_out(&self, what: AdminRequest, arrival: Arrival) -> Result<AdminResponse, Response> {
        match what {
            AdminRequest::Overview(request) => Ok(self.answer_overview(request, arrival).await),
            AdminRequest::People(request) => self.answer_people(request, arrival).await,
            AdminRequest::Hosting(request) => self.answer_hosting(request).await,
            AdminRequest::Sync(request) => self.answer_sync(&request).await,
            AdminRequest::IdentityProvider(request) => self.answer_identity_provider(request).await,
            AdminRequest::Census(request) => Ok(self.answer_census(request)),
            AdminRequest::Templates(request) => self.answer_templates(request).await,
        }
    }
}

impl PortalService {
    /// Begins something that takes longer than an answer.
    fn begin(&self, errand: Errand) -> AdminResponse {
        match self.admin.errands.start(errand) {
            Ok(()) => AdminResponse::Done(Done { count: 0, holds_within: 0 }),
            Err(UnderWay) => {
                let detail = "that is under way already; its end is shown here".to_owned();
                AdminResponse::Obstacle(AdminObstacle { kind: ObstacleKind::UnderWay, detail })
            }
        }
    }

    /// How something of that kind stands, and what the last one printed.
    fn errand(&self, errand: Errand) -> (Work, serde_json::Value) {
        let running = self.admin.errands.running(errand);
        let last = self.admin.errands.ended(errand);
        let mut work = Work {
            running: running.map(|running| running.since.elapsed().as_secs()),
            ended: last.as_ref().map(|ended| ended.at.elapsed().as_secs()),
            trouble: None,
        };
        let printed = match last.map(|ended| ended.end) {
            Some(Ok(printed)) => printed,
            Some(Err(complaint)) => {
                work.trouble = Some(complaint);
                serde_json::Value::Null
            }
            None => serde_json::Value::Null,
        };
        (work, printed)
    }
}

/// The line that a change leaves, written when it is dropped: also where there was no time to end it.
struct Audit<'a> {
    session: &'a StoredSession,
    change: Audited,
    remote: Option<IpAddr>,
    end: Option<String>,
}

impl Drop for Audit<'_> {
    fn drop(&mut self) {
        let shown = |text: &str| text.chars().take(LONGEST_NOTE).collect::<String>();
        tracing::info!(
            user = self.session.mailbox,
            subject = self.session.subject,
            action = self.change.action,
            row = shown(&self.change.row),
            value = shown(&self.change.value),
            remote = observe::remote_field(self.remote),
            end = self.end.as_deref().unwrap_or("unknown"),
            "an administrator wanted a change in the portal"
        );
    }
}

/// How a change ended, in a word for the log.
fn name_of_end(end: &Result<AdminResponse, Response>) -> String {
    match end {
        Ok(AdminResponse::Obstacle(obstacle)) => format!("refused: {}", obstacle.detail),
        Ok(_) => "done".to_owned(),
        Err(Response::Unavailable { code }) => code.clone(),
        Err(_) => "failed".to_owned(),
    }
}

/// What stands against a change, or trouble.
fn obstacle(error: AdminError) -> Result<AdminResponse, Response> {
    let obstacle = match error {
        AdminError::Database(error) => return Err(out_of_reach(&error)),
        AdminError::Obstacle(obstacle) => obstacle,
    };
    let kind = match obstacle {
        Obstacle::MailboxUnknown(_) | Obstacle::DomainUnknown(_) | Obstacle::AppPasswordUnknown { .. } => {
            ObstacleKind::Unknown
        }
        Obstacle::MailboxWithoutPassword(_) => ObstacleKind::NoOwnPassword,
        _ => ObstacleKind::Other,
    };
    Ok(AdminResponse::Obstacle(AdminObstacle { kind, detail: obstacle.to_string() }))
}

/// What was named is none.
fn malformed(detail: String) -> AdminResponse {
    AdminResponse::Obstacle(AdminObstacle { kind: ObstacleKind::Malformed, detail })
}

/// There is no such thing.
fn unknown(detail: String) -> AdminResponse {
    AdminResponse::Obstacle(AdminObstacle { kind: ObstacleKind::Unknown, detail })
}
