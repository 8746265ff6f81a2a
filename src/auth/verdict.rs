//! How a decision ends.

use std::fmt;

use super::{ProvisionRefusal, UserFields, Username};

/// The end of a decision.
#[derive(Clone, Debug)]
#[must_use]
pub enum Verdict {
    /// They may.
    Accept(Grant),
    /// They may not, and we are sure.
    Refuse(Denial),
    /// We do not know; they should try again. Never counted against anybody.
    CannotTell(TempFail),
}

/// Why a step of the decision did not let a login pass.
///
/// Made from a [`Denial`] or a [`TempFail`] and from nothing else: a backend's error has to become a
/// [`TempFail`] first, so no failure can end as a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAccepted {
    /// A definite no.
    Refused(Denial),
    /// Ignorance.
    CannotTell(TempFail),
}

impl Verdict {
    /// Which password opens the mailbox, or why none does.
    ///
    /// # Errors
    /// Why not.
    pub fn into_source(self) -> Result<Source, NotAccepted> {
        match self {
            Self::Accept(grant) => Ok(grant.source),
            Self::Refuse(denial) => Err(NotAccepted::Refused(denial)),
            Self::CannotTell(trouble) => Err(NotAccepted::CannotTell(trouble)),
        }
    }
}

impl Verdict {
    /// What whoever asked is told of it. The reason stays in the log.
    #[must_use]
    pub fn told(&self) -> Told<'_> {
        match self {
            Self::Accept(grant) => Told::Yes(grant),
            Self::Refuse(_) => Told::No,
            Self::CannotTell(trouble) => match trouble.reason.telling() {
                Telling::AtOnce | Telling::Late => Told::Later,
                Telling::AsRefusal => Told::No,
            },
        }
    }

    /// Whether it is told no sooner than a refusal. What is quicker or slower than a refusal tells a stranger who exists.
    #[must_use]
    pub fn waits(&self) -> bool {
        match self {
            Self::Accept(_) => false,
            Self::Refuse(_) => true,
            Self::CannotTell(trouble) => trouble.reason.telling() != Telling::AtOnce,
        }
    }
}

/// What a mail client hears of a verdict: one of three answers, and nothing of the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// They may.
    Yes(&'a Grant),
    /// They may not.
    No,
    /// They should try again.
    Later,
}

/// How a mail client hears that nobody can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// "Try again", at once. No client can bring it about, or only with a right password.
    AtOnce,
    /// "Try again", no sooner than a refusal. A client can bring it about, for any name alike.
    Late,
    /// As a refusal. A client can bring it about only for a name that somebody has, so anything else would tell that
    /// somebody has it. To log, throttle and ban tools it stays "cannot tell".
    AsRefusal,
}

impl NotAccepted {
    /// Whether another password of the same mailbox may still open it. A hash that nobody can use says nothing about the
    /// others; any other trouble would be theirs too.
    #[must_use]
    pub fn leaves_other_ways(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::CannotTell(trouble) => trouble.is_of_one_hash(),
        }
    }
}

impl From<Denial> for NotAccepted {
    fn from(denial: Denial) -> Self {
        Self::Refused(denial)
    }
}

impl From<TempFail> for NotAccepted {
    fn from(temp_fail: TempFail) -> Self {
        Self::CannotTell(temp_fail)
    }
}

impl From<Result<Grant, NotAccepted>> for Verdict {
    fn from(end: Result<Grant, NotAccepted>) -> Self {
        match end {
            Ok(grant) => Self::Accept(grant),
            Err(NotAccepted::Refused(denial)) => Self::Refuse(denial),
            Err(NotAccepted::CannotTell(temp_fail)) => Self::CannotTell(temp_fail),
        }
    }
}

