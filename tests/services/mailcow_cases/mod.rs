//! mailcow's edge cases, each by its number, and the traps of such a daemon, over real sockets.
//!
//! What is expected is mailcow's own behaviour, except where keydove differs on purpose; such a case says so.
//! Each case has addresses of its own in `case.example`, so that it disturbs no other.

mod app_passwords;
mod crash;
mod identity;
mod identity_provider;
mod login_log;
mod names;
mod outages;
mod passwords;
mod person_id;
mod provisioning;
pub mod redis;
mod right_person;
mod rows;
mod stale_records;
mod switches;
mod template_updates;
mod traps;
mod troubles;
mod webmail;
pub mod world;

use crate::stage::Result;
use world::World;

/// A case that only uses addresses of its own.
pub type WorldCase = (&'static str, fn(&World<'_>) -> Result<()>);

/// By theme.
pub const CASES: &[&[WorldCase]] = &[
    names::CASES,
    right_person::CASES,
    passwords::CASES,
    switches::CASES,
    provisioning::CASES,
    rows::CASES,
    outages::CASES,
    crash::CASES,
    identity::CASES,
    troubles::CASES,
    app_passwords::CASES,
    webmail::CASES,
    login_log::CASES,
    redis::CASES,
    identity_provider::CASES,
    person_id::CASES,
    template_updates::CASES,
    stale_records::CASES,
];

pub use app_passwords::app_password;
pub use traps::cache::{behind, set_hash};
pub use traps::{CASES as TRAPS, STORMS};
pub use webmail::{ADDRESS as SOGO, SIGN_ON, settings as with_webmail_settings};

/// The numbers of mailcow's cases that belong to the sync.
const SYNC: &[u8] = &[58, 70, 71, 72, 73];
/// The last number of mailcow's cases.
pub const LAST: u8 = 75;

/// Each number has a case or belongs to the sync, and none does both.
pub fn every_number_is_taken() -> Result<()> {
    let cases = CASES.iter().copied().flatten();
    let numbers: std::collections::BTreeSet<u8> = cases.filter_map(|(name, _)| number(name)).collect();
    for wanted in 1..=LAST {
        crate::ensure(numbers.contains(&wanted) != SYNC.contains(&wanted), || {
            format!("mailcow's case {wanted} has no test, or one too many")
        })?;
    }
    Ok(())
}

/// The number in the name of a case.
fn number(name: &str) -> Option<u8> {
    name.strip_prefix("mailcow_case_")?.get(..2)?.parse().ok()
}
