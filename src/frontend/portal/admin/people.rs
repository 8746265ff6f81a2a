//! A person: what is known of them, why their login ends as it does, and what an administrator changes about it. Each
//! change is what a command does, too: `keydove mailbox set`, `app-password revoke`, `cache forget`, `portal-session end`.

use std::net::IpAddr;

use super::{malformed, obstacle};
use crate::auth::{Reason, Service, Username};
use crate::backend::sql::{
    AdminError, AuthSource, Invalidation, MailboxRow, MailboxSettings, MailboxState, Revocation, SessionEnd,
};
use crate::frontend::portal::PortalService;
use crate::frontend::portal::app_passwords::shown;
use crate::frontend::portal::service::{SERVICES, name_of, out_of_reach, seconds, unsigned};
use crate::frontend::portal::sessions::listed;
use crate::login::decision::{self, Step};
use crate::login::service::{Arrival, ExplainRequest};
use crate::portal::Response;
use crate::portal::admin::{
    AdminResponse, Done, ExplainedEnd, ExplainedLogin, ExplainedStep, MailState, MailboxCard, OwnerCard,
    PasswordSource, PeopleRequest, PersonCard, PersonChange,
};

impl PortalService {
    pub(super) async fn answer_people(
        &self,
        request: PeopleRequest,
        arrival: Arrival,
    ) -> Result<AdminResponse, Response> {
        match request {
            PeopleRequest::Show { user } => match named(&user) {
                Ok(user) => self.person(&user, seconds(arrival)).await,
                Err(answer) => Ok(answer),
            },
            PeopleRequest::Explain { user, service, remote } => {
                Ok(self.explained((user, service, remote), arrival).await)
            }
            PeopleRequest::Change { user, change } => match named(&user) {
                Ok(user) => self.change_person(&user, change).await,
                Err(answer) => Ok(answer),
            },
        }
    }

    async fn person(&self, user: &Username, now: i64) -> Result<AdminResponse, Response> {
        let database = self.service.decision.database();
        let out = |error| out_of_reach(&error);
        let row = database.mailbox_row(user).await.map_err(out)?;
        let owner = database.person_of(user).await.map_err(out)?;
        let own = database.own_app_passwords(user).await.map_err(out)?;
        let (accepted, refused) = self.sign_ins_of(user, &own).await?;
        let sessions = database.list_sessions_of(user, now).await.map_err(out)?;
        let sessions = sessions.into_iter().filter(|session| !self.is_idle(session, now));
        Ok(AdminResponse::Person(Box::new(PersonCard {
            user: user.as_str().to_owned(),
            mailbox: row.map(card),
            owner: owner.map(|owner| OwnerCard { keycloak_id: owner.keycloak_id, source: owner.source }),
            app_passwords: own.into_iter().map(shown).collect(),
            accepted,
            refused,
            sessions: sessions.map(|session| listed(session, None)).collect(),
        })))
    }

    async fn explained(
        &self,
        (user, service, remote): (String, String, Option<IpAddr>),
        arrival: Arrival,
    ) -> AdminResponse {
        let request = ExplainRequest { user: user.trim().to_owned(), service, remote, password: None };
        let decision::Explanation { user, service, steps, verdict, reason, detail } =
            Box::pin(self.service.explain(request, arrival)).await.explanation;
        AdminResponse::Explained(Box::new(ExplainedLogin {
            cure: Reason::of_code(&reason).map_or("", Reason::cure).to_owned(),
            steps: steps.into_iter().map(step).collect(),
            user,
            service,
            verdict,
            reason,
            detail,
        }))
    }