/// What an accepted login is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The mailbox, in normal form.
    pub user: Username,
    /// Who opened it with a master user's password, if it was one.
    pub master_user: Option<Box<str>>,
    /// Which password or token it was.
    pub source: Source,
    /// Where the mail lives, for the mail process that redeems the login; empty where nobody wants to know.
    pub fields: UserFields,
    /// It came through the trusted webmail, so that no service's switch counted.
    pub through_webmail: bool,
}

/// What opened the mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The attribute in Keycloak.
    Keycloak,
    /// The hash in the mailbox row (`authsource = mailcow`).
    Mailbox,
    /// The row of `app_passwd` with this id.
    AppPassword(i64),
    /// The secret by which `SOGo` logs in for people who are logged in at mailcow.
    SingleSignOn,
    /// An access token of Keycloak's.
    Token,
    /// A master user's.
    MasterUser,
}

impl Source {
    /// The name that logs use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Keycloak => "keycloak",
            Self::Mailbox => "mailbox",
            Self::AppPassword(_) => "app_password",
            Self::SingleSignOn => "single_sign_on",
            Self::Token => "token",
            Self::MasterUser => "master",
        }
    }

    /// The row of `app_passwd`, where it was one.
    #[must_use]
    pub fn app_password(self) -> Option<i64> {
        match self {
            Self::AppPassword(id) => Some(id),
            Self::Keycloak | Self::Mailbox | Self::SingleSignOn | Self::Token | Self::MasterUser => None,
        }
    }
}

/// A definite no, with its reason for the log. The client never learns which.
///
/// There is no conversion from any error type, on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Denial {
    /// A SASL mechanism that is not offered.
    MechanismUnknown,
    /// Not base64, or not what the mechanism prescribes.
    ResponseMalformed,
    /// The exchange was given up half-way, or took too long.
    ExchangeAbandoned,
    /// No domain part, NUL, control characters, too long: such a name exists nowhere.
    NameInvalid,
    /// Empty, longer than 1 KiB, or with a NUL: such a password exists nowhere.
    PasswordInvalid,
    /// The authzid names somebody else.
    AuthzidForbidden,
    /// A service that keydove does not know.
    ServiceUnknown,
    /// The domain is not hosted here.
    DomainUnknown,
    /// The domain is switched off in SQL.
    DomainDisabled,
    /// No mailbox row.
    MailboxUnknown,
    /// The mailbox row is switched off, or receives mail only.
    MailboxDisabled,
    /// A room, a group or a thing has no login.
    MailboxIsResource,
    /// This service is switched off for this mailbox.
    ServiceForbidden,
    /// The mailbox belongs to an authentication source that has no main password here.
    SourceUnsupported,
    /// mailcow's setting `mailpassword_flow` is off: people in Keycloak log in with app passwords only.
    MailPasswordsOff,
    /// A second factor is active, so the main password alone does not open the mailbox.
    SecondFactorRequired,
    /// Keycloak knows nobody with this address.
    UserUnknown,
    /// Keycloak knows more than one person with this address.
    UserConflict,
    /// The address has another person in Keycloak than the one whose mailbox it is.
    UserReplaced,
    /// The person is disabled in Keycloak.
    UserDisabled,
    /// Keycloak has not verified the address, and the configuration demands it.
    EmailUnverified,
    /// The person lacks the attribute that the configuration demands.
    AttributeMissing,
    /// The person lacks the realm role that the configuration demands.
    RoleMissing,
    /// The person is outside the group that the configuration demands.
    GroupMissing,
    /// There is no stored password to compare with: no attribute, an empty one, or one without a `{SCHEME}`.
    PasswordMissing,
    /// The password is wrong.
    PasswordMismatch,
    /// The main password does not count here, and no app password fits.
    AppPasswordMismatch,
    /// The app password is right, but not for this service or from this network.
    AppPasswordForbidden,
    /// The app password is right, but its time is over.
    AppPasswordExpired,
    /// It is no access token, is of a kind that is not taken, or its signature algorithm is not allowed.
    TokenInvalid,
    /// The token's signature does not fit any key of the realm.
    TokenSignature,
    /// The token's time is over, or has not come yet.
    TokenExpired,
    /// The token is of another realm or server than the one that knows the person.
    TokenIssuer,
    /// The token was made for somebody else: no audience or client of the configuration.
    TokenAudience,
    /// The token names another address.
    TokenUserMismatch,
    /// The token is of another person than the one who has the address in Keycloak now.
    TokenSubjectMismatch,
    /// Keycloak says that the token is not active any more.
    TokenRevoked,
    /// There is no such master user, or the password is another.
    MasterUserMismatch,
}

