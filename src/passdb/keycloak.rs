//! Mailboxes with `authsource = keycloak`: the hash is an attribute of the person in Keycloak.

use super::{Passdb, is_scheme_string};
use crate::auth::{Denial, NotAccepted, Secret, Source, Username};
use crate::keycloak::Lookup;

/// The person must be there once, under this very address, enabled, with a hash, and the password must fit it.
pub(super) async fn check(
    passdb: &Passdb,
    user: &Username,
    password: &Secret,
) -> Result<Source, NotAccepted> {
    let person = match passdb.keycloak.find_person(user).await {
        Ok(Lookup::Found(person)) => person,
        Ok(Lookup::Unknown) => return Err(Denial::UserUnknown.into()),
        Ok(Lookup::Conflict) => return Err(Denial::UserConflict.into()),
        Err(error) => return Err(error.temp_fail().into()),
    };
    if !person.enabled {
        return Err(Denial::UserDisabled.into());
    }
    match &person.password {
        Some(stored) if is_scheme_string(stored) => {
            passdb.verify(stored, password).await?;
            Ok(Source::Keycloak)
        }
        _ => Err(Denial::PasswordMissing.into()),
    }
}
