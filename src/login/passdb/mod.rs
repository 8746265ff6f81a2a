//! Is this password or token right for this mailbox? One answer per authentication source.
//!
//! Who may ask at all (name, domain, mailbox, service) is the decision's business.

mod app_password;
mod keycloak;
mod mailbox;
mod master_users;
mod token;
mod tried;

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::auth::{Denial, NotAccepted, Secret, Source, TempFail, Username};
use crate::backend::keycloak::Person;
use crate::backend::people::{Entitled, People};
use crate::backend::sql::{AuthSource, Mailbox};
use crate::credential::compared::{Comparisons, Fitted};
use crate::credential::hashing::{Hasher, Whose};

pub use app_password::{AppPasswordAttempt, AppPasswordConfig, usable_app_passwords};
pub use master_users::{MasterUsers, MasterUsersConfig, MasterUsersError};
pub use token::SignedToken;
pub use tried::{Aside, Tried, is_switched_off, sum_up};

/// The sources of passwords.
#[derive(Debug)]
pub struct Passdb {
    people: People,
    hasher: Hasher,
    comparisons: Comparisons,
    app_passwords: AppPasswordConfig,
    /// Where tokens are taken.
    tokens: Option<crate::token::Config>,
    master_users: Option<MasterUsers>,
    /// Of which hashes a warning told lately.
    warned: tried::Warned,
}

/// A password, and from where it came: many guesses of one network must not keep the others waiting.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// As it came, or as it is assumed.
    pub password: Password<'a>,
    /// The mail client's address, if the mail server told it.
    pub remote: Option<IpAddr>,
    /// The mailbox's address or the master user's name, which a few hashes are made of too; empty until it is read.
    pub name: &'a str,
}

/// What is compared with a stored hash.
#[derive(Clone, Copy, Debug)]
pub enum Password<'a> {
    /// What somebody has sent.
    Given(&'a Secret),
    /// Whatever fits: an administrator wants to know what else stands against a login. It fits every hash that a password
    /// can be compared with, and nothing is hashed. It must never reach a login that somebody is let in by.
    Assumed,
}

impl<'a> Password<'a> {
    /// The password that was sent, if one was.
    #[must_use]
    pub fn given(self) -> Option<&'a Secret> {
        match self {
            Self::Given(password) => Some(password),
            Self::Assumed => None,
        }
    }
}

/// Whose mailbox it is, as far as anybody beside the row knows.
#[derive(Debug)]
pub enum Owner {
    /// Nobody but the row does.
    Row,
    /// A person in Keycloak, who is there once, enabled, and all that the configuration demands.
    Person(Entitled),
}

impl Owner {
    /// The person with what is known about them, if there is one.
    #[must_use]
    pub fn entitled(&self) -> Option<&Entitled> {
        match self {
            Self::Row => None,
            Self::Person(entitled) => Some(entitled),
        }
    }

    /// The person, where there is one.
    #[must_use]
    pub fn person(&self) -> Option<&Person> {
        self.entitled().map(Entitled::person)
    }

    /// How old what is known about the person is, if that is more than it should be.
    #[must_use]
    pub fn stale_age(&self, now: Instant) -> Option<Duration> {
        self.entitled()?.stale_age(now)
    }
}

impl Passdb {
    /// Joins the identity servers, the hashing threads and what is known of comparisons.
    #[must_use]
    pub fn new(
        people: People,
        hasher: Hasher,
        comparisons: Comparisons,
        app_passwords: AppPasswordConfig,
    ) -> Self {
        let warned = tried::Warned::new();
        Self { people, hasher, comparisons, app_passwords, tokens: None, master_users: None, warned }
    }

    /// Takes tokens too, where there are settings for them.
    #[must_use]
    pub fn with_tokens(mut self, config: Option<crate::token::Config>) -> Self {
        self.tokens = config;
        self
    }

