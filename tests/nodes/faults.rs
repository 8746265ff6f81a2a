//! Breaks what the schedule says, and mends it.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::cluster::Cluster;
use crate::schedule::{Fault, NODES, Part};
use crate::stage::Result;

impl Cluster {
    /// Breaks it.
    ///
    /// # Errors
    /// It cannot be broken.
    pub fn break_by(&self, fault: Fault) -> Result<()> {
        match fault {
            Fault::Unplug(node) => self.network.unplug(NODES[node]),
            Fault::OneWay(from, to) => self.network.lose(NODES[from], NODES[to]),
            Fault::Freeze(part, node) => self.signal(part, node, Signal::SIGSTOP),
            Fault::Kill(part, node) => self.at(node, |node| match part {
                Part::Keydove => node.keydove().kill(),
                Part::Database => node.database().kill(),
                Part::Redis => node.redis().kill(),
            })?,
            Fault::Slow(node, delay) => {
                self.proxies[node].slow(Duration::from_millis(delay));
                Ok(())
            }
            Fault::HalfOpen(node) => {
                self.proxies[node].half_open();
                Ok(())
            }
        }
    }

    /// Mends it. Programs that were killed run again then.
    ///
    /// # Errors
    /// It cannot be mended.
    pub fn mend(&self, fault: Fault) -> Result<()> {
        match fault {
            Fault::Unplug(node) | Fault::OneWay(_, node) => self.network.heal(NODES[node]),
            Fault::Freeze(part, node) => self.signal(part, node, Signal::SIGCONT),
            Fault::Kill(part, node) => self.at(node, |node| match part {
                Part::Keydove => node.start_keydove(),
                Part::Database => node.database().join(),
                Part::Redis => node.redis().start_again(),
            })?,
            Fault::Slow(node, _) | Fault::HalfOpen(node) => {
                self.proxies[node].pass();
                Ok(())
            }
        }
    }

    /// Whether every MariaDB has all that the others have.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        (0..NODES.len()).all(|place| self.at(place, |node| node.database().is_synced()).unwrap_or(false))
    }

    fn signal(&self, part: Part, node: usize, signal: Signal) -> Result<()> {
        self.at(node, |node| match part {
            Part::Keydove => node.keydove().signal(signal),
            Part::Database => node.database().signal(signal),
            Part::Redis => node.redis().signal(signal),
        })?
    }
}
