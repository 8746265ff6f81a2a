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
    ($($(#[doc = $meaning:literal])+ $name:ident = $code:literal, $guess:expr, $outdated:ident, $main:ident;)+) => {
        /// A definite no, with its reason for the log. The client never learns which.
        ///
        /// There is no conversion from any error type, on purpose.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Denial {
            $($(#[doc = $meaning])+ $name,)+
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

            /// What it means, for administrators.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($meaning),+).trim_start(),)+
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
    /// A SASL mechanism that keydove does not offer. OAUTHBEARER and XOAUTH2 need `[oauth]`.
    MechanismUnknown = "mechanism_unknown", None, Never, Counts;
    /// The client's message is not base64, or not what the mechanism prescribes.
    ResponseMalformed = "response_malformed", None, Never, Counts;
    /// The client gave up half-way, or took more than 150 s.
    ExchangeAbandoned = "exchange_abandoned", None, Never, Counts;
    /// No mailbox has such a name: no domain, control characters, or more than 255 bytes.
    NameInvalid = "name_invalid", Some(Guess::Name), Never, Counts;
    /// The password is empty, longer than 1 KiB, or contains a NUL.
    PasswordInvalid = "password_invalid", None, Never, Counts;
    /// The client asks to act as another user; or a master user wants to send.
    AuthzidForbidden = "authzid_forbidden", None, Never, Counts;
    /// The service is not a mail service that keydove knows.
    ServiceUnknown = "service_unknown", None, Never, Counts;
    /// The table `domain` has no row for this domain.
    DomainUnknown = "domain_unknown", Some(Guess::Name), Never, Counts;
    /// The domain is switched off.
    DomainDisabled = "domain_disabled", None, Never, Counts;
    /// The table `mailbox` has no row for this address.
    MailboxUnknown = "mailbox_unknown", Some(Guess::Name), Never, Counts;
    /// The mailbox is switched off (`active` is 0), or receives mail only (2).
    MailboxDisabled = "mailbox_disabled", None, Never, Counts;
    /// A room, a group or a thing has no login.
    MailboxIsResource = "mailbox_is_resource", None, Never, Counts;
    /// This service is switched off for this mailbox.
    ServiceForbidden = "service_forbidden", None, ByCredentials, Off;
    /// `authsource` is `ldap`, `generic-oidc` or NULL, so the mailbox has no main password here; or it is
    /// `keycloak`, and mailcow's identity provider is not.
    SourceUnsupported = "source_unsupported", None, ByCredentials, Off;
    /// *Mailpassword Flow* is off in mailcow: users in Keycloak log in with app passwords only.
    MailPasswordsOff = "mail_passwords_off", None, ByCredentials, Off;
    /// `authsource` is `mailcow`, and a second factor is active: the main password alone does not open the
    /// mailbox.
    SecondFactorRequired = "second_factor_required", None, ByCredentials, Off;
    /// Keycloak has no user with this address, or no source serves this domain.
    UserUnknown = "user_unknown", Some(Guess::Name), ByArrival, Counts;
    /// Keycloak shows no user with the address of this mailbox: the user was deleted or renamed, or belongs to a user
    /// store that is switched off. The name exists, so this is no guess.
    UserGone = "user_gone", None, ByArrival, Off;
    /// Several users in Keycloak have this address. A warning is logged too.
    UserConflict = "user_conflict", None, ByReturn, Counts;
    /// The address belongs to another user in Keycloak than the one whose mailbox it is. A warning names both
    /// ids.
    UserReplaced = "user_replaced", None, Never, Counts;
    /// The user is disabled in Keycloak, by an administrator or a program. For users of LDAP or Active Directory
    /// it may also be a permanent lockout, or what a synchronisation wrote down.
    UserDisabled = "user_disabled", None, ByReturn, Counts;
    /// Keycloak's brute force detection has locked the user out until an administrator enables them.
    UserLockedOut = "user_locked_out", None, ByReturn, Counts;
    /// The directory behind Keycloak (LDAP, Active Directory) answers, and says that the user is disabled there.
    StoreDisabled = "store_disabled", None, ByReturn, Counts;
    /// The user federation provider that the user comes from is switched off in Keycloak. Open sessions stay
    /// open.
    ProviderOff = "provider_off", None, ByReturn, Counts;
    /// The organization that manages the user is disabled, or organizations are off. Open sessions stay open.
    OrganizationOff = "organization_off", None, ByReturn, Counts;
    /// Keycloak has not verified the address, and `require_verified_email` demands it.
    EmailUnverified = "email_unverified", None, ByReturn, Counts;
    /// The user lacks the attribute that `required_attribute` demands.
    AttributeMissing = "attribute_missing", None, ByReturn, Counts;
    /// The user lacks the realm role that `required_role` demands.
    RoleMissing = "role_missing", None, ByReturn, Counts;
    /// The user is outside the group that `required_group` demands.
    GroupMissing = "group_missing", None, ByReturn, Counts;
    /// No password is stored: the attribute is missing or empty.
    PasswordMissing = "password_missing", None, ByCredentials, Counts;
    /// The password is wrong.
    PasswordMismatch = "password_mismatch", Some(Guess::Secret), ByCredentials, Counts;
    /// Only an app password opens this mailbox. This is the main password, or no app password could be compared: there is
    /// none for this service, network and time.
    AppPasswordRequired = "app_password_required", None, ByCredentials, Off;
    /// No app password fits, and the main password does not count (`[app_passwords] only`).
    AppPasswordMismatch = "app_password_mismatch", Some(Guess::Secret), ByCredentials, Counts;
    /// The app password is right, but not for this service or network.
    AppPasswordForbidden = "app_password_forbidden", None, Never, Counts;
    /// The app password is right, but expired.
    AppPasswordExpired = "app_password_expired", None, Never, Counts;
    /// Not an access token that counts: cut off, an ID or refresh token, bound to a key, or of an algorithm that
    /// keydove does not take.
    TokenInvalid = "token_invalid", None, Never, Counts;
    /// No key of the realm has signed the token.
    TokenSignature = "token_signature", None, Never, Counts;
    /// The token has expired, or is not valid yet.
    TokenExpired = "token_expired", None, Never, Counts;
    /// The token is from another realm or server than the one that knows the mailbox's domain.
    TokenIssuer = "token_issuer", None, Never, Counts;
    /// The token was made for another audience or client.
    TokenAudience = "token_audience", None, Never, Counts;
    /// The token names another address, or none.
    TokenUserMismatch = "token_user_mismatch", None, Never, Counts;
    /// The token belongs to another user than the one who has the address in Keycloak now.
    TokenSubjectMismatch = "token_subject_mismatch", None, ByCredentials, Counts;
    /// The token's session has ended (`introspection`).
    TokenRevoked = "token_revoked", None, Never, Counts;
    /// No such master user exists, or the password is wrong.
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