    /// Whether access tokens open mailboxes.
    #[must_use]
    pub fn takes_tokens(&self) -> bool {
        self.tokens.is_some()
    }

    /// The hashing threads.
    #[must_use]
    pub fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    /// Whether anybody's main password opens anything.
    #[must_use]
    pub fn uses_main_passwords(&self) -> bool {
        !self.app_passwords.only
    }

    /// Whether main passwords may open a mailbox, or app passwords only. Asks nobody.
    ///
    /// # Errors
    /// Why not; or the reason why nobody can tell whether Keycloak's passwords count.
    pub fn check_main_password_counts(
        &self,
        user: &Username,
        authsource: Option<AuthSource>,
    ) -> Result<(), NotAccepted> {
        if self.app_passwords.forbids_main_password(user) {
            return Err(Denial::AppPasswordRequired.into());
        }
        match authsource {
            Some(AuthSource::Keycloak) => self.people.sources().check_mail_passwords_allowed(user),
            Some(AuthSource::Mailcow | AuthSource::Ldap | AuthSource::GenericOidc) | None => Ok(()),
        }
    }

    /// Asks who has a mailbox where its `authsource` says: nobody, or Keycloak, where the person must be entitled. `known`
    /// is the Keycloak id of whoever had it before.
    ///
    /// # Errors
    /// A denial, which ends the main password and the app passwords alike, or the reason why nobody can tell.
    pub async fn find_owner(
        &self,
        user: &Username,
        mailbox: &Mailbox,
        known: Option<&str>,
    ) -> Result<Owner, NotAccepted> {
        match mailbox.authsource {
            Some(AuthSource::Keycloak) => {
                self.people.find_entitled(user, known).await.map(Owner::Person).map_err(of_mailbox)
            }
            Some(AuthSource::Mailcow | AuthSource::Ldap | AuthSource::GenericOidc) | None => Ok(Owner::Row),
        }
    }

    /// The same without waiting; `None` where somebody has to be asked.
    #[must_use]
    pub fn peek_owner(
        &self,
        user: &Username,
        mailbox: &Mailbox,
        known: Option<&str>,
        now: Instant,
    ) -> Option<Result<Owner, NotAccepted>> {
        match mailbox.authsource {
            Some(AuthSource::Keycloak) => {
                Some(self.people.peek_entitled(user, known, now)?.map(Owner::Person).map_err(of_mailbox))
            }
            Some(AuthSource::Mailcow | AuthSource::Ldap | AuthSource::GenericOidc) | None => {
                Some(Ok(Owner::Row))
            }
        }
    }

    /// Whoever has a mailbox, if that is known and fresh and nothing stands against them.
    #[must_use]
    pub fn peek_entitled_owner(&self, user: &Username, mailbox: &Mailbox, now: Instant) -> Option<Owner> {
        match mailbox.authsource {
            Some(AuthSource::Keycloak) => self.people.peek_if_entitled(user, now).map(Owner::Person),
            Some(AuthSource::Mailcow | AuthSource::Ldap | AuthSource::GenericOidc) | None => Some(Owner::Row),
        }
    }

    /// Makes sure that what is known about a person was asked for no sooner than `since`; waits for that until
    /// `until` at most. Says whether it is newer than what was known before.
    ///
    /// # Errors
    /// Keycloak cannot tell, or was asked about this person a moment ago.
    pub async fn renew_person(
        &self,
        user: &Username,
        since: Instant,
        until: Instant,
    ) -> Result<bool, TempFail> {
        self.people.renew(user, since, until).await
    }

    /// What is known about people.
    #[must_use]
    pub fn people(&self) -> &People {
        &self.people
    }

    /// Forgets a person, and all comparisons with their hash and with these; says how many people and comparisons.
    pub fn forget(&self, user: &Username, more_hashes: &[Secret]) -> (bool, usize) {
        let own = self.people.stored_password(user);
        let hashes = own.iter().chain(more_hashes);
        let comparisons = hashes.map(|stored| self.comparisons.forget(stored.expose())).sum();
        (self.people.forget(user), comparisons)
    }

