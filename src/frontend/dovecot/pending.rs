//! Successful logins that wait for a mail process to redeem them.

use std::collections::hash_map::Entry as Place;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use foldhash::HashMap;
use subtle::ConstantTimeEq;

use crate::auth::{Mechanism, UserFields, Username};

/// How long a success waits; Dovecot's own auth server waits as long.
const LIFETIME: Duration = Duration::from_secs(150);

/// The secret of one client connection (128 bits). Whoever redeems a login must know it.
#[derive(Clone, Copy)]
pub struct Cookie([u8; 16]);

impl Cookie {
    /// Takes 128 random bits.
    #[must_use]
    pub fn new(bits: [u8; 16]) -> Self {
        Self(bits)
    }

    /// Reads 32 hexadecimal digits.
    #[must_use]
    pub fn parse(hex: &[u8]) -> Option<Self> {
        if hex.len() != 32 {
            return None;
        }
        let mut bits = [0; 16];
        for (byte, digits) in bits.iter_mut().zip(hex.chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).ok()?;
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(Self(bits))
    }

    /// The 32 lower-case digits of the handshake.
    #[must_use]
    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn matches(self, other: Self) -> bool {
        bool::from(self.0.ct_eq(&other.0))
    }
}

impl std::fmt::Debug for Cookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cookie(..)")
    }
}

/// A success, with all that the mail process will be told.
#[derive(Clone, Debug)]
pub struct PendingLogin {
    /// The mailbox.
    pub user: Username,
    /// Where it lives.
    pub fields: UserFields,
    /// Who opens it in the person's place, for the `master_user` field.
    pub master_user: Option<Box<str>>,
    /// For the `auth_mech` field.
    pub mechanism: Mechanism,
}

/// The table of successes, shared by all client and master connections.
///
/// Keyed by (CPID, request id) as `REQUEST` names them; several connections may claim one CPID (a plain
/// `auth-client` socket does not check), so the cookie decides among them.
#[derive(Clone, Debug, Default)]
pub struct PendingLogins(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    table: Mutex<Table>,
    /// A mail process has connected.
    is_redeemed: AtomicBool,
}

type Table = HashMap<(u32, u32), Entries>;

/// Those of one key: nearly always one, which needs no vector.
#[derive(Debug)]
struct Entries {
    first: Entry,
    more: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    cookie: Cookie,
    expires: Instant,
    login: PendingLogin,
}

impl Entries {
    fn iter(&self) -> impl Iterator<Item = &Entry> {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// A connection has one success of a key: its newest.
    fn put(&mut self, entry: Entry) {
        let mut all = std::iter::once(&mut self.first).chain(&mut self.more);
        match all.find(|known| known.cookie.matches(entry.cookie)) {
            Some(known) => *known = entry,
            None => self.more.push(entry),
        }
    }
}

impl PendingLogins {
    /// Remembers a success until it is redeemed, forgotten, or 150 s old.
    pub fn remember(&self, key: (u32, u32), cookie: Cookie, login: PendingLogin, now: Instant) {
        let entry = Entry { cookie, expires: now + LIFETIME, login };
        match self.lock().entry(key) {
            Place::Vacant(place) => drop(place.insert(Entries { first: entry, more: Vec::new() })),
            Place::Occupied(mut place) => place.get_mut().put(entry),
        }
    }

    /// Hands a success out, once.
    #[must_use]
    pub fn redeem(&self, key: (u32, u32), cookie: Cookie, now: Instant) -> Option<PendingLogin> {
        self.take(key, cookie).filter(|entry| entry.expires > now).map(|entry| entry.login)
    }

    /// Drops a success whose client cancelled it or left. Says whether there was one.
    pub fn forget(&self, key: (u32, u32), cookie: Cookie) -> bool {
        self.take(key, cookie).is_some()
    }

    /// Whether a success still waits.
    #[must_use]
    pub fn contains(&self, key: (u32, u32), cookie: Cookie) -> bool {
        self.lock().get(&key).is_some_and(|entries| entries.iter().any(|entry| entry.cookie.matches(cookie)))
    }

