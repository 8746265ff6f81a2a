//! What all requests share.

use keydove_words::auth::Secret;

use crate::clock::Clock;
use crate::config::{Config, SecretError};
use crate::cookie::Seal;
use crate::daemon::Daemon;
use crate::guard::{Policy, SignInLimits};
use crate::sign_in::{self, Keycloak};
use crate::signing::Signing;

/// The portal's parts.
#[derive(Debug)]
pub struct App {
    /// The file.
    pub config: Config,
    /// What time it is.
    pub clock: Clock,
    /// keydove.
    pub daemon: Daemon,
    /// The realm.
    pub keycloak: Keycloak,
    /// For cookies that the portal keeps nothing about.
    pub seal: Seal,
    /// How often people sign in.
    pub limits: SignInLimits,
    /// The headers of every answer.
    pub policy: Policy,
    /// Who signs profiles, where somebody does.
    pub signing: Option<Signing>,
}

/// Why the portal cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// No HTTP to Keycloak.
    #[error(transparent)]
    Keycloak(#[from] sign_in::SetupError),
    /// No key can be made of the client's secret.
    #[error("no key can be made of the client's secret")]
    Seal,
    /// The certificate's key for profiles.
    #[error(transparent)]
    Signing(#[from] SecretError),
}

impl App {
    /// Puts the parts together; nobody is asked yet.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn new(config: Config, secret: Secret, clock: Clock) -> Result<Self, SetupError> {
        Ok(Self {
            clock,
            daemon: Daemon::new(&config.portal.daemon_socket),
            seal: Seal::new(&secret).map_err(|_| SetupError::Seal)?,
            keycloak: Keycloak::new(&config.keycloak, &config.portal.public_url, secret)?,
            limits: SignInLimits::default(),
            policy: Policy::new(&config),
            signing: config.apple.as_ref().map(Signing::new).transpose()?,
            config,
        })
    }
}