impl Denial {
    /// Every one of them, in their order.
    pub const ALL: [Self; 38] = [
        Self::MechanismUnknown,
        Self::ResponseMalformed,
        Self::ExchangeAbandoned,
        Self::NameInvalid,
        Self::PasswordInvalid,
        Self::AuthzidForbidden,
        Self::ServiceUnknown,
        Self::DomainUnknown,
        Self::DomainDisabled,
        Self::MailboxUnknown,
        Self::MailboxDisabled,
        Self::MailboxIsResource,
        Self::ServiceForbidden,
        Self::SourceUnsupported,
        Self::MailPasswordsOff,
        Self::SecondFactorRequired,
        Self::UserUnknown,
        Self::UserConflict,
        Self::UserReplaced,
        Self::UserDisabled,
        Self::EmailUnverified,
        Self::AttributeMissing,
        Self::RoleMissing,
        Self::GroupMissing,
        Self::PasswordMissing,
        Self::PasswordMismatch,
        Self::AppPasswordMismatch,
        Self::AppPasswordForbidden,
        Self::AppPasswordExpired,
        Self::TokenInvalid,
        Self::TokenSignature,
        Self::TokenExpired,
        Self::TokenIssuer,
        Self::TokenAudience,
        Self::TokenUserMismatch,
        Self::TokenSubjectMismatch,
        Self::TokenRevoked,
        Self::MasterUserMismatch,
    ];

    /// The reason code of log lines and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::MechanismUnknown => "mechanism_unknown",
            Self::ResponseMalformed => "response_malformed",
            Self::ExchangeAbandoned => "exchange_abandoned",
            Self::NameInvalid => "name_invalid",
            Self::PasswordInvalid => "password_invalid",
            Self::AuthzidForbidden => "authzid_forbidden",
            Self::ServiceUnknown => "service_unknown",
            Self::DomainUnknown => "domain_unknown",
            Self::DomainDisabled => "domain_disabled",
            Self::MailboxUnknown => "mailbox_unknown",
            Self::MailboxDisabled => "mailbox_disabled",
            Self::MailboxIsResource => "mailbox_is_resource",
            Self::ServiceForbidden => "service_forbidden",
            Self::SourceUnsupported => "source_unsupported",
            Self::MailPasswordsOff => "mail_passwords_off",
            Self::SecondFactorRequired => "second_factor_required",
            Self::UserUnknown => "user_unknown",
            Self::UserConflict => "user_conflict",
            Self::UserReplaced => "user_replaced",
            Self::UserDisabled => "user_disabled",
            Self::EmailUnverified => "email_unverified",
            Self::AttributeMissing => "attribute_missing",
            Self::RoleMissing => "role_missing",
            Self::GroupMissing => "group_missing",
            Self::PasswordMissing => "password_missing",
            Self::PasswordMismatch => "password_mismatch",
            Self::AppPasswordMismatch => "app_password_mismatch",
            Self::AppPasswordForbidden => "app_password_forbidden",
            Self::AppPasswordExpired => "app_password_expired",
            Self::TokenInvalid => "token_invalid",
            Self::TokenSignature => "token_signature",
            Self::TokenExpired => "token_expired",
            Self::TokenIssuer => "token_issuer",
            Self::TokenAudience => "token_audience",
            Self::TokenUserMismatch => "token_user_mismatch",
            Self::TokenSubjectMismatch => "token_subject_mismatch",
            Self::TokenRevoked => "token_revoked",
            Self::MasterUserMismatch => "master_user_mismatch",
        }
    }
}

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

