//! The connection to one realm: its calls, within their bounds.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
// Tokio's clock instead of std's: tests move it.
use tokio::time::Instant;

use super::account::Races;
use super::attribute::AttributeSight;
use super::config::{Address, Config, LookupBy};
use super::http::{Body, fetch, parse};
use super::introspection::ActiveTokens;
use super::keys::KeyStore;
use super::person::Person;
use super::stores::Stores;
use super::token::TokenStore;
use super::{Error, SetupError};
use crate::auth::Secret;
use crate::backend::breaker::{Breaker, Condition};
use crate::observe::metrics::Calls;

/// A connection pool to one realm of one Keycloak.
#[derive(Debug)]
pub struct Client {
    pub(super) http: reqwest::Client,
    pub(super) address: Address,
    pub(super) config: Config,
    pub(super) tokens: TokenStore,
    pub(super) keys: KeyStore,
    pub(super) active: ActiveTokens,
    /// Bounds the calls under way.
    slots: Semaphore,
    pub(super) attribute: AttributeSight,
    pub(super) stores: Stores,
    pub(super) races: Races,
    events_read: Mutex<Option<Instant>>,
    breaker: Breaker,
    calls: Calls,
}

/// What a person lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unmet {
    /// `require_verified_email`
    VerifiedEmail,
    /// `required_attribute`
    Attribute,
    /// `required_role`
    Role,
    /// `required_group`
    Group,
}

impl Unmet {
    /// The setting that demands it.
    #[must_use]
    pub fn setting(self) -> &'static str {
        match self {
            Self::VerifiedEmail => "require_verified_email",
            Self::Attribute => "required_attribute",
            Self::Role => "required_role",
            Self::Group => "required_group",
        }
    }
}

#[derive(Deserialize)]
struct Role {
    name: String,
}

#[derive(Deserialize)]
struct Group {
    path: String,
}

impl Config {
    /// Verifies that a client could be set up, before its address is known.
    ///
    /// # Errors
    /// `ca_file` cannot be used.
    pub fn check_setup(&self) -> Result<(), SetupError> {
        build_http(self).map(drop)
    }
}

impl Client {
    /// Sets the client up; nobody is called yet. The address stands in the configuration, or comes from mailcow.
    ///
    /// # Errors
    /// `ca_file` cannot be used.
    pub fn new(address: Address, config: &Config, client_secret: Secret) -> Result<Self, SetupError> {
        Ok(Self {
            http: build_http(config)?,
            tokens: TokenStore::new(&address, client_secret),
            keys: KeyStore::default(),
            active: ActiveTokens::default(),
            address,
            slots: Semaphore::new(config.max_connections.max(1)),
            attribute: AttributeSight::default(),
            stores: Stores::default(),
            races: Races::default(),
            events_read: Mutex::default(),
            breaker: Breaker::default(),
            calls: Calls::default(),
            config: config.clone(),
        })
    }

    /// Fetches a token and asks for one user: whether logins could work at all.
    ///
    /// # Errors
    /// They could not.
    pub async fn check(&self) -> Result<(), Error> {
        self.make_sure_of_sight().await
    }

    /// The same with a token that is fetched for this: whether the secret still holds. The one at hand stays in use.
    ///
    /// # Errors
    /// They could not, or soon will not.
    pub async fn check_with_new_token(&self) -> Result<(), Error> {
        self.tokens.try_out(&self.http).await?;
        self.make_sure_of_sight().await
    }

    /// The same, and Keycloak is asked even if it was not long ago.
    ///
    /// # Errors
    /// It does not answer as it should.
    pub async fn probe(&self) -> Result<(), Error> {
        self.users("max=1&briefRepresentation=true").await.map(drop)
    }

