//! What such daemons have fallen into before: guessing, hashing, identity. Each by its number in the list of traps.

mod guessing;
mod identity;
mod passwords;
mod settings;

use super::WorldCase;

pub const CASES: &[&[WorldCase]] = &[guessing::CASES, identity::CASES, passwords::CASES, settings::CASES];
