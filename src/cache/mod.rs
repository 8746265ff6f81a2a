//! What is remembered in memory so that a login need not be worked out again. Nothing here remembers a verdict.

mod verified;

pub use verified::Verified;
