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
