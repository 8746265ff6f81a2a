//! The one table of reason codes. A new code is a row: its meaning, its name in the source, the code of log lines and
//! metrics, what it implies, and what an administrator does about it. Metrics, throttling, the ban channel,
//! `keydove explain` and the table in `docs/reasons.md` (`make docs`) follow from it.

use super::columns::{Guess, HashTrouble, MainPassword, Outdated, Refusal, Row, Telling, Trouble};
use HashTrouble::{Hidden, Unconcerned, Useless};
use MainPassword::{Counts, Off};
use Outdated::{ByArrival, ByCredentials, ByReturn, Never};
use Telling::{AsRefusal, AtOnce, Late};

/// Makes an enum of rows: its variants, the list of them, and the row of each.
macro_rules! rows {
    (
        $(#[$about:meta])* $kind:ident implies $columns:ty $(, and $(#[$of_other:meta])* $wrap:ident($other:ident))?:
        $($(#[doc = $meaning:literal])+ $name:ident = $code:literal, $implies:expr, $cure:literal;)+
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $kind {
            $($(#[doc = $meaning])+ $name,)+
            $($(#[$of_other])* $wrap($other),)?
        }

        impl $kind {
            pub(super) const ROWS: [Self; [$($code),+].len()] = [$(Self::$name),+];

            pub(super) const fn row(self) -> Row<$columns> {
                match self {
                    $(Self::$name => {
                        Row { code: $code, meaning: concat!($($meaning),+), cure: $cure, implies: $implies }
                    })+
                    $(Self::$wrap(other) => $other::row(other),)?
                }
            }
        }
    };
}

const fn refusal(guess: Option<Guess>, outdated: Outdated, main_password: MainPassword) -> Refusal {
    Refusal { guess, outdated, main_password }
}

const fn trouble(telling: Telling, stored_hash: HashTrouble) -> Trouble {
    Trouble { telling, stored_hash }
}

/// The password was right, so nothing is given away.
const RULE: Trouble = trouble(AtOnce, Unconcerned);

rows! {
    /// A definite no, with its reason for the log. The client never learns which.
    ///
    /// There is no conversion from any error type, on purpose.
    Denial implies Refusal:

    /// A SASL mechanism that keydove does not offer. OAUTHBEARER and XOAUTH2 need `[oauth]`.
    MechanismUnknown = "mechanism_unknown", refusal(None, Never, Counts),
        "set the mail client to a normal password (PLAIN or LOGIN)";
    /// The client's message is not base64, or not what the mechanism prescribes.
    ResponseMalformed = "response_malformed", refusal(None, Never, Counts),
        "the mail client is broken, or a scanner";
    /// The client gave up half-way, or took more than 150 s.
    ExchangeAbandoned = "exchange_abandoned", refusal(None, Never, Counts),
        "the mail client gave up half-way; look at its own log";
    /// No mailbox has such a name: no domain, control characters, or more than 255 bytes.
    NameInvalid = "name_invalid", refusal(Some(Guess::Name), Never, Counts),
        "log in with the whole address, such as alice@example.org, or set [login] default_domain";
    /// The password is empty, longer than 1 KiB, or contains a NUL.
    PasswordInvalid = "password_invalid", refusal(None, Never, Counts),
        "the password is empty, longer than 1 KiB, or holds a NUL";
    /// The client asks to act as another user; or a master user wants to send.
    AuthzidForbidden = "authzid_forbidden", refusal(None, Never, Counts),
        "the client asks to act as another user; leave its authorization name empty";
    /// The service is not a mail service that keydove knows.
    ServiceUnknown = "service_unknown", refusal(None, Never, Counts),
        "no mail service: look at smtpd_sasl_service in Postfix, or allow it in [login.services]";
    /// The table `domain` has no row for this domain.
    DomainUnknown = "domain_unknown", refusal(Some(Guess::Name), Never, Counts),
        "there is no such domain in the database: keydove domain list; `keydove check` names the database";
    /// The domain is switched off.
    DomainDisabled = "domain_disabled", refusal(None, Never, Counts),
        "switch it on: keydove domain set DOMAIN --active on";
    /// The table `mailbox` has no row for this address.
    MailboxUnknown = "mailbox_unknown", refusal(Some(Guess::Name), Never, Counts),
        "make it: keydove mailbox add ADDRESS; or let the first login make it: [provisioning] enabled = true";
    /// The mailbox is switched off (`active` is 0), or receives mail only (2).
    MailboxDisabled = "mailbox_disabled", refusal(None, Never, Counts),
        "switch it on: keydove mailbox set ADDRESS --active on (2 is receive-only)";
    /// A room, a group or a thing has no login.
    MailboxIsResource = "mailbox_is_resource", refusal(None, Never, Counts),
        "rooms, groups and things have no login";
    /// This service is switched off for this mailbox.
    ServiceForbidden = "service_forbidden", refusal(None, ByCredentials, Off),
        "switch it on: keydove mailbox set ADDRESS --allow SERVICE; app passwords have switches of their own";
    /// `authsource` is `ldap`, `generic-oidc` or NULL, so the mailbox has no main password here; or it is
    /// `keycloak`, and mailcow's identity provider is not.
    SourceUnsupported = "source_unsupported", refusal(None, ByCredentials, Off),
        "the authsource of this mailbox has no main password here; use an app password, or keydove mailbox set \
         ADDRESS --source keycloak";
    /// *Mailpassword Flow* is off in mailcow: users in Keycloak log in with app passwords only.
    MailPasswordsOff = "mail_passwords_off", refusal(None, ByCredentials, Off),
        "Mailpassword Flow is off in mailcow's identity provider settings; use an app password";
    /// `authsource` is `mailcow`, and a second factor is active: the main password alone does not open the
    /// mailbox.
    SecondFactorRequired = "second_factor_required", refusal(None, ByCredentials, Off),
        "a second factor is active; use an app password";
    /// Keycloak has no user with this address, or no source serves this domain.
    UserUnknown = "user_unknown", refusal(Some(Guess::Name), ByArrival, Counts),
        "no user in Keycloak has this address: look at the user's email, at `lookup` and `domains` in [keycloak], \
         at the role view-users if it hits everybody, and under User federation: a store that is switched off \
         shows nobody";
    /// Keycloak shows no user with the address of this mailbox: the user was deleted or renamed, or belongs to a user
    /// store that is switched off. The name exists, so this is no guess.
    UserGone = "user_gone", refusal(None, ByArrival, Off),
        "Keycloak shows no user with the address of this mailbox: the user was deleted or has another email, \
         `domains` in [keycloak] leaves the domain out, or under User federation their store is switched off, \
         which then shows nobody";
    /// Several users in Keycloak have this address. A warning is logged too.
    UserConflict = "user_conflict", refusal(None, ByReturn, Counts),
        "several users in Keycloak have this address: make it unique";
    /// The address belongs to another user in Keycloak than the one whose mailbox it is. A warning names both
    /// ids.
    UserReplaced = "user_replaced", refusal(None, Never, Counts),
        "the address belongs to another Keycloak id than before; if it is the same person: keydove mailbox adopt \
         ADDRESS --id ID";
    /// The user is disabled in Keycloak, by an administrator or a program. For users of LDAP or Active Directory
    /// it may also be a permanent lockout, or what a synchronisation wrote down.
    UserDisabled = "user_disabled", refusal(None, ByReturn, Counts),
        "enable the user in Keycloak (Users, Enabled); if nobody disabled them, it was a permanent lockout or \
         their user store: look at Realm settings, Security defenses, and at the directory";
    /// Keycloak's brute force detection has locked the user out until an administrator enables them.
    UserLockedOut = "user_locked_out", refusal(None, ByReturn, Counts),
        "Keycloak's brute force detection locked the user out: enable them in Keycloak (Users, Enabled), and find \
         out who tried their password there";
    /// The directory behind Keycloak (LDAP, Active Directory) answers, and says that the user is disabled there.
    StoreDisabled = "store_disabled", refusal(None, ByReturn, Counts),
        "the user is disabled in the directory (LDAP, Active Directory) behind Keycloak: enable them there; if \
         they are enabled there, clear Keycloak's user cache (Realm settings, Cache)";
    /// The user federation provider that the user comes from is switched off in Keycloak. Open sessions stay
    /// open.
    ProviderOff = "provider_off", refusal(None, ByReturn, Counts),
        "the user federation provider that the user comes from is switched off in Keycloak: switch it on under \
         User federation";
    /// The organization that manages the user is disabled, or organizations are off. Open sessions stay open.
    OrganizationOff = "organization_off", refusal(None, ByReturn, Counts),
        "the organization that manages the user is disabled, or organizations are off: enable it in Keycloak \
         under Organizations or Realm settings";
    /// Keycloak has not verified the address, and `require_verified_email` demands it.
    EmailUnverified = "email_unverified", refusal(None, ByReturn, Counts),
        "verify the address in Keycloak, or set require_verified_email = false";
    /// The user lacks the attribute that `required_attribute` demands.
    AttributeMissing = "attribute_missing", refusal(None, ByReturn, Counts),
        "give the user the attribute that required_attribute names";
    /// The user lacks the realm role that `required_role` demands.
    RoleMissing = "role_missing", refusal(None, ByReturn, Counts),
        "give the user the role that required_role names";
    /// The user is outside the group that `required_group` demands.
    GroupMissing = "group_missing", refusal(None, ByReturn, Counts),
        "put the user into the group that required_group names";
    /// No password is stored: the attribute is missing or empty.
    PasswordMissing = "password_missing", refusal(None, ByCredentials, Counts),
        "set the user's password attribute to what `keydove hash` prints; if it hits everybody, declare the \
         attribute in Keycloak's user profile";
    /// The password is wrong.
    PasswordMismatch = "password_mismatch", refusal(Some(Guess::Secret), ByCredentials, Counts),
        "the password is wrong; `keydove hash --verify` tells whether a stored string and a password fit";
    /// Only an app password opens this mailbox. This is the main password, or no app password could be compared: there is
    /// none for this service, network and time.
    AppPasswordRequired = "app_password_required", refusal(None, ByCredentials, Off),
        "only an app password opens this mailbox ([app_passwords] only), and this is none, or none was made for \
         this service, network and time: keydove app-password add ADDRESS";
    /// No app password fits, and the main password does not count (`[app_passwords] only`).
    AppPasswordMismatch = "app_password_mismatch", refusal(Some(Guess::Secret), ByCredentials, Counts),
        "no app password fits, and the main password does not open this mailbox: keydove app-password list ADDRESS";
    /// The app password is right, but not for this service or network.
    AppPasswordForbidden = "app_password_forbidden", refusal(None, Never, Counts),
        "the app password is right, but not for this service or network: keydove app-password list ADDRESS";
    /// The app password is right, but expired.
    AppPasswordExpired = "app_password_expired", refusal(None, Never, Counts),
        "the app password is right, but its time is over: make a new one with keydove app-password add ADDRESS";
    /// Not an access token that counts: cut off, an ID or refresh token, bound to a key, or of an algorithm that
    /// keydove does not take.
    TokenInvalid = "token_invalid", refusal(None, Never, Counts),
        "the client sent something that is no access token of this realm: look at its OAuth settings";
    /// No key of the realm has signed the token.
    TokenSignature = "token_signature", refusal(None, Never, Counts),
        "the client sent something that is no access token of this realm: look at its OAuth settings";
    /// The token has expired, or is not valid yet.
    TokenExpired = "token_expired", refusal(None, Never, Counts),
        "the client must fetch a new token: its refresh token may be over, or a clock is wrong";
    /// The token is from another realm or server than the one that knows the mailbox's domain.
    TokenIssuer = "token_issuer", refusal(None, Never, Counts),
        "the token is of another realm or server: look at the client's settings, and at [keycloak] public_url";
    /// The token was made for another audience or client.
    TokenAudience = "token_audience", refusal(None, Never, Counts),
        "the token was made for another audience or client: look at [oauth] audiences and clients";
    /// The token names another address, or none.
    TokenUserMismatch = "token_user_mismatch", refusal(None, Never, Counts),
        "the name and the token belong to two users: let the client use the address of the token's owner";
    /// The token belongs to another user than the one who has the address in Keycloak now.
    TokenSubjectMismatch = "token_subject_mismatch", refusal(None, ByCredentials, Counts),
        "the address belonged to another person when the token was made: let the client fetch a new one";
    /// The token's session has ended (`introspection`).
    TokenRevoked = "token_revoked", refusal(None, Never, Counts),
        "the session was ended in Keycloak: log in again";
    /// No such master user exists, or the password is wrong.
    MasterUserMismatch = "master_user_mismatch", refusal(Some(Guess::Secret), Never, Counts),
        "there is no such master user, or the password is another: look at the file of [master_users]";
}

rows! {
    /// Why keydove could not find out.
    TempFailReason implies Trouble, and
        /// The password is right, but a rule prevents the mailbox.
        Provisioning(ProvisionRefusal):

    /// The name of Keycloak's host does not resolve.
    KeycloakDns = "keycloak_dns", trouble(AtOnce, Unconcerned),
        "Keycloak is not reached: look at server_url, at the network, and at Keycloak's own log";
    /// Nothing listens at Keycloak's address, or the network is unreachable.
    KeycloakRefused = "keycloak_refused", trouble(AtOnce, Unconcerned),
        "Keycloak is not reached: look at server_url, at the network, and at Keycloak's own log";
    /// The connection to Keycloak broke before the answer was complete.
    KeycloakReset = "keycloak_reset", trouble(AtOnce, Unconcerned),
        "Keycloak is not reached: look at server_url, at the network, and at Keycloak's own log";
    /// Keycloak did not answer in time.
    KeycloakTimeout = "keycloak_timeout", trouble(AtOnce, Unconcerned),
        "Keycloak is not reached: look at server_url, at the network, and at Keycloak's own log";
    /// The TLS handshake with Keycloak failed, or its certificate is not trusted.
    KeycloakTls = "keycloak_tls", trouble(AtOnce, Unconcerned),
        "name the authority with ca_file; look at the name in the certificate, and at http or https";
    /// Keycloak answered 401: a wrong client id or secret, or a token that it does not accept. `detail` says
    /// which.
    KeycloakUnauthorized = "keycloak_401", trouble(AtOnce, Unconcerned),
        "look at client_id and at the client's secret; the client needs a service account (docs/troubleshooting.md)";
    /// Keycloak answered 403: the service account lacks `view-users` or is shown no user, or the realm is
    /// disabled.
    KeycloakForbidden = "keycloak_403", trouble(AtOnce, Unconcerned),
        "give the client's service account the role view-users of realm-management";
    /// Keycloak answered 404: a wrong realm, or `/auth` missing or too much in `server_url`.
    KeycloakNotFound = "keycloak_404", trouble(AtOnce, Unconcerned),
        "look at realm (letter case counts), and whether server_url needs or must lose /auth";
    /// Keycloak, or a proxy before it, answered 429.
    KeycloakRateLimited = "keycloak_429", trouble(AtOnce, Unconcerned),
        "look at Keycloak's own log, and at a proxy before it";
    /// Keycloak, or a proxy before it, answered 5xx.
    KeycloakServerError = "keycloak_5xx", trouble(AtOnce, Unconcerned),
        "look at Keycloak's own log, and at a proxy before it";
    /// Any other answer: another status, HTML, or incomplete JSON.
    KeycloakBadAnswer = "keycloak_bad_answer", trouble(AtOnce, Unconcerned),
        "look at Keycloak's own log, and at a proxy before it";
    /// This user shows no password attribute, and neither does any of a sample of 50 users: Keycloak hides it, or
    /// its name is misspelt.
    KeycloakAttributeHidden = "keycloak_attribute_hidden", trouble(AtOnce, Hidden),
        "declare the password attribute in Keycloak's user profile (view: admin), or mend password_attribute";
    /// The directory behind Keycloak (LDAP, Active Directory) does not answer, or did not less than 10 minutes
    /// ago, and Keycloak may still take the user for disabled. `detail` names it.
    KeycloakStoreDown = "keycloak_store_down", trouble(AtOnce, Unconcerned),
        "the directory (LDAP, Active Directory) behind Keycloak does not answer it: look at that server, and at \
         the provider's connection and bind settings under User federation";
    /// Keycloak's settings in mailcow's table are incomplete or unusable; or introspection is on, and the token
    /// is not made for `client_id`.
    KeycloakSettings = "keycloak_settings", trouble(AtOnce, Unconcerned),
        "complete mailcow's identity provider settings";
    /// The database cannot be reached.
    SqlUnreachable = "sql_unreachable", trouble(AtOnce, Unconcerned),
        "look at [storage], and at the database's own log";
    /// The database did not answer in time.
    SqlTimeout = "sql_timeout", trouble(AtOnce, Unconcerned),
        "look at [storage], and at the database's own log";
    /// The database refused the query, a right or a table is missing, or a row has an impossible value. `detail`
    /// says which.
    SqlError = "sql_error", trouble(AtOnce, Unconcerned),
        "a right, a table or a column is missing, or a row holds an impossible value";
    /// keydove cannot connect to the backend on which the mailbox lives.
    BackendDown = "backend_down", trouble(AtOnce, Unconcerned),
        "the machine of the mailbox does not answer: keydove backend list; no other backend has its mail";
    /// The mailbox lives on a backend that no `[[backend]]` names.
    BackendUnknown = "backend_unknown", trouble(AtOnce, Unconcerned),
        "put the [[backend]] back, or copy the mail and run: keydove backend move ADDRESS TO";
    /// The mailbox has no backend yet, and none takes new mailboxes: each is drained or has weight 0.
    BackendNone = "backend_none", trouble(AtOnce, Unconcerned),
        "let a backend take new mailboxes: keydove backend undrain NAME, or a weight above 0";
    /// Mail is to be delivered on this machine, and the mailbox lives on another.
    BackendElsewhere = "backend_elsewhere", trouble(AtOnce, Unconcerned),
        "deliver through a proxy: lmtp_proxy = yes in Dovecot; or name this machine: [backends] this";
    /// The user's hash has no `{SCHEME}` label, is cut off, or is of a scheme that is unknown or not allowed.
    HashUnusable = "hash_unusable", trouble(AsRefusal, Useless),
        "put {SCHEME} before it (`keydove hash --list`), or [hashing.schemes] default_scheme; allow_weak for a \
         weak one; or store what `keydove hash` prints";
    /// The user's hash costs more than a cap in `[hashing.schemes]`.
    HashTooCostly = "hash_too_costly", trouble(AsRefusal, Useless),
        "set the password again with a lower cost, or raise the cap in [hashing.schemes]";
    /// The password does not fit, or the address was unknown, and keydove asked Keycloak about this user a moment
    /// ago. The next try gets an answer.
    RefetchPaused = "refetch_paused", trouble(AsRefusal, Unconcerned),
        "keydove asked Keycloak about this user a moment ago; the next try gets an answer";
    /// The token names a key that the realm did not have less than 5 minutes ago, when keydove fetched its keys.
    TokenKeyUnknown = "token_key_unknown", trouble(Late, Unconcerned),
        "the token is signed with a key that Keycloak did not have less than 5 min ago: wait, or the client made \
         it up";
    /// Too many passwords wait to be hashed, or memory is short.
    HashingOverload = "hashing_overload", trouble(Late, Unconcerned),
        "too many passwords wait to be hashed: more cores, or lower costs";
    /// The mailbox has more app passwords than `max_hashes`. The next attempt tries the others.
    AppPasswordsUntried = "app_passwords_untried", trouble(AsRefusal, Unconcerned),
        "revoke old app passwords, or raise [app_passwords] max_hashes";
    /// Too many wrong passwords came from there. keydove looked at nothing.
    Throttled = "throttled", trouble(Late, Unconcerned),
        "too many different wrong passwords came from there: wait, or use keydove throttle clear; keydove \
         throttle list shows whose (docs/throttling.md)";
    /// The file of `[master_users]` cannot be read, is open to others, or has a malformed line. `detail` says
    /// which.
    MasterUsersFile = "master_users_file", trouble(AtOnce, Unconcerned),
        "mend the file of [master_users]: mode 0600, one `name:{SCHEME}hash` a line";
    /// The login as a whole took too long.
    Deadline = "deadline", trouble(AtOnce, Unconcerned),
        "the login as a whole took too long: the `ms` of other log lines show where";
    /// keydove is stopping.
    Stopping = "stopping", trouble(AtOnce, Unconcerned),
        "keydove was stopping";
}

rows! {
    /// A rule that prevents a mailbox. mailcow's checks, under the names of mailcow's messages.
    ///
    /// Never a refusal: the password was right, and an administrator can change every one of these.
    ProvisionRefusal implies Trouble:

    /// The template that the mapping names is not in the table `templates`, or is not a JSON object.
    TemplateMissing = "provision_template_missing", RULE,
        "no usable template: [provisioning] default_template and mappings, keydove template list";
    /// No mapping fits the user's template attribute, and there is no `default_template`.
    NoMapping = "provision_no_mapping", RULE,
        "no usable template: [provisioning] default_template and mappings, keydove template list";
    /// A login may have such a name, but mailcow creates no mailbox with it.
    MailboxInvalid = "provision_mailbox_invalid", RULE,
        "the address is taken by an alias or another mailbox, or makes no mailbox: keydove alias list";
    /// The name (`postmaster`, `admin`, `info` …) belongs to the administrators of the domain, so a first login
    /// creates no mailbox of it.
    ReservedName = "provision_reserved_name", RULE,
        "the name is reserved for the administrators of the domain: keydove mailbox add creates it, or \
         [provisioning] allow_reserved_names";
    /// The table `domain` has no row for this domain.
    DomainUnknown = "provision_domain_unknown", RULE,
        "the domain's state or limits prevent a mailbox: keydove domain list, keydove domain set";
    /// The domain is switched off.
    DomainInactive = "provision_domain_inactive", RULE,
        "the domain's state or limits prevent a mailbox: keydove domain list, keydove domain set";
    /// Another mailbox or a resource has this address, or one that the database takes for the same.
    ObjectExists = "provision_object_exists", RULE,
        "the address is taken by an alias or another mailbox, or makes no mailbox: keydove alias list";
    /// The address is an alias.
    IsAlias = "provision_is_alias", RULE,
        "the address is taken by an alias or another mailbox, or makes no mailbox: keydove alias list";
    /// The address is a temporary alias, expired or not.
    IsSpamAlias = "provision_is_spam_alias", RULE,
        "the address is taken by an alias or another mailbox, or makes no mailbox: keydove alias list";
    /// The domain has as many mailboxes as it may have.
    MaxMailboxExceeded = "provision_max_mailbox_exceeded", RULE,
        "the domain's state or limits prevent a mailbox: keydove domain list, keydove domain set";
    /// The template's quota is larger than one mailbox of the domain may have.
    MailboxQuotaExceeded = "provision_mailbox_quota_exceeded", RULE,
        "the domain's state or limits prevent a mailbox: keydove domain list, keydove domain set";
    /// The template's quota is larger than what the domain has left.
    MailboxQuotaLeftExceeded = "provision_mailbox_quota_left_exceeded", RULE,
        "the domain's state or limits prevent a mailbox: keydove domain list, keydove domain set";
    /// The template's quarantine category is none of `add_header`, `reject` and `all`.
    QuarantineCategoryInvalid = "provision_quarantine_category_invalid", RULE,
        "no usable template: [provisioning] default_template and mappings, keydove template list";
}

/// A login that is accepted.
pub(super) const ACCEPTED: Row<()> =
    Row { code: "ok", meaning: "The login is accepted.", cure: "", implies: () };

/// Postfix's question about a sender, not a login.
pub(super) const NOT_OWNER: Row<()> = Row {
    code: "sender_not_owned",
    meaning: "The sender address does not belong to the user.",
    cure: "let the user send from their own address, or make it theirs: keydove alias add SENDER --to USER",
    implies: (),
};
