//! A walk through everybody in a realm: page by page, and at its end whether nobody can have been missed.
//!
//! A list of Keycloak is no snapshot: while it is read, people come and go and pages shift. So the walk believes itself
//! only if each person was there once and there were as many as Keycloak counts, before and after, and if every user store
//! behind Keycloak answered before and after, too: one that is down hides its people, or shows them as disabled. Whom
//! Keycloak keeps no copy of it does not count; they are confirmed by their ids, one by one, before they are gone.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::backend::keycloak::{Client, Error, Listed, PAGE, StoreId};

/// Whom a walk asks.
pub(super) trait Directory: Sync {
    /// Whether every user store behind it answers: without it neither the count nor a page says who is there.
    fn is_whole(&self) -> impl Future<Output = Result<(), Error>> + Send;
    /// How many people there are, without those of whom it keeps no copies.
    fn count(&self) -> impl Future<Output = Result<u64, Error>> + Send;
    /// The people from this number on.
    fn page(&self, first: usize) -> impl Future<Output = Result<Vec<Listed>, Error>> + Send;
}

impl Directory for Client {
    async fn is_whole(&self) -> Result<(), Error> {
        self.probe_stores().await
    }

    async fn count(&self) -> Result<u64, Error> {
        self.count_people().await
    }

    async fn page(&self, first: usize) -> Result<Vec<Listed>, Error> {
        self.let_logins_pass().await;
        self.page_of_people(first).await
    }
}

/// Why the list may not be whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// Nobody was there, which no realm with a mail server means.
    #[error("Keycloak's list of users is empty")]
    Empty,
    /// Pages shifted while they were read.
    #[error("{0} people stood twice in Keycloak's list: it changed while it was read")]
    Repeated(usize),
    /// The list and the count are not of the same people.
    #[error("Keycloak listed {listed} people and counted {before} before and {after} after that")]
    Counts {
        /// How many were listed.
        listed: u64,
        /// Counted before the first page.
        before: u64,
        /// Counted after the last.
        after: u64,
    },
}

/// The walk, while it goes on.
pub(super) struct Walk<'d, D> {
    directory: &'d D,
    pause: Duration,
    before: u64,
    first: usize,
    at_end: bool,
    seen: HashSet<Box<str>>,
    in_use: HashSet<Box<str>>,
    unreadable: u64,
    /// People of stores without copies: Keycloak lists them, and counts them never.
    uncounted: u64,
    /// Their stores.
    stores: HashSet<StoreId>,
    repeated: usize,
    cost: Cost,
}

/// What a walk has cost so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    /// How long Keycloak worked for it.
    pub(super) asking: Duration,
    /// How long it left Keycloak alone on purpose.
    pub(super) paused: Duration,
    /// Pages read.
    pub(super) pages: u64,
}

/// What the walk has found in the end.
#[derive(Debug)]
pub(super) struct Walked {
    /// The ids of those whose accounts are enabled.
    pub(super) in_use: HashSet<Box<str>>,
    /// The stores without copies of which somebody was there.
    pub(super) stores: HashSet<StoreId>,
    /// Nobody who is not there may be believed to be gone.
    pub(super) doubt: Option<Doubt>,
}

impl<'d, D: Directory> Walk<'d, D> {
    /// Counts, and begins.
    pub(super) async fn begin(directory: &'d D, pause: Duration) -> Result<Self, Error> {
        directory.is_whole().await?;
        let before = directory.count().await?;
        Ok(Self {
            directory,
            pause,
            before,
            first: 0,
            at_end: false,
            seen: HashSet::new(),
            in_use: HashSet::new(),
            unreadable: 0,
            uncounted: 0,
            stores: HashSet::new(),
            repeated: 0,
            cost: Cost::default(),
        })
    }

    /// The next page, without those who stood on an earlier one; `None` behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Listed>>, Error> {
        if self.at_end {
            return Ok(None);
        }
        let began = Instant::now();
        let page = self.directory.page(self.first).await?;
        let took = began.elapsed();
        self.cost.asking += took;
        self.cost.pages += 1;
        let length = page.len();
        self.first += length;
        let page: Vec<Listed> = page.into_iter().filter(|listed| self.is_new(listed)).collect();
        // A server that says the same page again and again must not be asked for ever.
        self.at_end = length < PAGE || page.is_empty();
        if !self.at_end {
            // Keycloak is left alone for at least as long as it was busy with us.
            let pause = self.pause.max(took);
            sleep(pause).await;
            self.cost.paused += pause;
        }
        Ok(Some(page))
    }

    fn is_new(&mut self, listed: &Listed) -> bool {
        if listed.id.is_empty() {
            self.unreadable += 1;
            return true;
        }
        let is_new = self.seen.insert(listed.id.clone());
        if !is_new {
            self.repeated += 1;
            return false;
        }
        if listed.is_in_use {
            self.in_use.insert(listed.id.clone());
        }
        if let Some(store) = StoreId::of_person(&listed.id) {
            self.uncounted += 1;
            self.stores.insert(store);
        }
        true
    }

    /// Counts again, and judges.
    pub(super) async fn end(self) -> Result<Walked, Error> {
        let after = self.directory.count().await?;
        self.directory.is_whole().await?;
        let listed = (self.seen.len() as u64 + self.unreadable).saturating_sub(self.uncounted);
        let doubt = if listed + self.uncounted == 0 {
            Some(Doubt::Empty)
        } else if self.repeated > 0 {
            Some(Doubt::Repeated(self.repeated))
        } else if listed != self.before || listed != after {
            Some(Doubt::Counts { listed, before: self.before, after })
        } else {
            None
        };
        Ok(Walked { in_use: self.in_use, stores: self.stores, doubt })
    }

    /// How many people Keycloak counted before.
    pub(super) fn expected(&self) -> u64 {
        self.before
    }

    pub(super) fn cost(&self) -> Cost {
        self.cost
    }
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
