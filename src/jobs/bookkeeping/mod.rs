//! What is written down after a login, never on its way.
//!
//! A [`Bookkeeper`] takes notes and waits for nothing; the [`Worker`] is a task of its own that works through them:
//!
//! * accepted logins go into mailcow's login history (`history`),
//! * refused ones are published for mailcow's ban daemon (`ban_line`, `messages`),
//! * people who were seen are remembered, and their mailboxes follow a changed template (`people`),
//! * what a template says about rate limits and tagged mail goes to Redis (`messages`).
//!
//! Each of the two backends may be away for as long as it likes. Queues and maps are bounded; what does not fit is
//! dropped, counted and said.

mod ban_line;
mod clock;
mod config;
mod history;
mod ledger;
mod messages;
mod outage;
mod people;
mod recent;
mod worker;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::auth::{Guess, Username};
use crate::backend::people::Entitled;
use crate::backend::redis::Redis;
use crate::backend::sql::{Database, OwnerDigest};
use crate::provision::{Identity, Provisioner, RedisSettings};
use history::History;
use messages::Messages;
use people::People;
use recent::Recent;

pub use config::Config;
pub use messages::tell as tell_redis;
pub use worker::Worker;

/// How many notes of each kind may wait. With names at their longest that is about 10 MB in all.
const QUEUE: usize = 4096;

/// Something to write down.
#[derive(Debug)]
pub enum Note {
    /// A login was accepted.
    Accepted(AcceptedLogin),
    /// A guess was refused: somebody's fault, never an outage and never a switch.
    Refused(RefusedLogin),
    /// A person whom Keycloak knows logged in to their mailbox. What the database remembers of its owner, where that was
    /// read with the mailbox, shows whether there is anything to do.
    SeenPerson(Box<Identity>, Option<OwnerDigest>),
    /// A mailbox was just made.
    Created {
        /// Whose.
        user: Username,
        /// What its template says about Redis.
        settings: RedisSettings,
    },
}

/// A login for the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedLogin {
    /// The mailbox that was opened.
    pub user: Username,
    /// As the mail server sent it.
    pub service: Box<str>,
    /// From where. A login without an address is not written down.
    pub remote: Option<IpAddr>,
    /// The number of the app password; `None` is the main password.
    pub app_password: Option<i64>,
}

/// A refused guess, for the ban daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedLogin {
    /// The name as sent.
    pub user: Box<[u8]>,
    /// From where. Without an address there is nobody to ban.
    pub remote: Option<IpAddr>,
    /// Dovecot's session id.
    pub session: Option<Box<str>>,
    /// What was guessed.
    pub guess: Guess,
}

impl RefusedLogin {
    /// Without what the ban line would cut off anyway: many of these may wait, and strangers choose their length.
    fn cut(self) -> Self {
        let user = match self.user.get(..ban_line::LONGEST_USER) {
            Some(begin) => begin.into(),
            None => self.user,
        };
        let session = self.session.map(|session| {
            let end = session.floor_char_boundary(ban_line::LONGEST_SESSION);
            Box::from(&session[..end])
        });
        Self { user, session, ..self }
    }
}

/// Takes notes. Copies take them for the same worker.
#[derive(Clone, Debug)]
pub struct Bookkeeper(Option<Arc<Queues>>);

/// Where each kind of note waits; `None` where that kind is not wanted.
#[derive(Debug)]
struct Queues {
    logins: Option<mpsc::Sender<AcceptedLogin>>,
    recent: Recent,
    refusals: Option<mpsc::Sender<RefusedLogin>>,
    people: mpsc::Sender<SeenPerson>,
    /// A person is looked after no more often.
    people_pause: Duration,
    settings: Option<mpsc::Sender<(Username, RedisSettings)>>,
    dropped: Arc<Dropped>,
}

/// A person who was seen, and what is remembered of the owner of their mailbox.
type SeenPerson = (Box<Identity>, Option<OwnerDigest>);

/// How many notes did not fit.
#[derive(Debug, Default)]
struct Dropped(AtomicU64);

impl Dropped {
    fn add(&self, notes: u64) {
        self.0.fetch_add(notes, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Prepares the queues and the worker that empties them. Neither the database nor Redis is contacted yet.
#[must_use]
pub fn new(
    config: &Config,
    database: Arc<Database>,
    provisioner: Arc<Provisioner>,
    redis: Option<Redis>,
) -> (Bookkeeper, Worker) {
    let dropped = Arc::new(Dropped::default());
    let (people, seen) = mpsc::channel(QUEUE);
    let pause = config.template_interval.get();
    let mut queues = Queues {
        logins: None,
        recent: Recent::new(clock::now()),
        refusals: None,
        people,
        people_pause: pause,
        settings: None,
        dropped: Arc::clone(&dropped),
    };
    let history = config.login_log.then(|| {
        let (logins, queue) = mpsc::channel(QUEUE);
        queues.logins = Some(logins);
        let interval = config.login_log_interval.get();
        History::new(queue, Arc::clone(&database), interval, Arc::clone(&dropped))
    });
    let messages = redis.map(|redis| {
        let (settings, changes) = mpsc::channel(QUEUE);
        let (refusals, refused) = mpsc::channel(QUEUE);
        queues.settings = Some(settings);
        queues.refusals = redis.ban_channel().is_some().then_some(refusals);
        Messages::new(changes, refused, redis, Arc::clone(&dropped))
    });
    let people = People::new(seen, database, provisioner, queues.settings.clone(), pause);
    (Bookkeeper(Some(Arc::new(queues))), Worker::new(history, people, messages, dropped))
}

impl Bookkeeper {
    /// One that writes nothing down.
    #[must_use]
    pub fn disabled() -> Self {
        Self(None)
    }

    /// Takes a note. Never waits: a note that does not fit is dropped and counted.
    pub fn note(&self, note: Note) {
        let Some(queues) = &self.0 else { return };
        let taken = match note {
            Note::Accepted(login) => login.remote.is_none() || offer(queues.logins.as_ref(), login),
            Note::Refused(login) => login.remote.is_none() || offer(queues.refusals.as_ref(), login.cut()),
            Note::SeenPerson(person, remembered) => offer(Some(&queues.people), (person, remembered)),
            Note::Created { user, settings } => offer(queues.settings.as_ref(), (user, settings)),
        };
        if !taken {
            queues.dropped.add(1);
        }
    }

    /// Whether an accepted login of this kind need not be noted, because one was a moment ago, or none ever is.
    #[must_use]
    pub fn has_noted(
        &self,
        kind: (&Username, &str, Option<IpAddr>),
        app_password: Option<i64>,
        now: std::time::Instant,
    ) -> bool {
        let Some(queues) = &self.0 else { return true };
        let (_, _, remote) = kind;
        remote.is_none() || queues.logins.is_none() || queues.recent.has_noted(kind, app_password, now)
    }

    /// Takes down that a person whom Keycloak knows has logged in to their mailbox, if it is time to look after them.
    /// `remembered` is what the database does of its owner, where that is known.
    pub fn see(&self, person: &Entitled, remembered: Option<OwnerDigest>, now: Instant) {
        let Some(queues) = &self.0 else { return };
        if person.is_due(queues.people_pause, now) {
            self.note(Note::SeenPerson(Box::new(Identity::new(person.person())), remembered));
        }
    }

    /// How many notes were dropped so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.as_ref().map_or(0, |queues| queues.dropped.count())
    }
}

/// Whether the queue took it, or there is none because nobody wants it.
fn offer<T>(queue: Option<&mpsc::Sender<T>>, note: T) -> bool {
    queue.is_none_or(|queue| queue.try_send(note).is_ok())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
