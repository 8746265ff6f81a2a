//! The forms in which settings are written: durations, file modes, networks, servers; and the place of one that changes.
//!
//! Each type turns text into a value and says in one sentence what it wanted, so that every module's
//! `Config` gives the same advice. Where a setting stands in the file is `config`'s business.

mod duration;
mod host_port;
mod live;
mod mode;
mod network;
mod section;

pub use duration::Period;
pub use host_port::HostPort;
pub use live::Live;
pub use mode::FileMode;
pub use network::{Network, NotANetwork};
pub use section::{Section, SettingFault};
