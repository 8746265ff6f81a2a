//! Edge cases of mailcow, and dangers for a daemon of this kind, over real sockets.
//!
//! What is expected is mailcow's own behaviour, except where keydove differs on purpose; such a case says so.
//! Each case has addresses of its own in `case.example`, so that it disturbs no other.

mod app_passwords;
mod crash;
mod dangers;
mod identity;
pub mod identity_provider;
mod login_log;
mod names;
mod outages;
mod passwords;
mod person_id;
pub mod provisioning;
mod redis;
mod right_person;
pub mod rows;
mod stale_records;
mod switches;
mod template_updates;
mod troubles;
pub mod web_login;
mod webmail;
pub mod world;

use crate::Group;
use crate::run::On;
use crate::stage::Result;
use world::World;

/// A case that only uses addresses of its own.
pub type WorldCase = (&'static str, fn(&World<'_>) -> Result<()>);

/// By theme.
pub const GROUPS: &[Group<WorldCase>] = &[
    ("names", On::BothDatabases, names::CASES),
    ("right_person", On::Sqlite, right_person::CASES),
    ("passwords", On::Sqlite, passwords::CASES),
    ("switches", On::BothDatabases, switches::CASES),
    ("provisioning", On::BothDatabases, provisioning::CASES),
    ("rows", On::BothDatabases, rows::CASES),
    ("outages", On::Sqlite, outages::CASES),
    ("crash", On::BothDatabases, crash::CASES),
    ("identity", On::BothDatabases, identity::CASES),
    ("troubles", On::BothDatabases, troubles::CASES),
    ("app_passwords", On::BothDatabases, app_passwords::CASES),
    ("webmail", On::Sqlite, webmail::CASES),
    ("login_log", On::BothDatabases, login_log::CASES),
    ("redis", On::BothDatabases, redis::CASES),
    ("identity_provider", On::BothDatabases, identity_provider::CASES),
    ("person_id", On::BothDatabases, person_id::CASES),
    ("template_updates", On::BothDatabases, template_updates::CASES),
    ("stale_records", On::BothDatabases, stale_records::CASES),
    ("cache", On::Sqlite, dangers::cache::CASES),
    ("guessing", On::Sqlite, dangers::guessing::CASES),
    ("identity", On::BothDatabases, dangers::identity::CASES),
    ("outage", On::Sqlite, dangers::outage::CASES),
    ("passwords", On::Sqlite, dangers::passwords::CASES),
    ("settings", On::BothDatabases, dangers::settings::CASES),
    ("storm", On::Sqlite, dangers::storm::CASES),
];

pub use app_passwords::app_password;
pub use dangers::cache::{behind, set_hash};
pub use webmail::{ADDRESS as SOGO, SIGN_ON, settings as with_webmail_settings};
