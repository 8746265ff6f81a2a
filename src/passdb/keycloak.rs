//! Mailboxes with `authsource = keycloak`: the hash is an attribute of the person in Keycloak.

use super::{Passdb, is_scheme_string};
use crate::auth::{Denial, NotAccepted, Secret, Source, Username};
use crate::keycloak::Person;

/// Main passwords must be in use, the person must be entitled and have a hash, and the password must fit it.
pub(super) async fn check(
    passdb: &Passdb,
    user: &Username,
    password: &Secret,
) -> Result<Source, NotAccepted> {
    check_person(passdb, user, password).await?;
    Ok(Source::Keycloak)
}

/// The same for somebody who has no mailbox yet: returns who it is.
pub(super) async fn check_person(
    passdb: &Passdb,
    user: &Username,
    password: &Secret,
) -> Result<Person, NotAccepted> {
    passdb.sources.check_mail_passwords_allowed(user)?;
    let person = passdb.sources.find_entitled(user).await?;
    verify(passdb, &person, password).await?;
    Ok(person)
}

/// Compares with the person's hash.
async fn verify(passdb: &Passdb, person: &Person, password: &Secret) -> Result<(), NotAccepted> {
    match &person.password {
        Some(stored) if is_scheme_string(stored) => passdb.verify(stored, password).await,
        _ => Err(Denial::PasswordMissing.into()),
    }
}
