//! Guessing and spraying are slowed down where they come from, and nobody else is.
//!
//! * A strike is a *different* wrong password of an account: a phone with an old one makes one strike, however often it
//!   tries (`strikes`). Strikes are counted for an account at an address and in the network around it, and accounts for
//!   the address and the network themselves, against spraying (`book`).
//! * From a limit on there is a wait, which doubles with each further strike. Meanwhile the answer is "cannot tell": no
//!   refusal, no hash, no question to anybody.
//! * Ban tools are told of each of them once, too (`repeats`).
//! * Whoever was right there not long ago is known and does not wait (`familiar`); nor does the owner elsewhere.
//! * Nodes may count together through Redis (`sharing`); no login waits for that.
//!
//! The clock is a parameter everywhere but in [`Keeper`].

mod book;
mod client_network;
mod config;
mod crowd;
mod digest;
mod familiar;
mod keeper;
mod policy;
mod repeats;
mod seal;
mod sharing;
mod strikes;
mod target;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::auth::{Denial, Secret, TempFail, TempFailReason, Username};
use book::{Book, Reach, Subject, Wrong};
use crowd::Crowd;
use digest::{Digester, Kind};
use familiar::Familiar;
use repeats::Repeats;
use sharing::{Event, Outbox};

pub use book::ListedCounter;
pub use client_network::ClientNetwork;
pub use config::{Config, LEAST_SHARED_KEY};
pub use keeper::Keeper;
pub use policy::{PolicyAnswer, PolicyRequest};
pub use repeats::{RefusedGuess, Word};
pub use target::Target;

/// A login as far as counting goes.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Whose account.
    pub user: &'a Username,
    /// Right or wrong.
    pub password: &'a Secret,
    /// The mail client's address, if the mail server told it.
    pub remote: Option<IpAddr>,
    /// When the login came in.
    pub now: Instant,
}

/// Numbers for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThrottleCounts {
    /// Counters in memory.
    pub entries: usize,
    /// About how much memory they take.
    pub bytes: usize,
    /// Accounts and places that have to wait.
    pub waiting: usize,
    /// Logins that were put off so far.
    pub throttled: u64,
}

/// Counts, and says who has to wait. Copies share their counters.
#[derive(Clone, Debug)]
pub struct Throttle(Option<Arc<Inner>>, Option<Arc<Repeats>>);

#[derive(Debug)]
struct Inner {
    config: Config,
    digester: Digester,
    familiar: Familiar,
    began: Instant,
    /// When the last wait is over, in milliseconds after `began`. Before nobody has to wait, that is all a login looks at.
    busy_until: AtomicU64,
    throttled: AtomicU64,
    state: Mutex<State>,
    outbox: Option<Outbox>,
}

struct State {
    book: Book,
    crowd: Crowd,
    /// Passwords that are being looked at, each once.
    pending: HashMap<(Username, ClientNetwork), Vec<u64>>,
}