    /// Takes down that somebody has come who redeems logins.
    pub fn note_redeemer(&self) {
        self.0.is_redeemed.store(true, Ordering::Relaxed);
    }

    /// Whether anybody who redeems logins has ever come.
    #[must_use]
    pub fn is_ever_redeemed(&self) -> bool {
        self.0.is_redeemed.load(Ordering::Relaxed)
    }

    /// How many successes wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().values().map(|entries| 1 + entries.more.len()).sum()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn take(&self, key: (u32, u32), cookie: Cookie) -> Option<Entry> {
        let mut table = self.lock();
        let Place::Occupied(mut place) = table.entry(key) else { return None };
        let entries = place.get_mut();
        if let Some(found) = entries.more.iter().position(|entry| entry.cookie.matches(cookie)) {
            return Some(entries.more.swap_remove(found));
        }
        if !entries.first.cookie.matches(cookie) {
            return None;
        }
        match entries.more.pop() {
            Some(other) => Some(std::mem::replace(&mut entries.first, other)),
            None => Some(place.remove().first),
        }
    }

    /// A poisoned lock still guards a sound map: no operation above can stop half-way.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test's clock may start anywhere")]
mod tests {
    use super::*;

    fn login(name: &str) -> PendingLogin {
        PendingLogin {
            user: Username::parse(name.as_bytes()).unwrap(),
            fields: UserFields::default(),
            master_user: None,
            mechanism: Mechanism::Plain,
        }
    }

    #[test]
    fn a_success_is_handed_out_once() {
        let (table, cookie, now) = (PendingLogins::default(), Cookie::new([7; 16]), Instant::now());
        table.remember((10, 1), cookie, login("a@example.org"), now);
        assert_eq!(table.redeem((10, 1), cookie, now).unwrap().user.as_str(), "a@example.org");
        assert!(table.redeem((10, 1), cookie, now).is_none());
        assert!(table.is_empty());
    }

    #[test]
    fn a_wrong_cookie_gets_nothing_and_spoils_nothing() {
        let (table, cookie, now) = (PendingLogins::default(), Cookie::new([7; 16]), Instant::now());
        table.remember((10, 1), cookie, login("a@example.org"), now);
        assert!(table.redeem((10, 1), Cookie::new([8; 16]), now).is_none());
        assert!(table.redeem((10, 2), cookie, now).is_none());
        assert!(table.redeem((11, 1), cookie, now).is_none());
        assert!(table.redeem((10, 1), cookie, now).is_some());
    }

    #[test]
    fn two_connections_that_claim_one_cpid_do_not_mix() {
        let (table, now) = (PendingLogins::default(), Instant::now());
        let (one, other) = (Cookie::new([1; 16]), Cookie::new([2; 16]));
        table.remember((10, 1), one, login("a@example.org"), now);
        table.remember((10, 1), other, login("b@example.org"), now);
        assert_eq!(table.len(), 2);
        assert_eq!(table.redeem((10, 1), other, now).unwrap().user.as_str(), "b@example.org");
        assert_eq!(table.redeem((10, 1), one, now).unwrap().user.as_str(), "a@example.org");
    }

    #[test]
    fn an_old_success_is_worth_nothing() {
        let (table, cookie, now) = (PendingLogins::default(), Cookie::new([7; 16]), Instant::now());
        table.remember((10, 1), cookie, login("a@example.org"), now);
        assert!(table.redeem((10, 1), cookie, now + LIFETIME).is_none());
    }

    #[test]
    fn a_cookie_is_read_back_from_its_hex_form_only() {
        let cookie = Cookie::new(*b"0123456789abcdef");
        assert!(Cookie::parse(cookie.to_hex().as_bytes()).unwrap().matches(cookie));
        for bad in ["", "12", "+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1", "zz23456789abcdef0123456789abcdef"] {
            assert!(Cookie::parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
