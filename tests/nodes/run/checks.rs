//! What `keydove check` says of a cluster: whole, and with servers in trouble.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::eventually;
use crate::cluster::Cluster;
use crate::schedule::{Fault, NODES};
use crate::stage::{Failure, Result};

/// With a whole cluster, one that forgets, and one that is cut in two.
pub(super) fn checks(cluster: &Cluster) -> Result<()> {
    Checks { cluster }.all()
}

struct Checks<'a> {
    cluster: &'a Cluster,
}

impl Checks<'_> {
    fn all(&self) -> Result<()> {
        let [first, second, third] = NODES.map(|name| self.cluster.network.address(name));
        self.says(0, first, "is ready, in a cluster of 3")?;
        self.says(0, third, "is ready, in a cluster of 3")?;
        self.flush(1, 2)?;
        self.says(0, second, "has innodb_flush_log_at_trx_commit=2")?;
        self.flush(1, 1)?;
        self.cluster.break_by(Fault::Unplug(2))?;
        let looks = self.says(0, third, "of the cluster does not answer").and_then(|()| {
            self.says(2, third, "is not ready (wsrep_ready=OFF, wsrep_cluster_status=non-Primary)")
        });
        self.cluster.mend(Fault::Unplug(2))?;
        looks?;
        eventually(|| self.cluster.is_synced(), "every MariaDB is synced again")
    }

    fn flush(&self, place: usize, value: u8) -> Result<()> {
        let statement = format!("SET GLOBAL innodb_flush_log_at_trx_commit = {value}");
        self.cluster.at(place, |node| node.database().query(&statement))?.map(drop)
    }

    /// Galera takes some seconds to notice that somebody is gone.
    fn says(&self, place: usize, server: Ipv4Addr, words: &str) -> Result<()> {
        let wanted = format!("server {server}:3306 {words}");
        let mut said = String::new();
        let found = eventually(
            || {
                let look = self.cluster.at(place, |node| node.check());
                said = look.and_then(|said| said).unwrap_or_else(|failure| failure.0);
                let found = said.contains(&wanted);
                if !found {
                    std::thread::sleep(Duration::from_millis(500));
                }
                found
            },
            &wanted,
        );
        found.map_err(|failure| Failure(format!("{}; `keydove check` says:\n{said}", failure.0)))
    }
}
