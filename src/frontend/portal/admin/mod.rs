//! What administrators ask through the portal. Each area of their pages has a file; all of them lead through
//! [`PortalService::administrate`]: is it an administrator, and for changes, have they proven who they are just now? Every
//! change leaves one line in the log, whatever becomes of it.

mod hosting;
mod overview;
mod people;

use std::net::IpAddr;
use std::sync::Arc;

use super::service::{PortalService, SignedIn, is_recent, out_of_reach, seconds};
use crate::backend::sql::{AdminError, Obstacle, StoredSession};
use crate::jobs::sync;
use crate::login::service::Arrival;
use crate::observe;
use crate::portal::Response;
use crate::portal::admin::{AdminObstacle, AdminRequest, AdminResponse, Audited, Effect, ObstacleKind};

/// As much of what was sent as a line of the log shows, in characters.
const LONGEST_NOTE: usize = 200;

/// What administrators ask about beside logins.
#[derive(Debug, Default)]
pub struct AdminParts {
    /// How runs of the sync end, where this process does it.
    pub sync: Option<Arc<sync::RunStatus>>,
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
        if !self.is_administrator(&asked.session) {
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
        }
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
