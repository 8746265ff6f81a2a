//! Why Keycloak gave no usable answer.

use std::path::PathBuf;

use crate::auth::{TempFail, TempFailReason};

/// What Keycloak says with 404 when there is no user of that id; a missing realm has other words.
pub(super) const NO_SUCH_USER: &str = "User not found";

/// A call that failed. Names what was asked, never an address of a person, a token or a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The host name does not resolve.
    #[error("cannot resolve the host of {call}: {cause}")]
    Dns {
        /// What was asked.
        call: &'static str,
        /// The resolver's words.
        cause: String,
    },
    /// Nobody listens there, or the network is unreachable.
    #[error("cannot connect for {call}: {cause}; is Keycloak running, and the port right?")]
    Refused {
        /// What was asked.
        call: &'static str,
        /// The system's words.
        cause: String,
    },
    /// The connection broke before the answer was complete.
    #[error("the connection broke during {call}: {cause}")]
    Reset {
        /// What was asked.
        call: &'static str,
        /// The system's words.
        cause: String,
    },
    /// No complete answer in time.
    #[error("no answer to {call} in time")]
    Timeout {
        /// What was asked.
        call: &'static str,
    },
    /// The TLS handshake failed.
    #[error("no TLS for {call}: {cause}; for a private authority set ca_file")]
    Tls {
        /// What was asked.
        call: &'static str,
        /// The TLS library's words.
        cause: String,
    },
    /// HTTP 401, or 400 from the token endpoint.
    #[error("{call} was answered 401 ({error}): {}", unauthorized_advice(.error))]
    Unauthorized {
        /// What was asked.
        call: &'static str,
        /// Keycloak's error word, or `no reason given`.
        error: String,
    },
    /// HTTP 400 from the admin API, which does not understand the question.
    #[error(
        "{call} was answered 400 ({error}): this Keycloak does not take such a request; look at its version and at its log"
    )]
    BadRequest {
        /// What was asked.
        call: &'static str,
        /// Keycloak's words, or `no reason given`.
        error: String,
    },
    /// A user store behind Keycloak does not answer. Up to 26.3 every search of users fails with it.
    #[error(
        "the user store {store}behind Keycloak (LDAP, Active Directory) does not answer ({call}): look at that server, \
         and at the provider's connection and bind settings under User federation"
    )]
    StoreDown {
        /// What was asked.
        call: &'static str,
        /// Keycloak's id of it and a blank; empty where it is not known which.
        store: String,
    },
    /// A user store answers again, and Keycloak may still remember its people as disabled.
    #[error(
        "the user store `{store}` behind Keycloak did not answer {seconds} s ago, and Keycloak may still take its people \
         for disabled: if that lasts, clear the user cache (Realm settings, Cache) or upgrade Keycloak 26.4"
    )]
    StoreWasDown {
        /// Keycloak's id of it.
        store: String,
        /// How long ago that is.
        seconds: u64,
    },
    /// Two answers do not go together: something changed in between.
    #[error("Keycloak {what}")]
    Wavering {
        /// What it did.
        what: &'static str,
    },
    /// The search shows others, page after page, so that who is looked for may be behind them.
    #[error(
        "the user search shows too many others: look for a user store or a proxy that ignores `exact`, and at `lookup` \
         in [keycloak]"
    )]
    TooManyHits,
    /// HTTP 403.
    #[error(
        "{call} was answered 403: give the client's service account the role view-users of realm-management"
    )]
    Forbidden {
        /// What was asked.
        call: &'static str,
    },
    /// The service account is answered, but shown nobody (it holds `query-users` alone, for instance).
    #[error(
        "the user search shows nobody: give the client's service account the role view-users of realm-management"
    )]
    Blind,
    /// People are shown, and nobody of a sample shows the password attribute.
    #[error(
        "nobody in a sample of people shows the attribute `{attribute}`: declare it in the realm's user profile with \
         view for admin, or set Unmanaged Attributes there to `Only administrators can view`; or password_attribute \
         is misspelt"
    )]
    AttributeHidden {
        /// `password_attribute`.
        attribute: String,
    },
    /// HTTP 404.
    #[error(
        "{call} was answered 404 ({error}): check realm, and whether server_url needs or must lose /auth"
    )]
    NotFound {
        /// What was asked.
        call: &'static str,
        /// Keycloak's words, or `no reason given`.
        error: String,
    },
    /// HTTP 429.
    #[error("{call} was answered 429: Keycloak, or a proxy before it, limits our rate")]
    RateLimited {
        /// What was asked.
        call: &'static str,
    },
    /// HTTP 5xx.
    #[error("{call} was answered {status}")]
    ServerError {
        /// What was asked.
        call: &'static str,
        /// The status.
        status: u16,
    },
    /// It did not answer a moment ago, and is left alone for a while.
    #[error("{}", .0.detail)]
    LeftAlone(TempFail),
    /// Any other status, or a body that is not what Keycloak sends.
    #[error("{call} was answered with {what}")]
    BadAnswer {
        /// What was asked.
        call: &'static str,
        /// What is wrong with it.
        what: String,
    },
}

fn unauthorized_advice(error: &str) -> &'static str {
    match error {
        "invalid_client" => "client_id is wrong, or the client is disabled",
        "unauthorized_client" => "the client secret is wrong, or the client has no service account",
        _ => "the token is not accepted; is one address used for Keycloak everywhere, and its clock right?",
    }
}

impl Error {
    /// What a login is told.
    #[must_use]
    pub fn temp_fail(&self) -> TempFail {
        match self {
            Self::LeftAlone(trouble) => trouble.clone(),
            _ => TempFail::new(self.reason(), self.to_string()),
        }
    }

    /// The kind of trouble.
    #[must_use]
    pub fn reason(&self) -> TempFailReason {
        match self {
            Self::Dns { .. } => TempFailReason::KeycloakDns,
            Self::Refused { .. } => TempFailReason::KeycloakRefused,
            Self::Reset { .. } => TempFailReason::KeycloakReset,
            Self::Timeout { .. } => TempFailReason::KeycloakTimeout,
            Self::Tls { .. } => TempFailReason::KeycloakTls,
            Self::Unauthorized { .. } => TempFailReason::KeycloakUnauthorized,
            Self::Forbidden { .. } | Self::Blind => TempFailReason::KeycloakForbidden,
            Self::NotFound { .. } => TempFailReason::KeycloakNotFound,
            Self::RateLimited { .. } => TempFailReason::KeycloakRateLimited,
            Self::ServerError { .. } => TempFailReason::KeycloakServerError,
            Self::BadAnswer { .. } | Self::BadRequest { .. } | Self::Wavering { .. } | Self::TooManyHits => {
                TempFailReason::KeycloakBadAnswer
            }
            Self::StoreDown { .. } | Self::StoreWasDown { .. } => TempFailReason::KeycloakStoreDown,
            Self::AttributeHidden { .. } => TempFailReason::KeycloakAttributeHidden,
            Self::LeftAlone(trouble) => trouble.reason,
        }
    }
}

/// Why there can be no client.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// `ca_file` cannot be read.
    #[error("cannot read ca_file {path}: {source}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// `ca_file` is not PEM, or has no certificate.
    #[error("ca_file {path} holds no certificate in PEM form")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The HTTP or TLS library refused its settings.
    #[error("cannot set up HTTP and TLS for Keycloak: {0}")]
    Library(String),
}