    /// What the settings demand of a person beyond being enabled; `None` when nothing is missing.
    ///
    /// Roles and groups cost a call each, and only where they are demanded.
    ///
    /// # Errors
    /// Nobody can tell.
    pub async fn find_unmet(&self, person: &Person) -> Result<Option<Unmet>, Error> {
        if self.config.require_verified_email && !person.email_verified {
            return Ok(Some(Unmet::VerifiedEmail));
        }
        if !person.meets_attribute {
            return Ok(Some(Unmet::Attribute));
        }
        if let Some(role) = &self.config.required_role
            && !self.has_realm_role(person.id(), role).await?
        {
            return Ok(Some(Unmet::Role));
        }
        if let Some(group) = &self.config.required_group {
            let url = self.address.user_url(person.id(), "groups?briefRepresentation=true&max=-1");
            let groups: Vec<Group> = self.read("the groups of a person", &url).await?;
            if !groups.iter().any(|joined| is_within(&joined.path, group)) {
                return Ok(Some(Unmet::Group));
            }
        }
        Ok(None)
    }

    /// Whether a person has a role of the realm now: given to them, by a group, or by another role.
    ///
    /// # Errors
    /// Nobody can tell.
    pub async fn has_realm_role(&self, id: &str, role: &str) -> Result<bool, Error> {
        let url = self.address.user_url(id, "role-mappings/realm/composite");
        let roles: Vec<Role> = self.read("the roles of a person", &url).await?;
        Ok(roles.iter().any(|held| held.name == *role))
    }

    /// Whether anybody at all is shown.
    pub(super) async fn make_sure_of_sight(&self) -> Result<(), Error> {
        match self.users("max=1&briefRepresentation=true").await?.is_empty() {
            true => Err(Error::Blind),
            false => Ok(()),
        }
    }

    /// Asks, and reads the answer as JSON.
    pub(super) async fn read<T: DeserializeOwned>(&self, call: &'static str, url: &str) -> Result<T, Error> {
        parse(call, &self.call(call, url).await?)
    }

    /// Where it is asked, and as whom.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// One call of the admin API. A token that is not accepted is replaced once, then believed.
    async fn call(&self, call: &'static str, url: &str) -> Result<Body, Error> {
        self.guard(self.call_now(call, url, None)).await
    }

