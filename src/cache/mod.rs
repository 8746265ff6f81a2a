//! What is remembered in memory so that a login need not be worked out again. Nothing here remembers a verdict.

mod bounded;
mod records;
mod verified;

pub use records::{Fetch, Fetcher, Held, Lifetimes, Record, RecordCounts, Records, Source, Spawner};
pub use verified::Verified;
