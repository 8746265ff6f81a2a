//! The realm's public keys: fetched when the first token comes, and again when one names a key that is not known.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

// Tokio's clock instead of std's: tests move it.
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::http::fetch;
use super::{Client, Error};
use crate::auth::Denial;
use crate::token::{Keys, Signer, Token};

const CALL: &str = "the request for the realm's keys";
/// A key that the realm has withdrawn counts no longer than this, while Keycloak can be asked.
const LIFETIME: Duration = Duration::from_secs(3600);
/// After keys were fetched for the sake of an unknown one: anybody can make up names of keys.
const PAUSE: Duration = Duration::from_secs(300);
/// After a fetch that failed.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// What can be said about the signature of a token.
#[derive(Debug, PartialEq, Eq)]
pub enum Signature {
    /// The realm has signed it.
    Right,
    /// It has not.
    Wrong(Denial),
    /// It names a key that is not known, and Keycloak was asked for its keys a moment ago.
    Paused,
}

/// The keys of one realm, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct KeyStore {
    known: RwLock<Option<Known>>,
    /// Held by whoever fetches.
    fetching: Mutex<Fetching>,
}

#[derive(Clone, Debug)]
struct Known {
    keys: Arc<Keys>,
    asked: Instant,
}

/// What keeps somebody from fetching.
#[derive(Debug, Default)]
struct Fetching {
    /// For an unknown key not before this.
    unknown_not_before: Option<Instant>,
    /// After a failure not before this, and what it was.
    failed: Option<(Instant, Error)>,
}

impl KeyStore {
    fn known(&self) -> Option<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, known: Known) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
    }
}

impl Client {
    /// Verifies a token's signature with the keys of this realm. They are remembered, so that hardly any token costs a
    /// call; while Keycloak is away, those that are known serve on.
    ///
    /// # Errors
    /// The keys cannot be had, so nobody can tell.
    pub async fn verify_signature(&self, token: &Token<'_>) -> Result<Signature, Error> {
        let began = Instant::now();
        let known = self.current_keys(began).await?;
        if let Signer::Known(key) = known.keys.signer(token) {
            return Ok(key.verify(token).map_or_else(Signature::Wrong, |()| Signature::Right));
        }
        let known = match known.asked >= began {
            // They were fetched just now.
            true => known,
            false => match self.keys_for_unknown(began).await? {
                Some(known) => known,
                None => return Ok(Signature::Paused),
            },
        };
        Ok(match known.keys.signer(token) {
            Signer::Known(key) => key.verify(token).map_or_else(Signature::Wrong, |()| Signature::Right),
            Signer::Unknown => Signature::Wrong(Denial::TokenSignature),
        })
    }

    /// The keys that are known, fetched first where there are none or where they are old.
    async fn current_keys(&self, now: Instant) -> Result<Known, Error> {
        let Some(known) = self.keys.known() else {
            let mut fetching = self.keys.fetching.lock().await;
            // Somebody else may have fetched them while we waited.
            return match self.keys.known() {
                Some(known) => Ok(known),
                None => self.fetch_keys(&mut fetching, now).await,
            };
        };
        if now.saturating_duration_since(known.asked) < LIFETIME {
            return Ok(known);
        }
        // Whoever comes meanwhile is served with what there is, and so is everybody if it fails.
        match self.keys.fetching.try_lock() {
            Ok(mut fetching) => Ok(self.fetch_keys(&mut fetching, now).await.unwrap_or(known)),
            Err(_) => Ok(known),
        }
    }

    /// The keys after one was named that is not known. `None` where they were fetched for that reason a moment ago.
    async fn keys_for_unknown(&self, now: Instant) -> Result<Option<Known>, Error> {
        let mut fetching = self.keys.fetching.lock().await;
        if let Some(known) = self.keys.known().filter(|known| known.asked >= now) {
            return Ok(Some(known));
        }
        if fetching.unknown_not_before.is_some_and(|at| now < at) {
            return Ok(None);
        }
        let known = self.fetch_keys(&mut fetching, now).await?;
        fetching.unknown_not_before = Some(known.asked + PAUSE);
        Ok(Some(known))
    }

    async fn fetch_keys(&self, fetching: &mut Fetching, now: Instant) -> Result<Known, Error> {
        if let Some((_, error)) = fetching.failed.as_ref().filter(|(until, _)| now < *until) {
            return Err(error.clone());
        }
        let asked = Instant::now();
        let request = self.http.get(self.address.keys_url());
        let keys = self.guard(fetch(CALL, request)).await.and_then(|body| {
            let what = "something that is no key set".to_owned();
            Keys::parse(&body).ok_or(Error::BadAnswer { call: CALL, what })
        });
        match keys {
            Ok(keys) => {
                let known = Known { keys: Arc::new(keys), asked };
                self.keys.set(known.clone());
                fetching.failed = None;
                Ok(known)
            }
            Err(error) => {
                fetching.failed = Some((Instant::now() + PAUSE_AFTER_FAILURE, error.clone()));
                Err(error)
            }
        }
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
