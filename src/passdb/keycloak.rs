//! Mailboxes with `authsource = keycloak`: the hash is an attribute of the person in Keycloak.

use super::{Passdb, is_scheme_string};
use crate::auth::{Denial, NotAccepted, Secret, Source};
use crate::keycloak::Person;

/// Compares with the person's hash. That the person is entitled has been decided.
pub(super) async fn check(
    passdb: &Passdb,
    person: &Person,
    password: &Secret,
) -> Result<Source, NotAccepted> {
    match &person.password {
        Some(stored) if is_scheme_string(stored) => passdb.verify(stored, password).await?,
        _ => return Err(Denial::PasswordMissing.into()),
    }
    Ok(Source::Keycloak)
}
