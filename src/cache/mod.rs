//! What is remembered in memory so that a login need not be worked out again. Nothing here remembers a verdict.
//!
//! * [`Records`]: what Keycloak and the database said about an address, with its age.
//! * [`Comparisons`]: which password was compared with which hash, and how that ended.
//!
//! Every login takes all its steps, whatever is remembered: a record spares a question, a comparison spares a hash.

mod bounded;
mod comparisons;
mod config;
mod entries;
mod flights;
mod record;
mod record_file;
mod records;
mod verified;

pub(crate) use bounded::BoundedMap;
pub use comparisons::{Comparisons, Fitted};
pub use config::Config;
pub use record::{Fetch, Fetcher, Held, Lifetimes, Record, RecordCounts, Source, Spawner, Standing, Watch};
pub use record_file::{Belonging, RecordFile, RecordFileError, SavedRecord, Written, age, seconds};
pub use records::Records;
pub use verified::Verified;