impl Throttle {
    /// With these settings. `now` is the begin of its time.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn new(config: &Config, now: Instant) -> Result<Self, getrandom::Error> {
        // Ban tools are told once also where nobody has to wait.
        let repeats = Some(Arc::new(Repeats::new(config.forget_after.get())?));
        if !config.enabled {
            return Ok(Self(None, repeats));
        }
        // A node that starts learns of successes before its own time.
        let past = now.checked_sub(config.known_for.get()).unwrap_or(now);
        let state = State { book: Book::new(config), crowd: Crowd::default(), pending: HashMap::new() };
        Ok(Self(
            Some(Arc::new(Inner {
                digester: Digester::new()?,
                familiar: Familiar::new(past),
                began: now,
                busy_until: AtomicU64::new(0),
                throttled: AtomicU64::new(0),
                state: Mutex::new(state),
                outbox: config.shared.then(Outbox::default),
                config: config.clone(),
            })),
            repeats,
        ))
    }

    /// One that counts nothing and remembers nothing.
    #[must_use]
    pub fn disabled() -> Self {
        Self(None, None)
    }

    /// Whether this account may be tried from there now. One look at one number while nobody has to wait.
    ///
    /// # Errors
    /// [`TempFailReason::Throttled`]
    pub fn admit(&self, user: &Username, remote: Option<IpAddr>, now: Instant) -> Result<(), TempFail> {
        let Some(inner) = &self.0 else { return Ok(()) };
        if self.makes_nobody_wait(now) {
            return Ok(());
        }
        inner.wait(user, ClientNetwork::narrow(remote), now).map_or(Ok(()), |wait| Err(inner.put_off(wait)))
    }

    /// Whether nobody has to wait anywhere, so that [`admit`](Self::admit) lets everybody try.
    #[must_use]
    pub fn makes_nobody_wait(&self, now: Instant) -> bool {
        self.0.as_ref().is_none_or(|inner| inner.makes_nobody_wait(now))
    }

    /// Before a password is looked at that nobody knows yet: many at once must not get past the limit.
    ///
    /// # Errors
    /// [`TempFailReason::Throttled`]
    pub fn enter(&self, attempt: &Attempt<'_>) -> Result<Option<Pending>, TempFail> {
        let Some(inner) = &self.0 else { return Ok(None) };
        let place = ClientNetwork::narrow(attempt.remote);
        if inner.is_trusted(place) || inner.knows(attempt.user, place, attempt.now) {
            return Ok(None);
        }
        let digest = inner.digester.digest(Kind::Password, attempt.user, attempt.password.expose());
        let key = (attempt.user.clone(), place);
        let mut state = inner.lock();
        let (strikes, is_old) = state.book.strikes(attempt.user, place, digest);
        let pending = state.pending.get(&key).map_or(&[][..], Vec::as_slice);
        if is_old || pending.contains(&digest) {
            return Ok(None);
        }
        // Whoever has waited may try once more.
        if pending.len() >= inner.config.guesses.saturating_sub(strikes).max(1) {
            drop(state);
            return Err(inner.put_off(Duration::ZERO));
        }
        state.pending.entry(key.clone()).or_default().push(digest);
        drop(state);
        Ok(Some(Pending { inner: Arc::clone(inner), key, digest }))
    }

    /// Counts a refusal, if it is a guess.
    pub fn note_refused(&self, attempt: &Attempt<'_>, denial: Denial) {
        let Some(inner) = &self.0 else { return };
        if denial.is_guess() {
            let digest = inner.digester.digest(Kind::Password, attempt.user, attempt.password.expose());
            inner.strike(attempt.user, attempt.remote, digest, attempt.now);
        }
    }

    /// Whether ban tools were told of this guess within `forget_after`. If not, they are to be told of it now, by
    /// whoever asks.
    #[must_use]
    pub fn has_told(&self, guess: &RefusedGuess<'_>) -> bool {
        self.1.as_ref().is_some_and(|repeats| repeats.has_told(guess))
    }

    /// Takes a success down: whoever was right is known there.
    pub fn note_accepted(&self, user: &Username, remote: Option<IpAddr>, now: Instant) {
        let Some(inner) = &self.0 else { return };
        inner.welcome(user, ClientNetwork::narrow(remote), now, true);
    }

    /// What counts at the moment.
    #[must_use]
    pub fn list(&self, now: Instant) -> Vec<ListedCounter> {
        self.0.as_ref().map_or_else(Vec::new, |inner| inner.lock().book.list(now))
    }

    /// Forgets what is counted about an account, an address or a network, or everything; here and on the other nodes.
    pub fn clear(&self, target: &Target) -> usize {
        let Some(inner) = &self.0 else { return 0 };
        inner.send(|| Event::Clear { target: target.to_text() });
        inner.clear(target)
    }

    /// Numbers for metrics.
    #[must_use]
    pub fn counts(&self) -> ThrottleCounts {
        let Some(inner) = &self.0 else { return ThrottleCounts::default() };
        let state = inner.lock();
        let (entries, bytes) = state.book.size();
        ThrottleCounts {
            entries,
            bytes,
            waiting: state.book.waiting(),
            throttled: inner.throttled.load(Relaxed),
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock, and counters have no half-way state that matters here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn millis(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.began).as_millis() as u64
    }

    fn is_trusted(&self, place: ClientNetwork) -> bool {
        self.config.trusted.iter().any(|network| place.is_in(network))
    }

    fn knows(&self, user: &Username, place: ClientNetwork, now: Instant) -> bool {
        self.familiar.knows(user, place, now, self.config.known_for.get())
    }

    fn wait(&self, user: &Username, narrow: ClientNetwork, now: Instant) -> Option<Duration> {
        if self.is_trusted(narrow) {
            return None;
        }
        self.lock().book.wait(user, narrow, now, |place| self.knows(user, place, now))
    }

    fn put_off(&self, wait: Duration) -> TempFail {
        self.throttled.fetch_add(1, Relaxed);
        let seconds = wait.as_secs() + 1;
        let detail =
            format!("too much was wrong from there; {seconds} s to wait, see `keydove throttle list`");
        TempFail::new(TempFailReason::Throttled, detail)
    }

    /// Counts what was wrong here.
    fn strike(&self, user: &Username, remote: Option<IpAddr>, digest: u64, now: Instant) {
        let place = ClientNetwork::narrow(remote);
        if self.is_trusted(place) || self.knows(user, place, now) {
            return;
        }
        let (reach, gateway) = {
            let mut state = self.lock();
            // Each account once, or one phone would look like a crowd.
            let is_first = state.book.strikes(user, place, digest).0 == 0;
            let gateway = if is_first { state.crowd.see(place) } else { None };
            let reach = match (self.knows(user, place.wide(), now), state.crowd.is_gateway(place)) {
                (true, _) => Reach::Address,
                (false, true) => Reach::Account,
                (false, false) => Reach::Everything,
            };
            if reach == Reach::Account {
                // What was counted before it was known for a gateway would go on to count against everybody.
                state.book.clear(|user, at| user.is_none() && (at == place || at == place.wide()));
            }
            (reach, gateway)
        };
        warn_of_gateway(gateway);
        let wrong = Wrong { user: user.clone(), place, digest, reach };
        self.send(|| Event::of(&wrong));
        self.count(&wrong, now);
    }

    fn makes_nobody_wait(&self, now: Instant) -> bool {
        let busy_until = self.busy_until.load(Relaxed);
        // Mostly nobody has guessed since the start, and then the time does not matter.
        busy_until == 0 || busy_until <= self.millis(now)
    }

    /// Counts what was wrong here or on another node.
    fn count(&self, wrong: &Wrong, at: Instant) {
        let (began, until) = self.lock().book.add(wrong, at);
        if let Some(until) = until {
            self.busy_until.fetch_max(self.millis(until), Relaxed);
        }
        for Subject { user, place } in began {
            match user {
                Some(user) => tracing::warn!(
                    user = user.as_str(),
                    place = %place.shown(),
                    "many different passwords were wrong; logins of this account from there have to wait"
                ),
                None => tracing::warn!(
                    place = %place.shown(),
                    "many accounts were tried in vain; logins from there have to wait, but of those who are known there"
                ),
            }
        }
    }

    /// `is_own`: it happened here, so that the other nodes do not know yet.
    fn welcome(&self, user: &Username, narrow: ClientNetwork, at: Instant, is_own: bool) {
        let is_new = self.familiar.note(user, narrow, at);
        if !is_new && self.makes_nobody_wait(at) {
            return;
        }
        self.familiar.note(user, narrow.wide(), at);
        let mut state = self.lock();
        state.book.forgive(user, narrow);
        let gateway = if is_new { state.crowd.see(narrow) } else { None };
        drop(state);
        warn_of_gateway(gateway.filter(|place| !self.is_trusted(*place)));
        if is_own && is_new {
            self.send(|| Event::Right { user: user.as_str().to_owned(), place: narrow });
        }
    }

    fn clear(&self, target: &Target) -> usize {
        self.lock().book.clear(|user, place| target.concerns(user, place))
    }

    fn send(&self, event: impl FnOnce() -> Event) {
        if let Some(outbox) = &self.outbox {
            outbox.put(event());
        }
    }
}

fn warn_of_gateway(gateway: Option<ClientNetwork>) {
    if let Some(place) = gateway {
        tracing::warn!(
            place = %place.shown(),
            "nearly all logins come from one private address, so it is nobody's own: it is not throttled as a whole; name \
             it under [throttle] trusted, and let the mail server see its clients' addresses"
        );
    }
}

/// A password that is being looked at; until this is dropped.
#[derive(Debug)]
pub struct Pending {
    inner: Arc<Inner>,
    key: (Username, ClientNetwork),
    digest: u64,
}

impl Drop for Pending {
    fn drop(&mut self) {
        let mut state = self.inner.lock();
        let Some(digests) = state.pending.get_mut(&self.key) else { return };
        digests.retain(|digest| *digest != self.digest);
        if digests.is_empty() {
            state.pending.remove(&self.key);
        }
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("size", &self.book.size()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
