//! What such daemons have fallen into before: guessing, hashing, identity. Each by its number in the list of traps.

pub mod cache;
mod guessing;
mod identity;
mod outage;
mod passwords;
mod settings;
mod storm;

use super::WorldCase;

pub use storm::CASES as STORMS;

pub const CASES: &[&[WorldCase]] =
    &[cache::CASES, guessing::CASES, identity::CASES, outage::CASES, passwords::CASES, settings::CASES];