/// The kinds of ignorance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TempFailReason {
    /// The name of Keycloak's host does not resolve.
    KeycloakDns,
    /// Nobody listens at Keycloak's address, or the network is unreachable.
    KeycloakRefused,
    /// The connection broke before the answer was complete.
    KeycloakReset,
    /// No answer in time.
    KeycloakTimeout,
    /// The TLS handshake failed, a certificate that is not trusted included.
    KeycloakTls,
    /// HTTP 401: wrong client id or secret, or a token that is not accepted.
    KeycloakUnauthorized,
    /// HTTP 403: the service account lacks `view-users`, or the realm is disabled.
    KeycloakForbidden,
    /// HTTP 404: wrong realm or base path.
    KeycloakNotFound,
    /// HTTP 429.
    KeycloakRateLimited,
    /// HTTP 5xx.
    KeycloakServerError,
    /// Any other status, HTML, cut-off JSON, or JSON of another shape.
    KeycloakBadAnswer,
    /// Nobody of a sample of people shows the password attribute: it is hidden, or its name is misspelt.
    KeycloakAttributeHidden,
    /// Keycloak's settings in mailcow's table are incomplete or of no use; or its client is set up so that it says nothing
    /// about tokens.
    KeycloakSettings,
    /// The database cannot be reached.
    SqlUnreachable,
    /// The database did not answer in time.
    SqlTimeout,
    /// The database refused the statement, or a row has an impossible value.
    SqlError,
    /// The stored hash is cut off, of an unknown scheme, or of a scheme that is not allowed.
    HashUnusable,
    /// The stored hash costs more than the cap.
    HashTooCostly,
    /// The password does not fit what is known, which may be out of date, and the source was asked a moment ago.
    RefetchPaused,
    /// The token names a key that is not known, and Keycloak was asked for its keys a moment ago.
    TokenKeyUnknown,
    /// Too many passwords are waiting to be hashed.
    HashingOverload,
    /// The mailbox has more app passwords than are tried at once; the next attempt goes on with the others.
    AppPasswordsUntried,
    /// The password is right, but a rule stands against making the mailbox.
    Provisioning(ProvisionRefusal),
    /// Too much was wrong from there; nothing was looked at.
    Throttled,
    /// The file of master users cannot be read, is open to others, or has a line of another form.
    MasterUsersFile,
    /// The login as a whole took too long.
    Deadline,
    /// keydove is stopping.
    Stopping,
}

impl TempFailReason {
    /// Those that are no rule against making a mailbox.
    const PLAIN: [Self; 26] = [
        Self::KeycloakDns,
        Self::KeycloakRefused,
        Self::KeycloakReset,
        Self::KeycloakTimeout,
        Self::KeycloakTls,
        Self::KeycloakUnauthorized,
        Self::KeycloakForbidden,
        Self::KeycloakNotFound,
        Self::KeycloakRateLimited,
        Self::KeycloakServerError,
        Self::KeycloakBadAnswer,
        Self::KeycloakAttributeHidden,
        Self::KeycloakSettings,
        Self::SqlUnreachable,
        Self::SqlTimeout,
        Self::SqlError,
        Self::HashUnusable,
        Self::HashTooCostly,
        Self::RefetchPaused,
        Self::TokenKeyUnknown,
        Self::HashingOverload,
        Self::AppPasswordsUntried,
        Self::Throttled,
        Self::MasterUsersFile,
        Self::Deadline,
        Self::Stopping,
    ];