    /// One call of any kind: within the bounds, counted, and not while Keycloak is left alone.
    pub(super) async fn guard<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        // The semaphore is never closed; were it, unbounded calls would be the lesser evil.
        let _slot = self.slots.acquire().await.ok();
        let began = Instant::now();
        let permit = self.breaker.admit(began).map_err(Error::LeftAlone)?;
        let end = work.await;
        self.calls.count(end.as_ref().map(drop).map_err(Error::reason), began.elapsed());
        let verdict = match &end {
            // Keycloak itself has answered; it is not left alone for what is behind it.
            Ok(_) | Err(Error::StoreDown { .. }) => Ok(()),
            Err(error) => Err(error.temp_fail()),
        };
        self.breaker.report(permit, &verdict, Instant::now());
        end
    }

    /// What metrics and logs call it: `[keycloak]` has no name of its own.
    #[must_use]
    pub fn name(&self) -> &str {
        self.config.name.as_deref().filter(|name| !name.is_empty()).unwrap_or("keycloak")
    }

    /// What mailboxes remember it by; empty for `[keycloak]` without a name.
    #[must_use]
    pub fn source(&self) -> &str {
        self.config.name.as_deref().unwrap_or_default()
    }

    /// Whether the client secret and password hashes travel in the clear.
    #[must_use]
    pub fn is_in_the_clear(&self) -> bool {
        self.address.server_url.is_in_the_clear()
    }

    /// Its calls so far, each with the token that it needed.
    #[must_use]
    pub fn calls(&self) -> &Calls {
        &self.calls
    }

    /// How things stand with it.
    #[must_use]
    pub fn condition(&self) -> Condition {
        self.breaker.condition()
    }

    /// The same for a call that no login waits for; it takes none of their slots. How it ends says nothing about logins,
    /// so nobody is left alone for it. `part` is of the realm.
    pub(super) async fn read_aside<T: DeserializeOwned>(
        &self,
        call: &'static str,
        part: &str,
    ) -> Result<T, Error> {
        parse(call, &self.call_now(call, &self.address.realm_url(part), None).await?)
    }

    /// The same with a time limit of its own in place of `request_timeout`.
    pub(super) async fn read_patiently<T: DeserializeOwned>(
        &self,
        call: &'static str,
        part: &str,
        limit: Duration,
    ) -> Result<T, Error> {
        parse(call, &self.call_now(call, &self.address.realm_url(part), Some(limit)).await?)
    }

    /// Who must have issued the tokens of its people.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.address.issuer(self.config.public_url.as_ref())
    }

    /// How mail addresses find its people, and whether they must be verified.
    #[must_use]
    pub fn lookup(&self) -> (LookupBy, bool) {
        (self.config.lookup, self.config.require_verified_email)
    }

    /// How often its events are to be read; `None` is never.
    #[must_use]
    pub fn event_period(&self) -> Option<Duration> {
        Some(self.config.poll_events.get()).filter(|period| !period.is_zero())
    }

    /// Whether a change of a role or a group can change an answer.
    #[must_use]
    pub fn demands_role_or_group(&self) -> bool {
        self.config.required_role.is_some() || self.config.required_group.is_some()
    }

    /// Whose answer counts and what is demanded of people, as a text that is equal only where both are.
    pub(super) fn judgement(&self) -> String {
        let config = &self.config;
        let address = (self.address.server_url.as_str(), self.address.realm.as_str());
        let lookup = (&config.name, config.lookup, &config.lookup_attribute);
        let demands = (
            config.require_verified_email,
            &config.required_role,
            &config.required_group,
            &config.required_attribute,
        );
        format!("{:?}", (address, lookup, demands, &config.password_attribute, &config.template_attribute))
    }

    /// When its events were read to their end last.
    #[must_use]
    pub fn events_read(&self) -> Option<Instant> {
        *self.events_read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// They have been.
    pub fn note_events_read(&self, now: Instant) {
        *self.events_read.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Whether no call could begin at once, because others are under way.
    pub(super) fn is_busy(&self) -> bool {
        self.slots.available_permits() == 0
    }

    /// Whether waiting for it is likely to be in vain.
    #[must_use]
    pub fn is_troubled(&self) -> bool {
        self.breaker.is_troubled()
    }

    pub(super) async fn call_now(
        &self,
        call: &'static str,
        url: &str,
        limit: Option<Duration>,
    ) -> Result<Body, Error> {
        let loan = self.tokens.borrow(&self.http).await?;
        match self.ask(call, url, &loan.bearer, limit).await {
            Err(Error::Unauthorized { .. }) => {
                self.tokens.discard(loan.generation).await;
                let loan = self.tokens.borrow(&self.http).await?;
                self.ask(call, url, &loan.bearer, limit).await
            }
            answer => answer,
        }
    }

    async fn ask(
        &self,
        call: &'static str,
        url: &str,
        bearer: &Secret,
        limit: Option<Duration>,
    ) -> Result<Body, Error> {
        let bearer = std::str::from_utf8(bearer.expose()).unwrap_or_default();
        let mut request = self.http.get(url).bearer_auth(bearer);
        if let Some(limit) = limit {
            request = request.timeout(limit);
        }
        fetch(call, request).await
    }
}

/// Whether a group is the wanted one or stands below it.
fn is_within(path: &str, wanted: &str) -> bool {
    let wanted = wanted.trim_matches('/');
    path.trim_matches('/').strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub(super) fn build_http(config: &Config) -> Result<reqwest::Client, SetupError> {
    // One provider for the whole process; a second installation of the same one is no fault.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("keydove/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(config.connect_timeout.get())
        .timeout(config.request_timeout.get())
        .pool_max_idle_per_host(config.max_connections)
        .tls_danger_accept_invalid_certs(!config.tls_verify);
    if let Some(path) = &config.ca_file {
        builder = builder.tls_certs_merge(read_certificates(path)?);
    }
    builder.build().map_err(|error| SetupError::Library(format!("{error:?}")))
}

fn read_certificates(path: &std::path::Path) -> Result<Vec<reqwest::Certificate>, SetupError> {
    let pem = std::fs::read(path).map_err(|source| SetupError::CaFile { path: path.to_owned(), source })?;
    match reqwest::Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(SetupError::NoCertificate { path: path.to_owned() }),
    }
}
