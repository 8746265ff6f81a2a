//! The reason codes of the log, as their three tables have them.

use std::collections::BTreeSet;

use keydove::auth::{Denial, TempFailReason};

/// Every code of a refusal or of a "cannot tell".
pub fn all() -> BTreeSet<String> {
    let denials = Denial::ALL.into_iter().map(Denial::code);
    denials.chain(TempFailReason::all().map(TempFailReason::code)).map(str::to_owned).collect()
}
