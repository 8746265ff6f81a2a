//! Mailboxes with `authsource = keycloak`: the hash is an attribute of the person in Keycloak.

use super::{Entitled, Passdb, Presented, is_scheme_string};
use crate::auth::{Denial, NotAccepted, Source, TempFail};

/// Compares with the person's hash. That the person is entitled has been decided.
pub(super) async fn check(
    passdb: &Passdb,
    entitled: &Entitled,
    presented: Presented<'_>,
) -> Result<Source, NotAccepted> {
    let person = entitled.person();
    match (&person.password, &person.password_hidden) {
        (Some(stored), _) if is_scheme_string(stored, entitled.fitted()) => {
            passdb.verify(stored, Some(entitled.fitted()), presented).await?;
        }
        (None, Some(hidden)) => return Err(TempFail::clone(hidden).into()),
        _ => return Err(Denial::PasswordMissing.into()),
    }
    Ok(Source::Keycloak)
}
