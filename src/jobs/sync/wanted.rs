//! What the daemon's runs are to do.

use std::time::Duration;

use crate::settings::Live;

/// What a run is to do, and how often there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// From the end of one run to the next; zero: none.
    pub interval: Duration,
    /// Mailboxes that are there are brought in line.
    pub updates: bool,
    /// Users without a mailbox get one.
    pub import: bool,
}

/// Where the daemon knows that from.
#[derive(Clone, Debug)]
pub enum Plan {
    /// `[sync]`.
    Configured(Wanted),
    /// mailcow's table, which may say otherwise at any time.
    Mailcow(Live<Wanted>),
}

impl Wanted {
    /// Until mailcow's table was read.
    pub const NOTHING: Self = Self { interval: Duration::ZERO, updates: false, import: false };
}

impl Plan {
    /// What is wanted now.
    #[must_use]
    pub fn now(&self) -> Wanted {
        match self {
            Self::Configured(wanted) => *wanted,
            Self::Mailcow(wanted) => *wanted.get(),
        }
    }
}
