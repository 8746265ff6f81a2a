//! What operators see: one log line per login, in text or JSON, and numbers.
//!
//! [`LoginRecord`] is everything known about one finished login; [`log`] sets up where lines go and how they
//! look; [`metrics`] counts. Nothing in here can hold a secret: a record is made of names, codes, addresses and
//! times, and has no field of type [`Secret`](crate::auth::Secret).

mod addresses;
pub mod journal;
pub mod log;
mod login_lines;
mod login_record;
pub mod metrics;
mod quote;
mod recent;

pub use addresses::{AddressForm, remote_field, shown};
pub use log::{LogConfig, LogFormat, LogLevel};
pub use login_lines::{flush, run as write_login_lines};
pub use login_record::LoginRecord;
pub use metrics::{LoginMetrics, LoginPath};
pub use quote::{SentText, is_hidden};
pub use recent::{RecentAttempt, RecentAttempts};