    /// Forgets all people and all comparisons; says how many of each.
    pub fn flush(&self) -> (usize, usize) {
        (self.people.flush(), self.comparisons.flush())
    }

    /// Compares with the main password, which the person has or the row. `of_row` is the place beside the row's hash.
    ///
    /// # Errors
    /// A denial, or the reason why nobody can tell.
    pub async fn check_main_password(
        &self,
        mailbox: &Mailbox,
        owner: &Owner,
        of_row: &Fitted,
        presented: Presented<'_>,
    ) -> Result<Source, NotAccepted> {
        match (mailbox.authsource, owner) {
            (_, Owner::Person(entitled)) => keycloak::check(self, entitled, presented).await,
            (Some(AuthSource::Mailcow), Owner::Row) => mailbox::check(self, mailbox, of_row, presented).await,
            (_, Owner::Row) => Err(Denial::SourceUnsupported.into()),
        }
    }

    /// Whether the main password is known to fit, as [`check_main_password`](Self::check_main_password) would find.
    #[must_use]
    pub fn knows_main_password(
        &self,
        mailbox: &Mailbox,
        owner: &Owner,
        of_row: &Fitted,
        password: &Secret,
    ) -> Option<Source> {
        let (fitted, source) = match (mailbox.authsource, owner) {
            (_, Owner::Person(entitled)) => {
                keycloak::stored(entitled).ok()?;
                (entitled.fitted(), Source::Keycloak)
            }
            (Some(AuthSource::Mailcow), Owner::Row) => {
                mailbox::stored(mailbox, of_row).ok()?;
                (of_row, Source::Mailbox)
            }
            (_, Owner::Row) => return None,
        };
        self.comparisons.knows(fitted, password.expose()).then_some(source)
    }

    /// Compares with the password of somebody who is entitled and may have no mailbox yet.
    ///
    /// # Errors
    /// A denial, or the reason why nobody can tell.
    pub async fn check_person(
        &self,
        entitled: &Entitled,
        presented: Presented<'_>,
    ) -> Result<Source, NotAccepted> {
        keycloak::check(self, entitled, presented).await
    }

    /// Compares with a stored `{SCHEME}` string, on a hashing thread unless that was done before.
    async fn verify(
        &self,
        stored: &Secret,
        fitted: Option<&Fitted>,
        presented: Presented<'_>,
    ) -> Result<(), NotAccepted> {
        let Presented { password, remote, name } = presented;
        let Some(password) = password.given() else {
            return self.hasher.check(stored).map_err(|error| error.temp_fail().into());
        };
        let work = || async {
            let whose = Whose { name, address: remote };
            let end = self.hasher.verify_from(stored.duplicate(), password.duplicate(), whose).await;
            end.map_err(|error| error.temp_fail())
        };
        // What is remembered of a string and a password must hold for everybody who has both.
        let fits = if self.hasher.is_owners(stored) {
            work().await?
        } else {
            self.comparisons.compare((stored.expose(), fitted), password.expose(), work).await?
        };
        if fits { Ok(()) } else { Err(Denial::PasswordMismatch.into()) }
    }
}

/// What a step that asks about a person without a mailbox found out, where there is a mailbox: a name that has one is no
/// name that nobody has.
#[must_use]
pub fn of_mailbox(why_not: NotAccepted) -> NotAccepted {
    match why_not {
        NotAccepted::Refused(Denial::UserUnknown) => Denial::UserGone.into(),
        why_not => why_not,
    }
}

/// Whether there is anything to compare with. mailcow takes text of no known form for none as well; here nobody can tell
/// what it was meant to be, so that its owner is not told that there is no password.
fn is_there(stored: &Secret, fitted: &Fitted) -> bool {
    // What fitted was a hash.
    fitted.is_set() || !stored.expose().trim_ascii().is_empty()
}
