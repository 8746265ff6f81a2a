//! Everything that was wrong lately, by account and place, and whom it makes wait. Pure: no clock, no lock, no log.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::client_network::ClientNetwork;
use super::config::{Config, NETWORK_FACTOR};
use super::strikes::{Rule, Strikes};
use crate::auth::Username;
use crate::backend::records::BoundedMap;

/// Waits that the log tells of at once. Further ones count all the same, and are told of when there is room.
const MOST_TOLD: usize = 10_000;
/// A wait that nobody renewed for so long is over for the log.
const QUIET: Duration = Duration::from_secs(60);

/// What is counted: an account at a place, or all accounts that were wrong there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Subject {
    /// None: the place itself, where many accounts were tried.
    pub(super) user: Option<Username>,
    pub(super) place: ClientNetwork,
}

/// Something that was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) user: Username,
    /// The address.
    pub(super) place: ClientNetwork,
    /// Of the password.
    pub(super) digest: u64,
    /// How far it counts.
    pub(super) reach: Reach,
}

/// How far something wrong counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reach {
    /// For the account at this address only: it is known in the network around it.
    Address,
    /// For the account at the address and in the network; not for the place itself, behind which is everybody.
    Account,
    /// For the account, and for the place itself.
    Everything,
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedCounter {
    /// None: many accounts were tried from there.
    pub user: Option<String>,
    /// The address or network.
    pub place: ClientNetwork,
    /// Different wrong passwords; or accounts, where there is no user.
    pub strikes: usize,
    /// From how many on there is a wait.
    pub limit: usize,
    /// How many seconds there are still to wait; 0 where there is no wait.
    pub wait_seconds: u64,
    /// How many seconds ago something was wrong.
    pub last_seconds: u64,
}

#[derive(Debug)]
pub(super) struct Rules {
    account: Rule,
    account_network: Rule,
    place: Rule,
    place_network: Rule,
}

impl Rules {
    fn new(config: &Config) -> Self {
        let rule = |limit| Rule {
            limit,
            first: config.first_wait.get(),
            longest: config.longest_wait.get(),
            forget_after: config.forget_after.get(),
        };
        Self {
            account: rule(config.guesses),
            account_network: rule(config.guesses * NETWORK_FACTOR),
            place: rule(config.accounts),
            place_network: rule(config.accounts * NETWORK_FACTOR),
        }
    }

    fn of(&self, subject: &Subject) -> &Rule {
        match (&subject.user, subject.place.is_wide()) {
            (Some(_), false) => &self.account,
            (Some(_), true) => &self.account_network,
            (None, false) => &self.place,
            (None, true) => &self.place_network,
        }
    }
}

/// The counters. Bounded in bytes: what was looked at longest ago goes first.
pub(super) struct Book {
    rules: Rules,
    accounts: BoundedMap<(Username, ClientNetwork), Strikes>,
    places: BoundedMap<ClientNetwork, Strikes>,
    /// Those whose wait was told of.
    told: HashMap<Subject, Instant>,
    hasher: foldhash::quality::RandomState,
}

impl Book {
    pub(super) fn new(config: &Config) -> Self {
        let half = config.max_bytes() / 2;
        Self {
            rules: Rules::new(config),
            accounts: BoundedMap::new(half),
            places: BoundedMap::new(half),
            told: HashMap::new(),
            hasher: foldhash::quality::RandomState::default(),
        }
    }

    /// Counts. Returns who has to wait from now on and did not before, and the end of the longest wait.
    pub(super) fn add(&mut self, wrong: &Wrong, at: Instant) -> (Vec<Subject>, Option<Instant>) {
        let (narrow, wide) = (wrong.place, wrong.place.wide());
        let account = self.hasher.hash_one(&wrong.user);
        let of_user = |place| (Subject { user: Some(wrong.user.clone()), place }, wrong.digest);
        let of_place = |place| (Subject { user: None, place }, account);
        let mut subjects = vec![of_user(narrow)];
        if wrong.reach != Reach::Address && wide != narrow {
            subjects.push(of_user(wide));
        }
        if wrong.reach == Reach::Everything && narrow != ClientNetwork::Nowhere {
            subjects.extend([of_place(narrow), of_place(wide)]);
        }
        let (mut began, mut last) = (Vec::new(), None);
        for (subject, digest) in subjects {
            let mut strikes = self.take(&subject).unwrap_or_default();
            strikes.add(digest, at, self.rules.of(&subject));
            let until = strikes.until().filter(|until| *until > at);
            self.put(&subject, strikes);
            if let Some(until) = until {
                last = last.max(Some(until));
                if let Some(told) = self.told.get_mut(&subject) {
                    *told = until;
                } else if self.told.len() < MOST_TOLD {
                    self.told.insert(subject.clone(), until);
                    began.push(subject);
                }
            }
        }
        (began, last)
    }

