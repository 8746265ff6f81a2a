//! Mailboxes with `authsource = keycloak`: the hash is an attribute of the person in Keycloak.

use super::{Passdb, is_scheme_string};
use crate::auth::{Denial, NotAccepted, Secret, Source, Username};
use crate::keycloak::Person;

/// The person must be entitled, have a hash, and the password must fit it.
pub(super) async fn check(
    passdb: &Passdb,
    user: &Username,
    password: &Secret,
) -> Result<Source, NotAccepted> {
    let person = passdb.sources.find_entitled(user).await?;
    verify(passdb, &person, password).await?;
    Ok(Source::Keycloak)
}

/// Compares with the person's hash.
async fn verify(passdb: &Passdb, person: &Person, password: &Secret) -> Result<(), NotAccepted> {
    match &person.password {
        Some(stored) if is_scheme_string(stored) => passdb.verify(stored, password).await,
        _ => Err(Denial::PasswordMissing.into()),
    }
}
