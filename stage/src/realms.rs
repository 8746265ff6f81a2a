//! The realm `mail` and its copies `mail-1` and so on at one shared server, each lent to one system at a time and cleaned before it is lent again.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::blanks::{BLANK, Blanks};
use crate::keycloak_admin::{KeycloakAdmin, Token};
use crate::keycloak_server::Server;
use crate::names::{Names, REALM};
use crate::realm_changes::RealmChanges;
use crate::{Failure, Result, attempt, seed, source_tree};

/// So many quick answers in a row, each a token and a search, and the server is warm.
const QUICK_ANSWERS: u32 = 40;
const QUICK: Duration = Duration::from_millis(200);
/// So many people are removed one by one; a realm with more is not lent again.
const MOST_TO_REMOVE: usize = 20;
/// On a busy machine it may never be; then the cases wait.
const LONGEST_WARM_UP: Duration = Duration::from_secs(30);

/// A server with its realms.
pub(crate) struct Realms {
    server: Server,
    token: Arc<Token>,
    /// Realms that nobody uses.
    free: Mutex<Vec<(String, State)>>,
    /// The number of the next copy to be made.
    next: AtomicU32,
    /// How many were lent so far.
    lent: AtomicU32,
    /// The people of the template, as the server shows them.
    people: Vec<Value>,
    /// The same, as they are imported.
    written: Vec<Value>,
    blanks: Arc<Blanks>,
}

/// How a realm was left.
#[derive(Clone, Copy)]
enum State {
    /// Nobody has used it, and the first questions will take long.
    New,
    /// It is as in the template.
    Unchanged,
    /// People came, went or are others now.
    Changed,
}

/// A realm for one system, given back on drop.
pub(crate) struct Lease {
    realms: Arc<Realms>,
    name: String,
    number: u32,
    changes: Arc<RealmChanges>,
}

impl Realms {
    /// Takes over a server that is ready.
    pub(crate) fn new(server: Server) -> Result<Self> {
        let token = Arc::new(Token::default());
        let admin = KeycloakAdmin::at(&server.address(), REALM, &token);
        let (copies, others): (Vec<String>, Vec<String>) =
            admin.realms()?.into_iter().partition(|name| name.starts_with(REALM));
        let next = AtomicU32::new(u32::try_from(copies.len()).unwrap_or(u32::MAX));
        let free = copies.into_iter().map(|name| (name, State::New)).collect();
        admin.make_logins_cheap()?;
        become_quick(&admin)?;
        let people = admin.people()?;
        let realm = realm()?;
        let written = realm["users"].as_array().cloned().unwrap_or_default();
        let blanks = others.into_iter().filter(|name| name.starts_with(BLANK)).collect();
        let blanks = Arc::new(Blanks::new(blanks, &realm));
        let (free, lent) = (Mutex::new(free), AtomicU32::new(0));
        Ok(Self { server, token, free, next, lent, people, written, blanks })
    }

    /// Lends a realm in which only the people of the template are, as they are there.
    pub(crate) fn lease(self: &Arc<Self>) -> Result<Lease> {
        loop {
            let found = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let name = match found {
                None => self.make()?,
                Some((name, State::New)) => {
                    KeycloakAdmin::at(&self.server.address(), &name, &self.token).warm_up()?;
                    name
                }
                Some((name, State::Unchanged)) => name,
                Some((name, State::Changed)) => match self.clean(&name) {
                    Ok(true) => name,
                    Ok(false) => continue,
                    Err(Failure(failure)) => {
                        eprintln!("realm {name} is given up: {failure}");
                        continue;
                    }
                },
            };
            let number = self.lent.fetch_add(1, Ordering::Relaxed);
            return Ok(Lease { realms: Arc::clone(self), name, number, changes: Arc::default() });
        }
    }

    /// Makes one copy more.
    fn make(&self) -> Result<String> {
        let name = format!("{REALM}-{}", self.next.fetch_add(1, Ordering::Relaxed));
        let mut realm = realm()?;
        realm["realm"] = name.clone().into();
        let admin = KeycloakAdmin::at(&self.server.address(), &name, &self.token).with_blanks(&self.blanks);
        admin.make_realm(&realm)?;
        admin.warm_up()?;
        Ok(name)
    }

    /// Removes whoever is not of the template, and puts back whoever is not as there. Says no if that is too much.
    fn clean(&self, name: &str) -> Result<bool> {
        let admin = KeycloakAdmin::at(&self.server.address(), name, &self.token);
        let now = admin.people()?;
        let same = |one: &Value, other: &Value| {
            ["username", "email", "enabled", "emailVerified", "firstName", "lastName", "attributes"]
                .iter()
                .all(|key| one[key] == other[key])
        };
        let others: Vec<_> =
            now.iter().filter(|person| !self.people.iter().any(|own| same(own, person))).collect();
        if others.len() > MOST_TO_REMOVE {
            return Ok(false);
        }
        for person in others {
            admin.delete_id(person["id"].as_str().unwrap_or_default())?;
        }
        let lost = self.people.iter().filter(|own| !now.iter().any(|person| same(own, person)));
        let name_of = |person: &Value| person["username"].as_str().unwrap_or_default().to_lowercase();
        let lost: Vec<String> = lost.map(name_of).collect();
        let again: Vec<Value> =
            self.written.iter().filter(|person| lost.contains(&name_of(person))).cloned().collect();
        if !again.is_empty() {
            admin.import(&again)?;
        }
        Ok(true)
    }
}

/// Not only the very first answers of a server take longer than a login may: Java compiles what is used often.
fn become_quick(admin: &KeycloakAdmin) -> Result<()> {
    let (since, mut in_a_row) = (Instant::now(), 0);
    while in_a_row < QUICK_ANSWERS && since.elapsed() < LONGEST_WARM_UP {
        let began = Instant::now();
        admin.warm_up()?;
        in_a_row = if began.elapsed() < QUICK { in_a_row + 1 } else { 0 };
    }
    Ok(())
}

/// The realm as `tests/setup` imports it.
fn realm() -> Result<Value> {
    let path = source_tree().join(seed::REALM);
    let text = attempt("read", &path, fs::read_to_string(&path))?;
    attempt("read", &path, serde_json::from_str(&text))
}

impl Lease {
    pub(crate) fn server(&self) -> &Server {
        &self.realms.server
    }

    pub(crate) fn token(&self) -> &Arc<Token> {
        &self.realms.token
    }

    pub(crate) fn blanks(&self) -> &Arc<Blanks> {
        &self.realms.blanks
    }

    pub(crate) fn changes(&self) -> &Arc<RealmChanges> {
        &self.changes
    }

    pub(crate) fn names(&self) -> Names {
        let suffix = format!("-of-{}", self.number);
        Names { realm: Some(self.name.clone()), suffix, database: None }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.changes.in_settings() {
            let name = std::mem::take(&mut self.name);
            let state = if self.changes.in_people() { State::Changed } else { State::Unchanged };
            self.realms.free.lock().unwrap_or_else(PoisonError::into_inner).push((name, state));
        }
    }
}
