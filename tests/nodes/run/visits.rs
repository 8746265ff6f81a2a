//! What is done on every machine at one time: the first visits, newcomers, and the last look.

use std::thread;

use super::{AGAIN, Play, eventually};
use crate::book::Standing;
use crate::checker::MAIN;
use crate::cluster::PASSWORD;
use crate::history::Outcome;
use crate::logins::{Guest, Service, TokenWay};
use crate::schedule::{Dice, FRONT, NODES};
use crate::stage::{Failure, Result};

impl<'a> Play<'a> {
    /// Whoever only logs in, at the node of this place or, behind the last one, at the proxies.
    pub(super) fn guest(&self, place: usize, seed: u64) -> Guest<'a> {
        let (machine, doors) = match self.cluster.nodes.get(place) {
            Some(node) => (NODES[place], node.doors()),
            None => (FRONT, self.front.doors()),
        };
        Guest { machine, doors, book: self.book, recorder: self.recorder, dice: Dice::new(seed) }
    }

    /// Does it on each machine, all at one time.
    fn everywhere<T: Send>(&self, seed: u64, act: impl Fn(&mut Guest<'_>) -> T + Sync) -> Result<Vec<T>> {
        thread::scope(|scope| {
            let visit = |place: usize| {
                let mut guest = self.guest(place, seed ^ place as u64);
                self.cluster.network.inside(guest.machine, || act(&mut guest))
            };
            let visits: Vec<_> = (0..=NODES.len()).map(|place| scope.spawn(move || visit(place))).collect();
            let ends = visits
                .into_iter()
                .map(|visit| visit.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            ends.collect()
        })
    }

    /// Everybody logs in everywhere: from then on an outage changes nothing for them. Each way in is tried once, so that none
    /// is missing from the run.
    pub(super) fn know_everybody(&self, seed: u64) -> Result<()> {
        self.everywhere(seed, |guest| self.first_visits(guest))?.into_iter().collect::<Result<()>>()?;
        self.first_pages(seed)
    }

    /// Each node's portal is ready, and somebody signs in there whom every node then shows a page.
    fn first_pages(&self, seed: u64) -> Result<()> {
        for (place, name) in NODES.iter().enumerate() {
            let signs_in = || {
                self.cluster.at(place, |node| {
                    let mut client = self.client(place, seed ^ self.number());
                    node.portal.is_ready() && client.sign_in_with_a_browser(self.number()) == Outcome::Yes
                })
            };
            eventually(|| signs_in().unwrap_or(false), &format!("a first sign-in at the portal of {name}"))?;
        }
        let sessions = self.book.sessions().clone();
        for (place, name) in NODES.iter().enumerate() {
            let are_shown = || {
                self.cluster.at(place, |_| {
                    let client = self.client(place, seed);
                    let looks = |name: &str, cookie: &str| client.look_at_session(name, cookie);
                    sessions.iter().all(|session| looks(&session.name, &session.cookie) == Outcome::Yes)
                })
            };
            eventually(|| are_shown().unwrap_or(false), &format!("a first page of the portal of {name}"))?;
        }
        Ok(())
    }

    fn first_visits(&self, guest: &mut Guest<'_>) -> Result<()> {
        let is_in = |outcome| outcome == Outcome::Yes;
        let machine = guest.machine;
        for user in &self.book.residents {
            let what = format!("a first visit at {machine}");
            eventually(|| is_in(guest.log_in(user, MAIN, PASSWORD)), &what)?;
        }
        let (Some(user), Some(token)) = (self.book.residents.first(), self.book.tokens.first()) else {
            return Err(Failure("nobody lives here, or nobody has a token".to_owned()));
        };
        for service in Service::ALL {
            let what = format!("a first visit at {machine} by {service:?}");
            eventually(|| is_in(guest.log_in_at(service, (user, MAIN, PASSWORD))), &what)?;
        }
        for way in TokenWay::ALL {
            let what = format!("a first visit at {machine} with a token by {way:?}");
            eventually(|| is_in(guest.log_in_by_token_at(way, token)), &what)?;
        }
        Ok(())
    }

    /// Somebody comes for the first time, everywhere.
    pub(super) fn arrive(&self, user: &str, seed: u64) -> Result<()> {
        self.everywhere(seed, |guest| guest.log_in(user, MAIN, PASSWORD)).map(drop)
    }

    /// Everybody with everything everywhere: whether all is as it is to be.
    pub(super) fn everybody_again(&self) -> Result<bool> {
        let logins = self.logins_again();
        let fits = |guest: &mut Guest<'_>| {
            let mut fits = true;
            for (user, key, password, opens) in &logins {
                let wanted = if *opens { Outcome::Yes } else { Outcome::No };
                fits &= guest.log_in(user, key, password) == wanted;
            }
            fits
        };
        Ok(self.everywhere(0, fits)?.into_iter().all(|fits| fits))
    }

    /// Each with whether it opens.
    fn logins_again(&self) -> Vec<(String, String, String, bool)> {
        let disabled = self.book.disabled().clone();
        let mut logins = Vec::new();
        let arrived = self.book.arrived().clone();
        let (first, last) =
            (self.book.residents.iter().take(AGAIN), self.book.residents.iter().rev().take(AGAIN / 2));
        let everybody = first.chain(last).chain(arrived.iter().rev().take(AGAIN)).cloned();
        for user in everybody {
            let opens = !disabled.contains(&user);
            logins.push((user, MAIN.to_owned(), PASSWORD.to_owned(), opens));
        }
        let passwords = self.book.passwords().clone();
        for one in passwords.into_iter().rev().take(AGAIN).filter(|one| one.standing != Standing::Unknown) {
            let opens = one.standing == Standing::Open && !disabled.contains(&one.user);
            logins.push((one.user, one.name, one.password, opens));
        }
        logins
    }
}
