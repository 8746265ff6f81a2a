//! What Keycloak says has changed: its admin events and user events, read again and again.
//!
//! Correctness rests on how long answers are kept, never on events: several kinds of change cause none, and a transaction
//! that is open for longer than the overlap hides its events.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Client, Error};

/// The time of an event lies a little before it can be seen, and the clocks of several servers differ.
const OVERLAP_MS: i64 = 30_000;
/// Events of one call.
const PAGE: usize = 100;
/// Beyond this many pages at once it is cheaper to ask for everybody anew.
const MAX_PAGES: usize = 10;
/// What administrators and programs do. Without them hardly anything is left to follow.
const ADMIN_EVENTS: &str = "admin events";

/// Who is concerned by what has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// These people, by their ids.
    pub ids: HashSet<String>,
    /// Whoever has some role or is in some group: which one, events do not tell.
    pub roles_or_groups: bool,
    /// Anybody: the user profile changed, or there was more than could be read.
    pub everybody: bool,
}

/// Where reading goes on.
#[derive(Debug, Default)]
pub struct EventCursor {
    admin: Stream,
    user: Stream,
}

/// Why events cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The service account may not read them.
    #[error(
        "the service account may not read events: give it the role view-events of realm-management, or set \
         poll_events = \"0\""
    )]
    NoRight,
    /// The realm keeps none.
    #[error(
        "the realm keeps no {0}: switch them on in Keycloak under Realm settings, Events; until then such a change \
         counts after max_staleness at the latest"
    )]
    SwitchedOff(&'static str),
    /// It takes dates to the day only.
    #[error(
        "this Keycloak cannot tell events by the time of day: following them needs Keycloak 26.2 or later; set \
         poll_events = \"0\", or upgrade"
    )]
    TooOld,
    /// A call failed.
    #[error(transparent)]
    Call(#[from] Error),
}

impl EventError {
    /// Whether there is nothing to read. Without user events alone, what administrators do can still be followed.
    #[must_use]
    pub fn leaves_nothing(&self) -> bool {
        !matches!(self, Self::SwitchedOff(kind) if *kind != ADMIN_EVENTS)
    }
}

impl Changes {
    /// Whether nothing has changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty() && !self.roles_or_groups && !self.everybody
    }
}

/// One of the two lists of events.
#[derive(Debug, Default)]
struct Stream {
    /// The time of the newest event, in milliseconds since 1970 by Keycloak's clock; `None` before the first look.
    newest: Option<i64>,
    /// What was before that is done with: there was too much of it, and everybody was asked for anew.
    floor: i64,
    /// What was seen within the overlap: id and time.
    seen: HashMap<String, i64>,
}

impl Stream {
    /// Keeps an event in mind. Says whether it is new.
    fn take(&mut self, id: &str, time: i64) -> bool {
        self.newest = self.newest.max(Some(time));
        self.seen.insert(id.to_owned(), time).is_none()
    }

    /// What cannot come again need not be kept in mind.
    fn prune(&mut self, since: i64) {
        self.seen.retain(|_, time| *time >= since);
    }

    /// From when on to read. An event may bear a time that is yet to come, if a clock was wrong for a while; it must
    /// not hide all others until then. What is done with is not read again, or a flood of events would be one for ever.
    fn since(&self, now: SystemTime) -> i64 {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        (self.newest.unwrap_or(0).min(now) - OVERLAP_MS).max(self.floor)
    }
}

/// One event of a list.
trait Event: DeserializeOwned {
    const CALL: &'static str;
    /// The list, and what is asked of it.
    const LIST: &'static str;
    fn id(&self) -> &str;
    /// In milliseconds since 1970.
    fn time(&self) -> i64;
    /// Adds whom it concerns.
    fn note(self, changes: &mut Changes);
}

/// A change by an administrator or a program. What it was about is not read: it may hold hashes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AdminEvent {
    id: String,
    time: i64,
    #[serde(default)]
    resource_type: Option<String>,
    #[serde(default)]
    resource_path: Option<String>,
}

/// A change by a person.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserEvent {
    id: String,
    time: i64,
    #[serde(default)]
    user_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventsConfig {
    #[serde(default)]
    events_enabled: bool,
    #[serde(default)]
    admin_events_enabled: bool,
}

impl Event for AdminEvent {
    const CALL: &'static str = "the list of admin events";
    const LIST: &'static str = "admin-events?";

    fn id(&self) -> &str {
        &self.id
    }

    fn time(&self) -> i64 {
        self.time
    }

