//! Counting that costs a login next to nothing: atomic numbers in arrays, found by index; no lock, no allocation.
//!
//! * [`LoginMetrics`]: logins by service, verdict and reason, counted where their log line is written.
//! * [`Calls`]: questions to a backend, by how they ended.
//! * [`ShadowMetrics`]: logins that mailcow decided, and what keydove would have said.
//! * [`Histogram`]: how often something took how long.
//!
//! Whoever shows the numbers takes a snapshot; `operations` names and writes them.

mod calls;
mod histogram;
mod logins;
mod shadow;

pub use calls::{Calls, CallsSnapshot};
pub use histogram::{Histogram, HistogramSnapshot};
pub use logins::{LoginCount, LoginMetrics, LoginPath, LoginsSnapshot};
pub use shadow::{ShadowCount, ShadowMetrics};