    async fn change_person(&self, user: &Username, change: PersonChange) -> Result<AdminResponse, Response> {
        let decision = &self.service.decision;
        let changed = match change {
            PersonChange::RevokeAppPassword(id) => self.revoke_of(user, Revocation::Number(id)).await,
            PersonChange::RevokeAllAppPasswords => self.revoke_of(user, Revocation::All).await,
            PersonChange::SetSource(source) => {
                self.set(user, |settings| settings.source = Some(stored_source(source))).await
            }
            PersonChange::SetState(state) => {
                self.set(user, |settings| settings.active = Some(stored_state(state))).await
            }
            PersonChange::SetServices(on) => match switches(&on) {
                Ok(access) => self.set(user, |settings| settings.access = access).await,
                Err(answer) => return Ok(answer),
            },
            PersonChange::Forget => {
                let forgotten = decision.forget_everywhere(Invalidation::Person(user.clone())).await;
                Ok(forgotten.people + forgotten.mailboxes + forgotten.comparisons)
            }
            // Every node asks the database for each request of a session.
            PersonChange::EndSessions => {
                let ended = decision.database().end_sessions(SessionEnd::Mailbox(user.clone())).await;
                let count = ended.map_err(|error| out_of_reach(&error))?;
                return Ok(AdminResponse::Done(Done { count, holds_within: 0 }));
            }
        };
        match changed {
            Ok(count) => {
                decision.forget(user);
                let holds_within = self.holds_within().await;
                Ok(AdminResponse::Done(Done { count: as_count(count), holds_within }))
            }
            Err(error) => obstacle(error),
        }
    }

    async fn revoke_of(&self, user: &Username, which: Revocation) -> Result<usize, AdminError> {
        Ok(self.service.decision.database().revoke_app_passwords(user, &which).await?.len())
    }

    async fn set(
        &self,
        user: &Username,
        change: impl FnOnce(&mut MailboxSettings),
    ) -> Result<usize, AdminError> {
        let mut settings = MailboxSettings::default();
        change(&mut settings);
        self.service.decision.database().set_mailbox(user, settings).await.map(|()| 1)
    }
}

fn stored_source(source: PasswordSource) -> AuthSource {
    match source {
        PasswordSource::Keycloak => AuthSource::Keycloak,
        PasswordSource::Mailcow => AuthSource::Mailcow,
    }
}

fn stored_state(state: MailState) -> MailboxState {
    match state {
        MailState::On => MailboxState::On,
        MailState::Off => MailboxState::Off,
        MailState::ReceiveOnly => MailboxState::ReceiveOnly,
    }
}

fn named(text: &str) -> Result<Username, AdminResponse> {
    Username::parse(text.trim().as_bytes()).map_err(|error| malformed(error.to_string()))
}

/// Each service's switch; those that are not named are off.
fn switches(on: &[String]) -> Result<Vec<(&'static str, bool)>, AdminResponse> {
    let is_known = |name: &String| SERVICES.iter().any(|service| service.name() == name);
    if let Some(name) = on.iter().find(|name| !is_known(name)) {
        return Err(malformed(format!("`{name}` is no service with a switch")));
    }
    let is_on = |service: &Service| on.iter().any(|name| service.name() == name);
    Ok(SERVICES.iter().filter_map(|service| Some((service.access_key()?, is_on(service)))).collect())
}

fn as_count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

pub(super) fn state_of(row: &MailboxRow) -> MailState {
    match row.active {
        MailboxState::On => MailState::On,
        MailboxState::Off => MailState::Off,
        MailboxState::ReceiveOnly => MailState::ReceiveOnly,
    }
}

fn card(row: MailboxRow) -> MailboxCard {
    MailboxCard {
        state: state_of(&row),
        services: SERVICES.iter().filter(|service| row.access.allows(service)).map(name_of).collect(),
        name: row.name,
        source: row.source,
        quota: unsigned(row.quota),
        used: unsigned(row.used),
    }
}

fn step(step: Step) -> ExplainedStep {
    let end = match step.end {
        decision::StepEnd::Passed => ExplainedEnd::Passed,
        decision::StepEnd::Closed => ExplainedEnd::Closed,
        decision::StepEnd::Stopped => ExplainedEnd::Stopped,
    };
    ExplainedStep { step: step.step, end, from: step.from, saw: step.saw }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_switched_off() {
        let switched = switches(&["imap".to_owned(), "smtp".to_owned()]).unwrap();
        assert_eq!(switched.len(), SERVICES.len());
        let on: Vec<_> = switched.iter().filter(|(_, on)| *on).map(|(key, _)| *key).collect();
        assert_eq!(on, ["imap_access", "smtp_access"]);
        assert!(switches(&["imap_access = 1".to_owned()]).is_err());
    }
}
