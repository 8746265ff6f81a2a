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

/// What may have put a refusal out of date, so that it is asked for anew before anybody hears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outdated {
    /// Nothing: it holds until what is known is too old.
    Never,
    /// A mailbox, a switch or a password that was changed a moment ago.
    ByCredentials,
    /// A person who was not there a moment ago. Such a refusal does not outlast the ability to ask.
    ByArrival,
    /// Keycloak has said that the person is shut out. Whoever is let in again there gets in at the next try; everybody else
    /// stays out while nobody can tell.
    ByReturn,
}

/// What a refusal says about the main password of the mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MainPassword {
    /// Nothing, or what became of it.
    Counts,
    /// It opens nothing here, whatever it is; app passwords may.
    Off,
}

/// Makes the enum, the list and its columns out of one table, a row each: what it means, its name, the reason code of log
/// lines and metrics, whether it is a guess, what may have put it out of date, and whether it says that the main
/// password is off.
macro_rules! denials {
    ($($(#[$meaning:meta])+ $name:ident = $code:literal, $guess:expr, $outdated:ident, $main:ident;)+) => {
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

            /// What may have put it out of date.
            #[must_use]
            pub fn outdated(self) -> Outdated {
                match self {
                    $(Self::$name => Outdated::$outdated,)+
                }
            }

            /// What it says about the main password.
            #[must_use]
            pub fn main_password(self) -> MainPassword {
                match self {
                    $(Self::$name => MainPassword::$main,)+
                }
            }
        }
    };
}

denials! {
    /// A SASL mechanism that is not offered.
    MechanismUnknown = "mechanism_unknown", None, Never, Counts;
    /// Not base64, or not what the mechanism prescribes.
    ResponseMalformed = "response_malformed", None, Never, Counts;
    /// The exchange was given up half-way, or took too long.
    ExchangeAbandoned = "exchange_abandoned", None, Never, Counts;
    /// No domain part, NUL, control characters, too long: such a name exists nowhere.
    NameInvalid = "name_invalid", Some(Guess::Name), Never, Counts;
    /// Empty, longer than 1 KiB, or with a NUL: such a password exists nowhere.
    PasswordInvalid = "password_invalid", None, Never, Counts;
    /// The authzid names somebody else.
    AuthzidForbidden = "authzid_forbidden", None, Never, Counts;
    /// A service that keydove does not know.
    ServiceUnknown = "service_unknown", None, Never, Counts;
    /// The domain is not hosted here.
    DomainUnknown = "domain_unknown", Some(Guess::Name), Never, Counts;
    /// The domain is switched off in SQL.
    DomainDisabled = "domain_disabled", None, Never, Counts;
    /// No mailbox row.
    MailboxUnknown = "mailbox_unknown", Some(Guess::Name), Never, Counts;
    /// The mailbox row is switched off, or receives mail only.
    MailboxDisabled = "mailbox_disabled", None, Never, Counts;
    /// A room, a group or a thing has no login.
    MailboxIsResource = "mailbox_is_resource", None, Never, Counts;
    /// This service is switched off for this mailbox.
    ServiceForbidden = "service_forbidden", None, ByCredentials, Off;
    /// The mailbox belongs to an authentication source that has no main password here.
    SourceUnsupported = "source_unsupported", None, ByCredentials, Off;
    /// mailcow's setting `mailpassword_flow` is off: people in Keycloak log in with app passwords only.
    MailPasswordsOff = "mail_passwords_off", None, ByCredentials, Off;
    /// A second factor is active, so the main password alone does not open the mailbox.
    SecondFactorRequired = "second_factor_required", None, ByCredentials, Off;
    /// Keycloak knows nobody with this address, and there is no mailbox of it.
    UserUnknown = "user_unknown", Some(Guess::Name), ByArrival, Counts;
    /// Keycloak shows nobody with the address of this mailbox, whose person it knew or should know: they are gone, or
    /// their user store is switched off. Nobody guesses a name that has a mailbox.
    UserGone = "user_gone", None, ByArrival, Off;
    /// Keycloak knows more than one person with this address.
    UserConflict = "user_conflict", None, ByReturn, Counts;
    /// The address has another person in Keycloak than the one whose mailbox it is.
    UserReplaced = "user_replaced", None, Never, Counts;
    /// The person is disabled in Keycloak, by an administrator or a program.
    UserDisabled = "user_disabled", None, ByReturn, Counts;
    /// Keycloak's brute force detection has locked the person out until an administrator enables them.
    UserLockedOut = "user_locked_out", None, ByReturn, Counts;
    /// The user store behind Keycloak (LDAP, Active Directory) says that the person is disabled there.
    StoreDisabled = "store_disabled", None, ByReturn, Counts;
    /// The user store that the person comes from is switched off in Keycloak.
    ProviderOff = "provider_off", None, ByReturn, Counts;
    /// The organization that manages the person is switched off in Keycloak.
    OrganizationOff = "organization_off", None, ByReturn, Counts;
    /// Keycloak has not verified the address, and the configuration demands it.
    EmailUnverified = "email_unverified", None, ByReturn, Counts;
    /// The person lacks the attribute that the configuration demands.
    AttributeMissing = "attribute_missing", None, ByReturn, Counts;
    /// The person lacks the realm role that the configuration demands.
    RoleMissing = "role_missing", None, ByReturn, Counts;
    /// The person is outside the group that the configuration demands.
    GroupMissing = "group_missing", None, ByReturn, Counts;
    /// There is no stored password to compare with: no attribute, an empty one, or one without a `{SCHEME}`.
    PasswordMissing = "password_missing", None, ByCredentials, Counts;
    /// The password is wrong.
    PasswordMismatch = "password_mismatch", Some(Guess::Secret), ByCredentials, Counts;
    /// Only an app password opens this mailbox, and this is none: no app password could be compared, because there is none
    /// for this service, network and time; or it is the main password.
    AppPasswordRequired = "app_password_required", None, ByCredentials, Off;
    /// The main password does not count here, and no app password fits.
    AppPasswordMismatch = "app_password_mismatch", Some(Guess::Secret), ByCredentials, Counts;
    /// The app password is right, but not for this service or from this network.
    AppPasswordForbidden = "app_password_forbidden", None, Never, Counts;
    /// The app password is right, but its time is over.
    AppPasswordExpired = "app_password_expired", None, Never, Counts;
    /// It is no access token, is of a kind that is not taken, or its signature algorithm is not allowed.
    TokenInvalid = "token_invalid", None, Never, Counts;
    /// The token's signature does not fit any key of the realm.
    TokenSignature = "token_signature", None, Never, Counts;
    /// The token's time is over, or has not come yet.
    TokenExpired = "token_expired", None, Never, Counts;
    /// The token is of another realm or server than the one that knows the person.
    TokenIssuer = "token_issuer", None, Never, Counts;
    /// The token was made for somebody else: no audience or client of the configuration.
    TokenAudience = "token_audience", None, Never, Counts;
    /// The token names another address.
    TokenUserMismatch = "token_user_mismatch", None, Never, Counts;
    /// The token is of another person than the one who has the address in Keycloak now.
    TokenSubjectMismatch = "token_subject_mismatch", None, ByCredentials, Counts;
    /// Keycloak says that the token is not active any more.
    TokenRevoked = "token_revoked", None, Never, Counts;
    /// There is no such master user, or the password is another.
    MasterUserMismatch = "master_user_mismatch", Some(Guess::Secret), Never, Counts;
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
    use super::{Denial, MainPassword, Outdated};

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

    #[test]
    fn these_say_that_the_main_password_is_off() {
        let off: Vec<_> = Denial::ALL
            .into_iter()
            .filter(|denial| denial.main_password() == MainPassword::Off)
            .map(Denial::code)
            .collect();
        let expected = [
            "service_forbidden",
            "source_unsupported",
            "mail_passwords_off",
            "second_factor_required",
            "user_gone",
            "app_password_required",
        ];
        assert_eq!(off, expected);
        for denial in Denial::ALL {
            // Whoever made a guess of a switch would count those who know the password.
            let is_off = denial.main_password() == MainPassword::Off;
            assert!(!(is_off && denial.is_guess()), "{denial:?}");
            assert!(!is_off || denial.outdated() != Outdated::Never, "{denial:?}");
        }
    }
}