    /// How long this account has to wait at this address. `knows` says whether it was right at a place not long ago:
    /// what happens at an address does not make those wait who are known there, and what happens around it does not make
    /// those wait who are known in the network.
    pub(super) fn wait(
        &mut self,
        user: &Username,
        narrow: ClientNetwork,
        now: Instant,
        knows: impl Fn(ClientNetwork) -> bool,
    ) -> Option<Duration> {
        let wide = narrow.wide();
        let mut account = |place| self.accounts.get_mut(&(user.clone(), place))?.wait(now);
        let at_address = account(narrow);
        let mut around = (wide != narrow).then(|| account(wide)).flatten();
        let mut place = |place| self.places.get_mut(&place)?.wait(now);
        around = around.max(place(narrow)).max(place(wide));
        if at_address.is_none() && around.is_none() || knows(narrow) {
            return None;
        }
        at_address.max(around.filter(|_| !knows(wide)))
    }

    /// Takes a success down: what this account had wrong at this address is forgotten.
    pub(super) fn forgive(&mut self, user: &Username, narrow: ClientNetwork) {
        self.accounts.remove(&(user.clone(), narrow));
        let digest = self.hasher.hash_one(user);
        let Rules { place: rule, place_network, .. } = &self.rules;
        for (place, rule) in [(narrow, rule), (narrow.wide(), place_network)] {
            if let Some(strikes) = self.places.peek_mut(&place) {
                strikes.take_back(digest, rule);
            }
        }
    }

    /// How many different passwords were wrong for this account at this address, and whether this is one of them.
    pub(super) fn strikes(&mut self, user: &Username, narrow: ClientNetwork, digest: u64) -> (usize, bool) {
        let found = self.accounts.peek_mut(&(user.clone(), narrow));
        found.map_or((0, false), |strikes| (strikes.count(), strikes.has(digest)))
    }

    /// Who need not wait any longer, and was not made to again.
    pub(super) fn sweep(&mut self, now: Instant) -> Vec<Subject> {
        let over = self.told.iter().filter(|(_, until)| now >= **until + QUIET);
        let over: Vec<Subject> = over.map(|(subject, _)| subject.clone()).collect();
        for subject in &over {
            self.told.remove(subject);
        }
        over
    }

    /// Forgets what `concerns` says, and returns how much that was.
    pub(super) fn clear(&mut self, concerns: impl Fn(Option<&Username>, ClientNetwork) -> bool) -> usize {
        let accounts: Vec<_> = self.accounts.iter().map(|(key, _)| key.clone()).collect();
        let places: Vec<_> = self.places.iter().map(|(place, _)| *place).collect();
        let accounts = accounts.into_iter().filter(|(user, place)| concerns(Some(user), *place));
        let accounts = accounts.filter(|key| self.accounts.remove(key).is_some()).count();
        let places = places.into_iter().filter(|place| concerns(None, *place));
        let places = places.filter(|place| self.places.remove(place).is_some()).count();
        self.told.retain(|subject, _| !concerns(subject.user.as_ref(), subject.place));
        accounts + places
    }

    /// Everything that still counts, the longest wait first.
    pub(super) fn list(&mut self, now: Instant) -> Vec<ListedCounter> {
        let accounts = self.accounts.iter();
        let accounts = accounts.map(|((user, place), strikes)| (Some(user.clone()), *place, strikes.clone()));
        let places = self.places.iter().map(|(place, strikes)| (None, *place, strikes.clone()));
        let mut listed: Vec<_> = accounts
            .chain(places)
            .filter_map(|(user, place, mut strikes)| {
                let subject = Subject { user, place };
                let rule = self.rules.of(&subject);
                strikes.forget(now, rule.forget_after);
                let last = now.saturating_duration_since(strikes.last()?);
                Some(ListedCounter {
                    user: subject.user.map(|user| user.as_str().to_owned()),
                    place,
                    strikes: strikes.count(),
                    limit: rule.limit,
                    wait_seconds: strikes.wait(now).map_or(0, |wait| wait.as_secs() + 1),
                    last_seconds: last.as_secs(),
                })
            })
            .collect();
        listed.sort_by(|a, b| {
            let of = |one: &ListedCounter| (std::cmp::Reverse((one.wait_seconds, one.strikes)), one.place);
            of(a).cmp(&of(b)).then_with(|| a.user.cmp(&b.user))
        });
        listed
    }

    /// How many counters there are, and about how many bytes they take.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.accounts.len() + self.places.len(), self.accounts.bytes() + self.places.bytes())
    }

    /// How many have to wait, as far as the log has told.
    pub(super) fn waiting(&self) -> usize {
        self.told.len()
    }

    fn take(&mut self, subject: &Subject) -> Option<Strikes> {
        match &subject.user {
            Some(user) => self.accounts.remove(&(user.clone(), subject.place)),
            None => self.places.remove(&subject.place),
        }
    }

    fn put(&mut self, subject: &Subject, strikes: Strikes) {
        let bytes = strikes.bytes();
        match &subject.user {
            Some(user) => {
                self.accounts.put((user.clone(), subject.place), strikes, bytes + user.as_str().len());
            }
            None => self.places.put(subject.place, strikes, bytes),
        }
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
