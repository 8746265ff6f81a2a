//! Why nobody can tell: the one table of temporary failures.

use std::fmt;

use super::ProvisionRefusal;

/// Why we cannot tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TempFail {
    /// The kind of trouble, for metrics and the log.
    pub reason: TempFailReason,
    /// What was attempted, on what, and what went wrong. Never holds a secret.
    pub detail: String,
}

impl TempFail {
    /// A temporary failure with its story.
    #[must_use]
    pub fn new(reason: TempFailReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// Whether it is about one stored hash that matches nothing today and tomorrow, until somebody sets it anew.
    #[must_use]
    pub fn can_never_match(&self) -> bool {
        matches!(self.reason, TempFailReason::HashUnusable | TempFailReason::HashTooCostly)
    }

    /// Whether it is about one stored hash, so that another may still do: it is of no use, or cannot be seen.
    #[must_use]
    pub fn is_of_one_hash(&self) -> bool {
        use TempFailReason::{HashTooCostly, HashUnusable, KeycloakAttributeHidden};
        matches!(self.reason, HashUnusable | HashTooCostly | KeycloakAttributeHidden)
    }
}

impl fmt::Display for TempFail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.code(), self.detail)
    }
}

/// Makes the enum, the list and the codes out of one table, a row each: what it means, its name, and the reason code of
/// log lines and metrics. The rules against making a mailbox have a table of their own.
macro_rules! temp_fails {
    ($($(#[$meaning:meta])+ $name:ident = $code:literal;)+) => {
        /// The kinds of ignorance.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum TempFailReason {
            $($(#[$meaning])+ $name,)+
            /// The password is right, but a rule stands against making the mailbox.
            Provisioning(ProvisionRefusal),
        }

        impl TempFailReason {
            /// Those that are no rule against making a mailbox.
            const PLAIN: [Self; [$($code),+].len()] = [$(Self::$name),+];

            /// The reason code of log lines and metrics.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)+
                    Self::Provisioning(refusal) => refusal.reason_code(),
                }
            }
        }
    };
}

temp_fails! {
    /// The name of Keycloak's host does not resolve.
    KeycloakDns = "keycloak_dns";
    /// Nobody listens at Keycloak's address, or the network is unreachable.
    KeycloakRefused = "keycloak_refused";
    /// The connection broke before the answer was complete.
    KeycloakReset = "keycloak_reset";
    /// No answer in time.
    KeycloakTimeout = "keycloak_timeout";
    /// The TLS handshake failed, a certificate that is not trusted included.
    KeycloakTls = "keycloak_tls";
    /// HTTP 401: wrong client id or secret, or a token that is not accepted.
    KeycloakUnauthorized = "keycloak_401";
    /// HTTP 403: the service account lacks `view-users`, or the realm is disabled.
    KeycloakForbidden = "keycloak_403";
    /// HTTP 404: wrong realm or base path.
    KeycloakNotFound = "keycloak_404";
    /// HTTP 429.
    KeycloakRateLimited = "keycloak_429";
    /// HTTP 5xx.
    KeycloakServerError = "keycloak_5xx";
    /// Any other status, HTML, cut-off JSON, or JSON of another shape.
    KeycloakBadAnswer = "keycloak_bad_answer";
    /// Nobody of a sample of people shows the password attribute: it is hidden, or its name is misspelt.
    KeycloakAttributeHidden = "keycloak_attribute_hidden";
    /// A user store behind Keycloak (LDAP, Active Directory) does not answer, or did not a moment ago.
    KeycloakStoreDown = "keycloak_store_down";
    /// Keycloak's settings in mailcow's table are incomplete or of no use; or its client is set up so that it says nothing
    /// about tokens.
    KeycloakSettings = "keycloak_settings";
    /// The database cannot be reached.
    SqlUnreachable = "sql_unreachable";
    /// The database did not answer in time.
    SqlTimeout = "sql_timeout";
    /// The database refused the statement, or a row has an impossible value.
    SqlError = "sql_error";
    /// The stored hash is cut off, of an unknown scheme, or of a scheme that is not allowed.
    HashUnusable = "hash_unusable";
    /// The stored hash costs more than the cap.
    HashTooCostly = "hash_too_costly";
    /// The password or token does not fit what is known, which may be out of date, and the source was asked a moment ago.
    RefetchPaused = "refetch_paused";
    /// Too many passwords are waiting to be hashed.
    HashingOverload = "hashing_overload";
    /// The mailbox has more app passwords than are tried at once; the next attempt goes on with the others.
    AppPasswordsUntried = "app_passwords_untried";
    /// Too much was wrong from there; nothing was looked at.
    Throttled = "throttled";
    /// The file of master users cannot be read, is open to others, or has a line of another form.
    MasterUsersFile = "master_users_file";
    /// The login as a whole took too long.
    Deadline = "deadline";
    /// keydove is stopping.
    Stopping = "stopping";
}

impl TempFailReason {
    /// Every one of them, in an order that stays while the process runs.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::PLAIN.into_iter().chain(ProvisionRefusal::ALL.map(Self::Provisioning))
    }

    /// Its place in [`all`](Self::all).
    #[must_use]
    pub fn index(self) -> usize {
        Self::all().position(|reason| reason == self).unwrap_or_default()
    }
}