    fn note(self, changes: &mut Changes) {
        let path = self.resource_path.unwrap_or_default();
        // An import says REALM, and names its people by the path all the same.
        if let Some(rest) = path.strip_prefix("users/").filter(|rest| *rest != "profile") {
            changes.ids.insert(rest.split('/').next().unwrap_or_default().to_owned());
            return;
        }
        match self.resource_type.as_deref() {
            // A role may be part of another, of a client's too.
            Some(
                "GROUP"
                | "GROUP_MEMBERSHIP"
                | "REALM_ROLE"
                | "REALM_ROLE_MAPPING"
                | "CLIENT_ROLE"
                | "CLIENT_ROLE_MAPPING",
            ) => changes.roles_or_groups = true,
            Some("USER_PROFILE") => changes.everybody = true,
            _ => {}
        }
    }
}

impl Event for UserEvent {
    const CALL: &'static str = "the list of user events";
    /// What people do to their own accounts, as far as it bears on mail. Their credentials in Keycloak do not.
    const LIST: &'static str = "events?type=UPDATE_PROFILE&type=UPDATE_EMAIL&type=VERIFY_EMAIL&type=REGISTER\
                                &type=DELETE_ACCOUNT&type=USER_DISABLED_BY_PERMANENT_LOCKOUT&";

    fn id(&self) -> &str {
        &self.id
    }

    fn time(&self) -> i64 {
        self.time
    }

    fn note(self, changes: &mut Changes) {
        changes.ids.extend(self.user_id);
    }
}

impl Client {
    /// Whether the realm keeps both kinds of events and shows them to us.
    ///
    /// # Errors
    /// See [`EventError`].
    pub async fn check_events(&self) -> Result<(), EventError> {
        const CALL: &str = "the settings of events";
        let config: EventsConfig = self.read_aside(CALL, "events/config").await.map_err(of_events)?;
        // What it says of the settings it can do: whether it understands the question is found out by asking.
        self.events::<AdminEvent>("dateFrom=1&first=0&max=1&direction=desc").await?;
        match (config.admin_events_enabled, config.events_enabled) {
            (true, true) => Ok(()),
            (false, _) => Err(EventError::SwitchedOff(ADMIN_EVENTS)),
            (true, false) => Err(EventError::SwitchedOff("user events")),
        }
    }

    /// Adds to `changes` what has changed since the last time; the first time, since a moment ago. `now` is this
    /// machine's time; Keycloak's may differ.
    ///
    /// # Errors
    /// See [`EventError`]. What was read until then is in `changes` all the same, and is not read again.
    pub async fn read_changes(
        &self,
        cursor: &mut EventCursor,
        changes: &mut Changes,
        now: SystemTime,
    ) -> Result<(), EventError> {
        self.read_stream::<AdminEvent>(&mut cursor.admin, changes, now).await?;
        self.read_stream::<UserEvent>(&mut cursor.user, changes, now).await
    }

    async fn read_stream<E: Event>(
        &self,
        stream: &mut Stream,
        changes: &mut Changes,
        now: SystemTime,
    ) -> Result<(), EventError> {
        if stream.newest.is_none() {
            stream.newest = Some(self.newest_event::<E>().await?);
        }
        let since = stream.since(now);
        for page in 0..MAX_PAGES {
            let first = page * PAGE;
            let query = format!("dateFrom={since}&direction=asc&first={first}&max={PAGE}");
            let events: Vec<E> = self.events(&query).await?;
            let is_last = events.len() < PAGE;
            if events.is_empty() && page == 0 {
                // The newest event is gone: they were cleared, have expired, or are those of another server. Whatever
                // is there next time is new.
                *stream = Stream { newest: Some(0), ..Stream::default() };
                return Ok(());
            }
            for event in events {
                if stream.take(event.id(), event.time()) {
                    event.note(changes);
                }
            }
            if is_last {
                stream.prune(since);
                return Ok(());
            }
        }
        changes.everybody = true;
        let newest = self.newest_event::<E>().await?;
        *stream = Stream { newest: Some(newest), floor: newest, ..Stream::default() };
        Ok(())
    }

    /// The time of the newest event; 0 if there is none.
    async fn newest_event<E: Event>(&self) -> Result<i64, EventError> {
        let newest: Vec<E> = self.events("first=0&max=1&direction=desc").await?;
        Ok(newest.first().map_or(0, E::time))
    }

    async fn events<E: Event>(&self, query: &str) -> Result<Vec<E>, EventError> {
        self.read_aside(E::CALL, &format!("{}{query}", E::LIST)).await.map_err(of_events)
    }
}

fn of_events(error: Error) -> EventError {
    match error {
        Error::Forbidden { .. } => EventError::NoRight,
        Error::BadRequest { .. } => EventError::TooOld,
        error => EventError::Call(error),
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
