//! Passwords that were compared, remembered in memory so that none is hashed twice. Nothing here remembers a verdict.
//!
//! * [`Comparisons`]: which password was compared with which hash, and how that ended; who wants the same comparison at
//!   the same moment waits for one.
//! * [`Verified`]: the tags behind it, under a random key of this process.
//! * [`Fitted`]: the tag of the password that fitted, kept beside the record of its hash.

mod comparisons;
mod verified;

pub use comparisons::{Comparisons, Fitted};
pub use verified::Verified;
