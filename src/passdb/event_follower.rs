//! Forgets people whom Keycloak's events name, so that a change counts within seconds.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

// Tokio's clock instead of std's: tests move it.
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::People;
use super::sources::Source;
use crate::keycloak::{Changes, Client, EventCursor, EventError};

/// An event can be seen before its change can: whoever is asked for in between is asked for once more.
const SECOND_TIME: Duration = Duration::from_secs(1);
/// How soon it is tried again when an administrator has to do something first.
const RETRY: Duration = Duration::from_secs(300);
/// How soon a source is looked at again that cannot be asked now.
const NO_SOURCE: Duration = Duration::from_secs(5);

/// Follows the events of one source.
pub struct EventFollower {
    people: People,
    source: Source,
    /// Whom the cursor is for: another client begins anew.
    client: Option<Arc<Client>>,
    cursor: EventCursor,
    /// What is to be forgotten once more, and when.
    again: VecDeque<(Instant, Changes)>,
    /// The trouble that the log tells of.
    trouble: Option<String>,
}

impl People {
    /// One follower for each source.
    #[must_use]
    pub fn event_followers(&self) -> Vec<EventFollower> {
        let follow = |source: &Source| EventFollower {
            people: self.clone(),
            source: source.clone(),
            client: None,
            cursor: EventCursor::default(),
            again: VecDeque::new(),
            trouble: None,
        };
        self.sources().each().iter().map(follow).collect()
    }
}

impl EventFollower {
    /// Follows for as long as keydove runs; ends at once where that is not wanted.
    pub async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.follow() => {}
        }
    }

    async fn follow(&mut self) {
        loop {
            let Some(client) = self.source.client() else {
                self.rest(NO_SOURCE).await;
                continue;
            };
            let Some(period) = client.event_period() else { return };
            let pause = self.look(&client).await.map_or(RETRY, |()| period);
            self.rest(pause).await;
        }
    }

    /// Waits, and meanwhile forgets for the second time what is due.
    async fn rest(&mut self, pause: Duration) {
        let until = Instant::now() + pause;
        while let Some((due, _)) = self.again.front().filter(|(due, _)| *due < until) {
            sleep_until(*due).await;
            if let (Some((_, changes)), Some(client)) = (self.again.pop_front(), self.client.clone()) {
                self.forget(&client, &changes);
            }
        }
        sleep_until(until).await;
    }

    /// Reads once. Only what an administrator has to mend is an error; a Keycloak that is down says by itself when it is
    /// back.
    async fn look(&mut self, client: &Arc<Client>) -> Result<(), EventError> {
        let is_another = self.client.as_ref().is_none_or(|known| !Arc::ptr_eq(known, client));
        if is_another {
            self.cursor = EventCursor::default();
            self.client = Some(Arc::clone(client));
        }
        if client.is_troubled() {
            return Ok(());
        }
        let mut changes = Changes::default();
        // The settings are looked at where nothing is known of them: at first, and after trouble.
        let end = match is_another || self.trouble.is_some() {
            true => client.check_events().await,
            false => Ok(()),
        };
        let end = match end {
            Err(trouble) if trouble.needs_an_administrator() => Err(trouble),
            // The other kind of events is there.
            settings => client.read_changes(&mut self.cursor, &mut changes).await.and(settings),
        };
        if !changes.is_empty() {
            self.forget(client, &changes);
            self.again.push_back((Instant::now() + SECOND_TIME, changes));
        }
        self.tell(client, end.as_ref().err());
        end.or_else(|error| if error.needs_an_administrator() { Err(error) } else { Ok(()) })
    }

    fn forget(&self, client: &Arc<Client>, changes: &Changes) {
        let people = if changes.everybody || changes.roles_or_groups && client.demands_role_or_group() {
            self.people.forget_all_of(client)
        } else {
            self.people.forget_ids(&changes.ids)
        };
        tracing::debug!(people, named = changes.ids.len(), "forgot people whom events of Keycloak name");
    }

    /// Each trouble is told once.
    fn tell(&mut self, client: &Client, error: Option<&EventError>) {
        let trouble = error.map(ToString::to_string);
        if trouble == self.trouble {
            return;
        }
        match &trouble {
            Some(trouble) => {
                tracing::warn!(keycloak = client.place(), trouble, "events of Keycloak cannot be followed");
            }
            None => tracing::info!(keycloak = client.place(), "events of Keycloak are followed again"),
        }
        self.trouble = trouble;
    }
}
