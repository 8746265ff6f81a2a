//! What the clients know: people, app passwords, sessions, and what became of them.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::schedule::Dice;
use crate::tokens::Token;

/// The last so many of a kind are tried most: it is they about which nodes could disagree.
const RECENT: usize = 4;

/// How an app password stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It opens.
    Open,
    /// It was revoked.
    Revoked,
    /// A revocation had no answer.
    Unknown,
}

/// An app password whose text is known.
#[derive(Clone, Debug)]
pub struct AppPassword {
    /// The mailbox.
    pub user: String,
    /// Its name, like no other's.
    pub name: String,
    /// What is typed.
    pub password: String,
    /// What became of it.
    pub standing: Standing,
}

/// A session of the portal.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its name in the history.
    pub name: String,
    /// What stands for a cookie.
    pub cookie: String,
    /// Whether somebody has tried to end it.
    pub ended: bool,
}

/// Shared by all clients.
pub struct Book {
    /// Who has a mailbox from the beginning.
    pub residents: Vec<String>,
    /// Their ids in Keycloak, in the same order.
    pub ids: Vec<String>,
    /// Of some of them.
    pub tokens: Vec<Token>,
    passwords: Mutex<Vec<AppPassword>>,
    sessions: Mutex<Vec<Session>>,
    disabled: Mutex<BTreeSet<String>>,
    arrived: Mutex<Vec<String>>,
}

impl Book {
    /// Nobody has done anything yet.
    #[must_use]
    pub fn new(residents: Vec<String>, ids: Vec<String>, tokens: Vec<Token>) -> Self {
        Self {
            residents,
            ids,
            tokens,
            passwords: Mutex::default(),
            sessions: Mutex::default(),
            disabled: Mutex::default(),
            arrived: Mutex::default(),
        }
    }

    /// All app passwords.
    pub fn passwords(&self) -> MutexGuard<'_, Vec<AppPassword>> {
        lock(&self.passwords)
    }

    /// All sessions.
    pub fn sessions(&self) -> MutexGuard<'_, Vec<Session>> {
        lock(&self.sessions)
    }

    /// Whom Keycloak was told to disable.
    pub fn disabled(&self) -> MutexGuard<'_, BTreeSet<String>> {
        lock(&self.disabled)
    }

    /// Newcomers who have come.
    pub fn arrived(&self) -> MutexGuard<'_, Vec<String>> {
        lock(&self.arrived)
    }

    /// One of the last app passwords that stand so; the owner is not disabled.
    pub fn recent(&self, standing: Standing, dice: &mut Dice) -> Option<AppPassword> {
        let disabled = self.disabled().clone();
        let passwords = self.passwords();
        let fits = |one: &&AppPassword| one.standing == standing && !disabled.contains(&one.user);
        let found: Vec<_> = passwords.iter().rev().filter(fits).take(RECENT).collect();
        pick(&found, dice).map(|found| (*found).clone())
    }

    /// One of the last sessions.
    pub fn recent_session(&self, dice: &mut Dice) -> Option<Session> {
        let sessions = self.sessions();
        let found: Vec<_> = sessions.iter().rev().take(RECENT).collect();
        pick(&found, dice).map(|found| (*found).clone())
    }
}

/// One of several.
pub fn pick<'a, T>(of: &'a [T], dice: &mut Dice) -> Option<&'a T> {
    of.get(dice.below(of.len()))
}

/// No code panics while it holds a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
