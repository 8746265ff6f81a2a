//! The lane to Redis: what templates say about a mailbox, and refused logins for the ban daemon.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::ban_line::ban_line;
use super::clock::{now, wait_for};
use super::outage::Outage;
use super::{Dropped, RefusedLogin};
use crate::auth::Username;
use crate::backend::redis::{Error, Redis};
use crate::provision::{RateLimit, RedisSettings, TaggedMail};

/// mailcow's hashes; the field is the address.
const RATE_LIMITS: &str = "RL_VALUE";
const SUBFOLDER_TAGS: &str = "RCPT_WANTS_SUBFOLDER_TAG";
const SUBJECT_TAGS: &str = "RCPT_WANTS_SUBJECT_TAG";

/// When a mailbox's settings are tried again; after the last time they are given up.
const RETRY_PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(120)];
/// How many mailboxes may wait for Redis to come back.
const MOST_WAITING: usize = 1024;
/// After trouble nothing is tried for so long: a refusal is not worth a wait.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);

/// Sends messages to Redis, one after the other.
#[derive(Debug)]
pub(super) struct Messages {
    changes: mpsc::Receiver<(Username, RedisSettings)>,
    refused: mpsc::Receiver<RefusedLogin>,
    redis: Redis,
    dropped: Arc<Dropped>,
    waiting: VecDeque<Waiting>,
    outage: Outage,
    trouble_until: Option<Instant>,
}

/// Settings that could not be told yet.
#[derive(Debug)]
struct Waiting {
    user: Username,
    settings: RedisSettings,
    tries: usize,
    due: Instant,
}

impl Messages {
    pub(super) fn new(
        changes: mpsc::Receiver<(Username, RedisSettings)>,
        refused: mpsc::Receiver<RefusedLogin>,
        redis: Redis,
        dropped: Arc<Dropped>,
    ) -> Self {
        let (waiting, outage, trouble_until) = (VecDeque::new(), Outage::default(), None);
        Self { changes, refused, redis, dropped, waiting, outage, trouble_until }
    }

    pub(super) async fn run(mut self, stop: &CancellationToken) {
        loop {
            let wake = self.waiting.iter().map(|waiting| waiting.due).min();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = wait_for(wake) => self.try_waiting(now()).await,
                Some((user, settings)) = self.changes.recv() => self.accept(user, settings).await,
                Some(login) = self.refused.recv() => self.publish(&login).await,
            }
        }
        self.finish().await;
    }

    /// Applies a mailbox's settings, behind those that wait already: the later ones must win.
    async fn accept(&mut self, user: Username, settings: RedisSettings) {
        let now = now();
        let due = self.waiting.back().map_or(now, |last| last.due);
        let new = Waiting { user, settings, tries: 0, due };
        if self.waiting.len() >= MOST_WAITING {
            return give_up(&new);
        }
        self.waiting.push_back(new);
        if due <= now {
            self.try_waiting(now).await;
        }
    }

    /// Tries those whose time has come, in order, up to the first that fails: the others would fail as well.
    async fn try_waiting(&mut self, now: Instant) {
        while let Some(first) = self.waiting.front().filter(|first| first.due <= now) {
            let end = tell(&mut self.redis, &first.user, &first.settings).await;
            if self.has_failed(end) {
                return self.postpone(now);
            }
            self.waiting.pop_front();
        }
    }

    /// All wait for the first, which is given up when it was tried often enough.
    fn postpone(&mut self, now: Instant) {
        let Some(mut first) = self.waiting.pop_front() else { return };
        let due = match RETRY_PAUSES.get(first.tries) {
            Some(pause) => {
                first.tries += 1;
                self.waiting.push_front(first);
                now + *pause
            }
            None => {
                give_up(&first);
                now
            }
        };
        self.waiting.iter_mut().for_each(|waiting| waiting.due = due);
    }

    async fn publish(&mut self, login: &RefusedLogin) {
        let Some(line) = ban_line(login) else { return };
        let Some(channel) = self.redis.ban_channel().map(str::to_owned) else { return };
        let is_in_trouble = self.trouble_until.is_some_and(|until| now() < until);
        let end = if is_in_trouble { None } else { Some(self.redis.publish(&channel, &line).await) };
        if end.is_none_or(|end| self.has_failed(end)) {
            self.dropped.add(1);
        }
    }

    /// Warns at the first failure of an outage.
    fn has_failed(&mut self, end: Result<(), Error>) -> bool {
        match end {
            Ok(()) => {
                self.trouble_until = None;
                if self.outage.end() {
                    tracing::info!("Redis is told everything again");
                }
                false
            }
            Err(error) => {
                self.trouble_until = Some(now() + TROUBLE_PAUSE);
                if self.outage.begin() {
                    tracing::warn!(%error, "Redis is not told of refused logins and new rate limits");
                }
                true
            }
        }
    }

    /// Sends what is left; what fails now is given up.
    async fn finish(mut self) {
        self.changes.close();
        self.refused.close();
        while let Some((user, settings)) = self.changes.recv().await {
            self.waiting.push_back(Waiting { user, settings, tries: 0, due: now() });
        }
        self.trouble_until = None;
        while let Some(first) = self.waiting.pop_front() {
            let end = if self.trouble_until.is_some() {
                None
            } else {
                Some(tell(&mut self.redis, &first.user, &first.settings).await)
            };
            if end.is_none_or(|end| self.has_failed(end)) {
                give_up(&first);
            }
        }
        while let Some(login) = self.refused.recv().await {
            self.publish(&login).await;
        }
    }
}

