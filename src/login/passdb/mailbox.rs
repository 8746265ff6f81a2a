//! Mailboxes with `authsource = mailcow`: the hash stands in the mailbox row.

use super::{Passdb, Presented, is_there};
use crate::auth::{Denial, NotAccepted, Secret, Source};
use crate::backend::sql::Mailbox;
use crate::credential::compared::Fitted;

/// Compares with the hash of the row.
pub(super) async fn check(
    passdb: &Passdb,
    mailbox: &Mailbox,
    fitted: &Fitted,
    presented: Presented<'_>,
) -> Result<Source, NotAccepted> {
    passdb.verify(stored(mailbox, fitted)?, Some(fitted), presented).await?;
    Ok(Source::Mailbox)
}

/// The hash to compare with. An active second factor takes the main password's power, as in mailcow; app passwords
/// remain.
pub(super) fn stored<'a>(mailbox: &'a Mailbox, fitted: &Fitted) -> Result<&'a Secret, NotAccepted> {
    if mailbox.second_factor {
        return Err(Denial::SecondFactorRequired.into());
    }
    if !is_there(&mailbox.password, fitted) {
        return Err(Denial::PasswordMissing.into());
    }
    Ok(&mailbox.password)
}
