//! mailcow's edge cases, each by its number, and the traps of such a daemon, over real sockets.
//!
//! What is expected is mailcow's own behaviour, except where keydove differs on purpose; such a case says so.
//! Each case has addresses of its own in `case.example`, so that it disturbs no other.

mod crash;
mod names;
mod outages;
mod passwords;
mod provisioning;
mod right_person;
mod rows;
mod switches;
mod traps;
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
];

pub use traps::CASES as TRAPS;
