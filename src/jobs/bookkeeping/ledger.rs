//! Which logins are to be written when: many notes, few rows. Pure; time is a parameter.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use foldhash::HashMap;

use super::AcceptedLogin;
use crate::auth::Username;
use crate::backend::sql::LoginRow;

/// A full ledger is searched for rows to forget no more often.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// The latest login of each service, address and user, until it is written and its interval is over.
#[derive(Debug)]
pub(super) struct Ledger {
    interval: Duration,
    capacity: usize,
    entries: HashMap<Key, Entry>,
    /// No entry is due before this; `None` when none is.
    earliest: Option<Instant>,
    swept: Option<Instant>,
}

/// What the table has one row for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    /// In lower case: letter case does not matter in the table's key.
    service: Box<str>,
    remote: IpAddr,
    user: Username,
}

#[derive(Debug)]
struct Entry {
    /// As it was sent last.
    service: Box<str>,
    app_password: i64,
    /// When the row was written last, and with which app password.
    written: Option<(Instant, i64)>,
    /// When the row is to be written; `None` when it is as it should be.
    due: Option<Instant>,
}

impl Ledger {
    pub(super) fn new(interval: Duration, capacity: usize) -> Self {
        Self { interval, capacity, entries: HashMap::default(), earliest: None, swept: None }
    }

    /// Takes a login down. Says whether there was room for it.
    pub(super) fn note(&mut self, login: AcceptedLogin, now: Instant) -> bool {
        let AcceptedLogin { user, service, remote: Some(remote), app_password } = login else { return true };
        let remote = remote.to_canonical();
        let app_password = app_password.unwrap_or(0);
        let key = Key { service: in_lower_case(&service), remote, user };
        if self.entries.len() >= self.capacity && !self.entries.contains_key(&key) {
            self.sweep(now);
            if self.entries.len() >= self.capacity {
                return false;
            }
        }
        let new = Entry { service: Box::default(), app_password, written: None, due: None };
        let entry = self.entries.entry(key).or_insert(new);
        let due = match entry.written {
            Some((at, written)) if written == app_password => now.max(at + self.interval),
            _ => now,
        };
        let due = entry.due.map_or(due, |earlier| earlier.min(due));
        (entry.service, entry.app_password, entry.due) = (service, app_password, Some(due));
        self.earliest = Some(self.earliest.map_or(due, |earliest| earliest.min(due)));
        true
    }

    /// When there is something to write, at the earliest.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.earliest
    }

    /// Takes at most `limit` rows that are due, in an order that is the same everywhere, so that two writers do not
    /// wait for each other. Forgets what has been written long enough ago.
    pub(super) fn take_due(&mut self, limit: usize, now: Instant) -> Vec<LoginRow> {
        let mut keys = Vec::new();
        self.earliest = None;
        self.entries.retain(|key, entry| {
            if entry.due.is_some_and(|due| due <= now) && keys.len() < limit {
                keys.push(key.clone());
            } else if let Some(due) = entry.due {
                self.earliest = Some(self.earliest.map_or(due, |earliest| earliest.min(due)));
            } else {
                return still_counts(entry, self.interval, now);
            }
            true
        });
        keys.sort();
        let rows = keys.into_iter().filter_map(|key| {
            let entry = self.entries.get_mut(&key)?;
            (entry.written, entry.due) = (Some((now, entry.app_password)), None);
            let (service, app_password) = (entry.service.clone(), entry.app_password);
            Some(LoginRow { service, app_password, user: key.user, remote: key.remote })
        });
        rows.collect()
    }

    /// Rows that were not written after all. What has been noted meanwhile is newer and stays.
    pub(super) fn put_back(&mut self, rows: Vec<LoginRow>, now: Instant) {
        for row in rows {
            let key = Key { service: in_lower_case(&row.service), remote: row.remote, user: row.user };
            if let Some(entry) = self.entries.get_mut(&key) {
                (entry.written, entry.due) = (None, Some(now));
                self.earliest = Some(self.earliest.map_or(now, |earliest| earliest.min(now)));
            }
        }
    }

    /// Whatever waits is due now: there will be no later.
    pub(super) fn make_all_due(&mut self, now: Instant) {
        for entry in self.entries.values_mut().filter(|entry| entry.due.is_some()) {
            entry.due = Some(now);
            self.earliest = Some(now);
        }
    }

    /// Forgets everything. Says how many rows were waiting.
    pub(super) fn clear(&mut self) -> u64 {
        self.earliest = None;
        self.entries.drain().filter(|(_, entry)| entry.due.is_some()).count() as u64
    }

    fn sweep(&mut self, now: Instant) {
        if self.swept.is_none_or(|swept| now >= swept + SWEEP_PAUSE) {
            self.swept = Some(now);
            self.entries.retain(|_, entry| entry.due.is_some() || still_counts(entry, self.interval, now));
        }
    }
}

fn in_lower_case(service: &str) -> Box<str> {
    service.to_ascii_lowercase().into_boxed_str()
}

/// Whether it still matters when the row was written.
fn still_counts(entry: &Entry, interval: Duration, now: Instant) -> bool {
    entry.written.is_some_and(|(at, _)| now < at + interval)
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
