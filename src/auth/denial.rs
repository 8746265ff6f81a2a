//! Why somebody is refused: the one table of denials.

/// What a refusal says about whoever tried: they guessed.
///
/// A guess is a secret that was compared and did not fit, or a name that nobody has. Only guesses are counted by the
/// throttle, told to ban tools and listed in the filters of `docs/logging.md`; each of them asks
/// [`Denial::guess`] and has no list of its own.
///
/// No guess is a right secret that meets a switch, a demand or a second factor; a refusal before which nothing was
/// compared, since nothing is learnt by it; a secret of a form that nobody's has; and a token, which nobody guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Guess {
    /// A secret that was compared and did not fit.
    Secret,
    /// A name that nobody has.
    Name,
}

/// Makes the enum, the list and the codes out of one table, a row each: what it means, its name, the reason code of
/// log lines and metrics, and whether it is a guess.
macro_rules! denials {
    ($($(#[$meaning:meta])+ $name:ident = $code:literal, $guess:expr;)+) => {
        /// A definite no, with its reason for the log. The client never learns which.
        ///
        /// There is no conversion from any error type, on purpose.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Denial {
            $($(#[$meaning])+ $name,)+
        }

        impl Denial {
            /// Every one of them, in their order.
            pub const ALL: [Self; [$($code),+].len()] = [$(Self::$name),+];

            /// The reason code of log lines and metrics.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)+
                }
            }

            /// What was guessed, if this refuses a guess.
            #[must_use]
            pub fn guess(self) -> Option<Guess> {
                match self {
                    $(Self::$name => $guess,)+
                }
            }
        }
    };
}

denials! {
    /// A SASL mechanism that is not offered.
    MechanismUnknown = "mechanism_unknown", None;
    /// Not base64, or not what the mechanism prescribes.
    ResponseMalformed = "response_malformed", None;
    /// The exchange was given up half-way, or took too long.
    ExchangeAbandoned = "exchange_abandoned", None;
    /// No domain part, NUL, control characters, too long: such a name exists nowhere.
    NameInvalid = "name_invalid", Some(Guess::Name);
    /// Empty, longer than 1 KiB, or with a NUL: such a password exists nowhere.
    PasswordInvalid = "password_invalid", None;
    /// The authzid names somebody else.
    AuthzidForbidden = "authzid_forbidden", None;
    /// A service that keydove does not know.
    ServiceUnknown = "service_unknown", None;
    /// The domain is not hosted here.
    DomainUnknown = "domain_unknown", Some(Guess::Name);
    /// The domain is switched off in SQL.
    DomainDisabled = "domain_disabled", None;
    /// No mailbox row.
    MailboxUnknown = "mailbox_unknown", Some(Guess::Name);
    /// The mailbox row is switched off, or receives mail only.
    MailboxDisabled = "mailbox_disabled", None;
    /// A room, a group or a thing has no login.
    MailboxIsResource = "mailbox_is_resource", None;
    /// This service is switched off for this mailbox.
    ServiceForbidden = "service_forbidden", None;
    /// The mailbox belongs to an authentication source that has no main password here.
    SourceUnsupported = "source_unsupported", None;
    /// mailcow's setting `mailpassword_flow` is off: people in Keycloak log in with app passwords only.
    MailPasswordsOff = "mail_passwords_off", None;
    /// A second factor is active, so the main password alone does not open the mailbox.
    SecondFactorRequired = "second_factor_required", None;
    /// Keycloak knows nobody with this address.
    UserUnknown = "user_unknown", Some(Guess::Name);
    /// Keycloak knows more than one person with this address.
    UserConflict = "user_conflict", None;
    /// The address has another person in Keycloak than the one whose mailbox it is.
    UserReplaced = "user_replaced", None;
    /// The person is disabled in Keycloak, by an administrator or a program.
    UserDisabled = "user_disabled", None;
    /// Keycloak's brute force detection has locked the person out until an administrator enables them.
    UserLockedOut = "user_locked_out", None;
    /// The user store behind Keycloak (LDAP, Active Directory) says that the person is disabled there.
    StoreDisabled = "store_disabled", None;
    /// The user store that the person comes from is switched off in Keycloak.
    ProviderOff = "provider_off", None;
    /// The organization that manages the person is switched off in Keycloak.
    OrganizationOff = "organization_off", None;
    /// Keycloak has not verified the address, and the configuration demands it.
    EmailUnverified = "email_unverified", None;
    /// The person lacks the attribute that the configuration demands.
    AttributeMissing = "attribute_missing", None;
    /// The person lacks the realm role that the configuration demands.
    RoleMissing = "role_missing", None;
    /// The person is outside the group that the configuration demands.
    GroupMissing = "group_missing", None;
    /// There is no stored password to compare with: no attribute, an empty one, or one without a `{SCHEME}`.
    PasswordMissing = "password_missing", None;
    /// The password is wrong.
    PasswordMismatch = "password_mismatch", Some(Guess::Secret);
    /// The main password does not count here, and no app password fits.
    AppPasswordMismatch = "app_password_mismatch", Some(Guess::Secret);
    /// The app password is right, but not for this service or from this network.
    AppPasswordForbidden = "app_password_forbidden", None;
    /// The app password is right, but its time is over.
    AppPasswordExpired = "app_password_expired", None;
    /// It is no access token, is of a kind that is not taken, or its signature algorithm is not allowed.
    TokenInvalid = "token_invalid", None;
    /// The token's signature does not fit any key of the realm.
    TokenSignature = "token_signature", None;
    /// The token's time is over, or has not come yet.
    TokenExpired = "token_expired", None;
    /// The token is of another realm or server than the one that knows the person.
    TokenIssuer = "token_issuer", None;
    /// The token was made for somebody else: no audience or client of the configuration.
    TokenAudience = "token_audience", None;
    /// The token names another address.
    TokenUserMismatch = "token_user_mismatch", None;
    /// The token is of another person than the one who has the address in Keycloak now.
    TokenSubjectMismatch = "token_subject_mismatch", None;
    /// Keycloak says that the token is not active any more.
    TokenRevoked = "token_revoked", None;
    /// There is no such master user, or the password is another.
    MasterUserMismatch = "master_user_mismatch", Some(Guess::Secret);
}

impl Denial {
    /// Whether it refuses a secret that was compared and did not fit, or a name that nobody has.
    #[must_use]
    pub fn is_guess(self) -> bool {
        self.guess().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::Denial;

    /// The list is closed: whoever makes another refusal a guess changes it here, in the filters and in the manual.
    #[test]
    fn these_are_the_guesses() {
        let guesses: Vec<_> =
            Denial::ALL.into_iter().filter(|denial| denial.is_guess()).map(Denial::code).collect();
        let expected = [
            "name_invalid",
            "domain_unknown",
            "mailbox_unknown",
            "user_unknown",
            "password_mismatch",
            "app_password_mismatch",
            "master_user_mismatch",
        ];
        assert_eq!(guesses, expected);
    }
}
