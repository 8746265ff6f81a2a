//! Mailboxes with `authsource = keycloak`: the hash is an attribute of the person in Keycloak.

use super::{Passdb, Presented, is_there};
use crate::auth::{Denial, NotAccepted, Secret, Source, TempFail};
use crate::backend::people::Entitled;

/// Compares with the person's hash. That the person is entitled has been decided.
pub(super) async fn check(
    passdb: &Passdb,
    entitled: &Entitled,
    presented: Presented<'_>,
) -> Result<Source, NotAccepted> {
    passdb.verify(stored(entitled)?, Some(entitled.fitted()), presented).await?;
    Ok(Source::Keycloak)
}

/// The hash to compare with.
pub(super) fn stored(entitled: &Entitled) -> Result<&Secret, NotAccepted> {
    let person = entitled.person();
    match (&person.password, &person.password_hidden) {
        (Some(stored), _) if is_there(stored, entitled.fitted()) => Ok(stored),
        (None, Some(hidden)) => Err(TempFail::clone(hidden).into()),
        _ => Err(Denial::PasswordMissing.into()),
    }
}
