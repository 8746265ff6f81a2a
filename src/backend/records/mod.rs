//! What a backend said about an address, remembered in memory with its age, so that a login need not ask again.
//!
//! * [`Records`]: fresh records serve at once, older ones are fetched again, stale ones serve while a backend is away.
//!   `entries.rs` holds them in bounded memory; `in_flight.rs` lets who wants the same record wait for one fetch.
//! * [`RecordFile`]: the same on disk, encrypted, to outlive a restart.
//! * `BoundedMap`: a map of bounded size that forgets what was used longest ago. `Seldom`: what most records lack.
//!
//! Nothing here remembers a verdict: every login takes all its steps, and a record spares a question.

mod bounded;
mod cache;
mod config;
mod entries;
mod in_flight;
mod record;
mod record_file;
mod restoring;
mod seldom;

pub(crate) use bounded::BoundedMap;
pub use cache::Records;
pub use config::Config;
pub use record::{
    Fetch, Fetcher, Freshness, Held, Lifetimes, Record, RecordCounts, RecordSource, RecordWatch, Spawner,
};
pub use record_file::{Belonging, RecordFile, RecordFileError, SavedRecord, Written, age, seconds};
pub use restoring::Restoring;
pub(crate) use seldom::Seldom;
