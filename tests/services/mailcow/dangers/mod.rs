//! What daemons of this kind have fallen into before: guessing, hashing, identity, outages.

pub mod cache;
pub mod guessing;
pub mod identity;
pub mod outage;
pub mod passwords;
pub mod settings;
pub mod storm;
