//! Is this password right for this mailbox? One answer per authentication source.
//!
//! Who may ask at all (name, domain, mailbox, service) is the decision's business.

mod keycloak;
mod mailbox;
mod sources;

use crate::auth::{Denial, NotAccepted, Secret, Source, Username};
use crate::hashing::Hasher;
use crate::keycloak::Person;
use crate::scheme::{self, Unusable};
use crate::sql::{AuthSource, Mailbox};

pub use sources::{LiveSource, Sources};

/// The sources of main passwords.
#[derive(Debug)]
pub struct Passdb {
    sources: Sources,
    hasher: Hasher,
}

impl Passdb {
    /// Joins the identity servers and the hashing threads.
    #[must_use]
    pub fn new(sources: Sources, hasher: Hasher) -> Self {
        Self { sources, hasher }
    }

    /// Checks the main password where the mailbox's `authsource` says it is kept.
    ///
    /// # Errors
    /// A denial, or the reason why nobody can tell.
    pub async fn check_main_password(
        &self,
        user: &Username,
        mailbox: &Mailbox,
        password: &Secret,
    ) -> Result<Source, NotAccepted> {
        match mailbox.authsource {
            Some(AuthSource::Keycloak) => keycloak::check(self, user, password).await,
            Some(AuthSource::Mailcow) => mailbox::check(self, mailbox, password).await,
            Some(AuthSource::Ldap | AuthSource::GenericOidc) | None => Err(Denial::SourceUnsupported.into()),
        }
    }

    /// Checks somebody who has no mailbox yet: only Keycloak can know them. Returns who it is.
    ///
    /// # Errors
    /// A denial, or the reason why nobody can tell.
    pub async fn check_person(&self, user: &Username, password: &Secret) -> Result<Person, NotAccepted> {
        keycloak::check_person(self, user, password).await
    }

    /// Compares with a stored `{SCHEME}` string on a hashing thread.
    async fn verify(&self, stored: &Secret, password: &Secret) -> Result<(), NotAccepted> {
        match self.hasher.verify(stored.duplicate(), password.duplicate()).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Denial::PasswordMismatch.into()),
            Err(error) => Err(error.temp_fail().into()),
        }
    }
}

/// Whether there is a `{SCHEME}` string to compare with. Text of any other form is as good as none, as in mailcow;
/// a scheme string that is cut off or unknown is not: then nobody can tell.
fn is_scheme_string(stored: &Secret) -> bool {
    !matches!(scheme::parse(stored.expose()), Err(Unusable::NoScheme))
}