    /// Every one of them, in an order that stays while the process runs.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::PLAIN.into_iter().chain(ProvisionRefusal::ALL.map(Self::Provisioning))
    }

    /// How a mail client hears of it: the one table of what a client can bring about.
    ///
    /// A fault of a backend is told at once, although during an outage it tells that a name may exist: it must never look
    /// like a refusal.
    #[must_use]
    pub fn telling(self) -> Telling {
        match self {
            Self::HashUnusable | Self::HashTooCostly | Self::RefetchPaused | Self::AppPasswordsUntried => {
                Telling::AsRefusal
            }
            Self::TokenKeyUnknown | Self::HashingOverload | Self::Throttled => Telling::Late,
            Self::KeycloakDns
            | Self::KeycloakRefused
            | Self::KeycloakReset
            | Self::KeycloakTimeout
            | Self::KeycloakTls
            | Self::KeycloakUnauthorized
            | Self::KeycloakForbidden
            | Self::KeycloakNotFound
            | Self::KeycloakRateLimited
            | Self::KeycloakServerError
            | Self::KeycloakBadAnswer
            | Self::KeycloakAttributeHidden
            | Self::KeycloakSettings
            | Self::SqlUnreachable
            | Self::SqlTimeout
            | Self::SqlError
            | Self::Provisioning(_)
            | Self::MasterUsersFile
            | Self::Deadline
            | Self::Stopping => Telling::AtOnce,
        }
    }

    /// Its place in [`all`](Self::all).
    #[must_use]
    pub fn index(self) -> usize {
        Self::all().position(|reason| reason == self).unwrap_or_default()
    }

    /// The reason code of log lines and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::KeycloakDns => "keycloak_dns",
            Self::KeycloakRefused => "keycloak_refused",
            Self::KeycloakReset => "keycloak_reset",
            Self::KeycloakTimeout => "keycloak_timeout",
            Self::KeycloakTls => "keycloak_tls",
            Self::KeycloakUnauthorized => "keycloak_401",
            Self::KeycloakForbidden => "keycloak_403",
            Self::KeycloakNotFound => "keycloak_404",
            Self::KeycloakRateLimited => "keycloak_429",
            Self::KeycloakServerError => "keycloak_5xx",
            Self::KeycloakBadAnswer => "keycloak_bad_answer",
            Self::KeycloakAttributeHidden => "keycloak_attribute_hidden",
            Self::KeycloakSettings => "keycloak_settings",
            Self::SqlUnreachable => "sql_unreachable",
            Self::SqlTimeout => "sql_timeout",
            Self::SqlError => "sql_error",
            Self::HashUnusable => "hash_unusable",
            Self::HashTooCostly => "hash_too_costly",
            Self::RefetchPaused => "refetch_paused",
            Self::TokenKeyUnknown => "token_key_unknown",
            Self::HashingOverload => "hashing_overload",
            Self::AppPasswordsUntried => "app_passwords_untried",
            Self::MasterUsersFile => "master_users_file",
            Self::Provisioning(refusal) => refusal.reason_code(),
            Self::Throttled => "throttled",
            Self::Deadline => "deadline",
            Self::Stopping => "stopping",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denials_stand_in_their_own_order() {
        for (index, denial) in Denial::ALL.into_iter().enumerate() {
            assert_eq!(denial as usize, index, "{}", denial.code());
        }
    }

    /// A reason that is missing in a list would be counted as another.
    #[test]
    fn every_code_is_in_a_list() {
        let listed: Vec<_> = Denial::ALL
            .into_iter()
            .map(Denial::code)
            .chain(TempFailReason::all().map(TempFailReason::code))
            .collect();
        let source = include_str!("verdict.rs");
        let code = |line: &'static str| Some(line.split_once(" => \"")?.1.split_once('"')?.0);
        let codes = source.lines().filter(|line| line.trim_start().starts_with("Self::")).filter_map(code);
        // The names of sources are no codes of reasons.
        let sources = ["keycloak", "mailbox", "app_password", "single_sign_on", "token", "master"];
        let missing: Vec<_> =
            codes.filter(|code| !listed.contains(code) && !sources.contains(code)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        for (index, reason) in TempFailReason::all().enumerate() {
            assert_eq!(reason.index(), index);
        }
    }
}
