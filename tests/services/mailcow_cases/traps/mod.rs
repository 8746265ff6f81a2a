//! What such daemons have fallen into before: guessing, hashing, identity. Each by its number in the list of traps.

pub mod cache;
pub mod guessing;
pub mod identity;
pub mod outage;
pub mod passwords;
pub mod settings;
pub mod storm;
