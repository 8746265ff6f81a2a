//! Forgets people whom Keycloak's events name, so that a change counts within seconds.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

// Tokio's clock instead of std's: tests move it.
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::backend::keycloak::{Changes, Client, EventCursor, EventError};
use crate::backend::people::{DomainSource, People};

/// An event can be seen before its change can: whoever is asked for in between is asked for once more.
const SECOND_TIME: Duration = Duration::from_secs(1);
/// How often there is a look at what only an administrator can mend: whether events are kept, and whether they are shown.
const CHECK: Duration = Duration::from_secs(60);
/// How soon a source is looked at again that cannot be asked now.
const NO_SOURCE: Duration = Duration::from_secs(5);

/// Follows the events of one source.
pub struct EventFollower {
    people: People,
    source: DomainSource,
    /// Where reading goes on, and for whom: another client begins anew.
    followed: Option<Followed>,
    /// What is to be forgotten once more, and when.
    again: VecDeque<(Instant, Changes)>,
    /// The trouble that the log tells of.
    trouble: Option<String>,
}

struct Followed {
    client: Arc<Client>,
    cursor: EventCursor,
    /// How the last look at what an administrator has to do ended, and when it was.
    checked: Option<(Instant, Result<(), EventError>)>,
}

impl EventFollower {
    /// One follower for each source of these people.
    #[must_use]
    pub fn for_each_source(people: &People) -> Vec<Self> {
        let follow = |source: &DomainSource| Self {
            people: people.clone(),
            source: source.clone(),
            followed: None,
            again: VecDeque::new(),
            trouble: None,
        };
        people.sources().each().iter().map(follow).collect()
    }

    /// Follows for as long as keydove runs; ends at once where that is not wanted.
    pub async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.follow() => {}
        }
    }

    async fn follow(&mut self) {
        loop {
            let pause = match self.source.client() {
                Some(client) => {
                    let Some(period) = client.event_period() else { return };
                    self.look(client).await;
                    period
                }
                None => NO_SOURCE,
            };
            self.rest(pause).await;
        }
    }

    /// Waits, and meanwhile forgets for the second time what is due.
    async fn rest(&mut self, pause: Duration) {
        let until = Instant::now() + pause;
        while let Some((due, _)) = self.again.front().filter(|(due, _)| *due < until) {
            sleep_until(*due).await;
            if let Some((_, changes)) = self.again.pop_front() {
                self.forget(&changes);
            }
        }
        sleep_until(until).await;
    }

    /// Reads once. A Keycloak that is left alone by logins is left alone here: nothing is lost, reading goes on where it
    /// ended.
    async fn look(&mut self, client: Arc<Client>) {
        if client.is_troubled() {
            return;
        }
        let followed = match self.followed.take() {
            Some(followed) if Arc::ptr_eq(&followed.client, &client) => self.followed.insert(followed),
            _ => self.followed.insert(Followed { client, cursor: EventCursor::default(), checked: None }),
        };
        let mut changes = Changes::default();
        let end = followed.read(&mut changes).await;
        if !changes.is_empty() {
            self.forget(&changes);
            self.again.push_back((Instant::now() + SECOND_TIME, changes));
        }
        self.tell(end.as_ref().err());
    }

    fn forget(&self, changes: &Changes) {
        let Some(Followed { client, .. }) = &self.followed else { return };
        let named = if changes.ids.is_empty() { 0 } else { self.people.forget_ids(&changes.ids) };
        // Whoever is not named has most likely not changed, and must not be lost if Keycloak goes away now.
        let others = match changes.everybody || changes.roles_or_groups && client.demands_role_or_group() {
            true => self.people.expire_all_of(client),
            false => 0,
        };
        tracing::debug!(
            source = client.name(),
            named,
            others,
            "events of Keycloak: people are asked for anew"
        );
    }

    /// Each trouble is told once.
    fn tell(&mut self, error: Option<&EventError>) {
        let Some(Followed { client, .. }) = &self.followed else { return };
        let trouble = error.map(ToString::to_string);
        if trouble == self.trouble {
            return;
        }
        match &trouble {
            Some(trouble) => {
                tracing::warn!(source = client.name(), trouble, "events of Keycloak cannot be followed");
            }
            None => tracing::info!(source = client.name(), "events of Keycloak are followed again"),
        }
        self.trouble = trouble;
    }
}

impl Followed {
    async fn read(&mut self, changes: &mut Changes) -> Result<(), EventError> {
        let settings = self.check().await;
        if settings.as_ref().is_err_and(EventError::leaves_nothing) {
            return settings;
        }
        self.client.read_changes(&mut self.cursor, changes, now()).await?;
        self.client.note_events_read(Instant::now());
        settings
    }

    async fn check(&mut self) -> Result<(), EventError> {
        match &self.checked {
            Some((when, end)) if Instant::now() < *when + CHECK => end.clone(),
            _ => {
                let end = self.client.check_events().await;
                // A Keycloak that does not answer is asked again next time.
                self.checked = match &end {
                    Err(EventError::Call(_)) => None,
                    end => Some((Instant::now(), end.clone())),
                };
                end
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "events are dated by the wall clock")]
fn now() -> SystemTime {
    SystemTime::now()
}
