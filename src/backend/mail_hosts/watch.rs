//! Connects to each backend now and then, and to nobody while a login waits.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Host, MailHosts};

/// A connection within a data centre takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// The background task.
#[derive(Debug)]
pub struct MailHostWatch {
    hosts: MailHosts,
}

impl MailHostWatch {
    pub(super) fn new(hosts: MailHosts) -> Self {
        Self { hosts }
    }

    /// Checks until it is told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let round = async {
            loop {
                self.check_all().await;
                sleep(self.hosts.0.interval).await;
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = round => {}
        }
    }

    /// One check of each, so that keydove knows the addresses of host names before the first login.
    pub async fn look(&self) {
        self.check_all().await;
    }

    async fn check_all(&self) {
        let shared = &*self.hosts.0;
        let others = shared.hosts.iter().filter(|host| !shared.is_this(host));
        join_all(others.map(|host| async move {
            let mut found = None;
            let end = check(host, &mut found).await;
            let mut checks = host.checks();
            // A server that does not answer yet has an address all the same.
            checks.address = checks.address.or(found);
            let has_changed = checks.note(end);
            drop(checks);
            if has_changed {
                tell(host);
            }
        }))
        .await;
    }
}

fn tell(host: &Host) {
    let backend = host.config.name.as_str();
    match host.checks().trouble() {
        None => tracing::info!(backend, "the backend answers again"),
        Some(trouble) => {
            tracing::error!(backend, trouble, "the backend is down: its mailboxes cannot be opened");
        }
    }
}

/// Where it answered; `found` is the first address of its name.
async fn check(host: &Host, found: &mut Option<IpAddr>) -> Result<IpAddr, String> {
    let (name, port) = (host.config.host.as_str(), host.config.checked_port());
    let connect = async {
        let mut addresses = Vec::new();
        match host.literal {
            Some(literal) => addresses.push((literal, port).into()),
            None => {
                let looked_up = lookup_host((name, port)).await;
                addresses.extend(looked_up.map_err(|error| format!("looking up {name}: {error}"))?);
                *found = addresses.first().map(SocketAddr::ip);
            }
        }
        let mut trouble = format!("looking up {name}: it has no address");
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(_) => return Ok(address.ip()),
                Err(error) => trouble = format!("connecting to {address}: {error}"),
            }
        }
        Err(trouble)
    };
    let late = || format!("connecting to {name}, port {port}: no answer within {} s", PATIENCE.as_secs());
    timeout(PATIENCE, connect).await.unwrap_or_else(|_| Err(late()))
}