/// Sets and deletes a mailbox's fields. Doing so twice is no harm.
///
/// # Errors
/// Redis cannot be asked. Some fields may be written.
pub async fn tell(redis: &mut Redis, user: &Username, settings: &RedisSettings) -> Result<(), Error> {
    for (hash, value) in fields(settings) {
        match value {
            Some(value) => redis.set_field(hash, user.as_str(), &value).await?,
            None => redis.delete_field(hash, user.as_str()).await?,
        }
    }
    Ok(())
}

fn give_up(waiting: &Waiting) {
    let user = &waiting.user;
    let commands = fields(&waiting.settings).into_iter().map(|(hash, value)| match value {
        Some(value) => format!("HSET {hash} \"{user}\" \"{value}\""),
        None => format!("HDEL {hash} \"{user}\""),
    });
    let commands = commands.collect::<Vec<_>>().join("; ");
    tracing::warn!(
        user = user.as_str(),
        commands,
        "Redis was not told of a mailbox's settings; give the commands in redis-cli"
    );
}

/// The fields of a mailbox, each with its value or with none, in mailcow's words.
fn fields(settings: &RedisSettings) -> Vec<(&'static str, Option<String>)> {
    let mut fields = Vec::new();
    match &settings.rate_limit {
        RateLimit::Leave => {}
        RateLimit::Clear => fields.push((RATE_LIMITS, None)),
        RateLimit::Set(value) => fields.push((RATE_LIMITS, Some(value.clone()))),
    }
    if let Some(tagged_mail) = settings.tagged_mail {
        let set = |wanted| (tagged_mail == wanted).then(|| "1".to_owned());
        fields.push((SUBFOLDER_TAGS, set(TaggedMail::Subfolder)));
        fields.push((SUBJECT_TAGS, set(TaggedMail::Subject)));
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_fields_of_mailcows_hashes() {
        let of = |rate_limit, tagged_mail| fields(&RedisSettings { rate_limit, tagged_mail });
        let one = || Some("1".to_owned());
        assert!(of(RateLimit::Leave, None).is_empty());
        assert_eq!(of(RateLimit::Clear, None), [("RL_VALUE", None)]);
        let limit = RateLimit::Set("10 / 1h".to_owned());
        assert_eq!(of(limit, None), [("RL_VALUE", Some("10 / 1h".to_owned()))]);
        let tags = |subfolder, subject| {
            [("RCPT_WANTS_SUBFOLDER_TAG", subfolder), ("RCPT_WANTS_SUBJECT_TAG", subject)]
        };
        for (tagged_mail, expected) in [
            (TaggedMail::Subfolder, tags(one(), None)),
            (TaggedMail::Subject, tags(None, one())),
            (TaggedMail::Inbox, tags(None, None)),
        ] {
            assert_eq!(of(RateLimit::Leave, Some(tagged_mail)), expected);
        }
    }
}
