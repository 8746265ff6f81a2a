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

    async fn check_all(&self) {
        let shared = &*self.hosts.0;
        let others = shared.hosts.iter().filter(|host| !shared.is_this(host));
        join_all(others.map(|host| async move {
            let end = check(host).await;
            if host.checks().note(end) {
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

/// Where it answered.
async fn check(host: &Host) -> Result<IpAddr, String> {
    let connect = async {
        let mut trouble = format!("looking up {}: it has no address", host.config.host);
        for address in look_up(host).await? {
            match TcpStream::connect(address).await {
                Ok(_) => return Ok(address.ip()),
                Err(error) => trouble = format!("connecting to {address}: {error}"),
            }
        }
        Err(trouble)
    };
    let (name, port) = (&host.config.host, host.config.checked_port());
    let late = || format!("connecting to {name}, port {port}: no answer within {} s", PATIENCE.as_secs());
    timeout(PATIENCE, connect).await.unwrap_or_else(|_| Err(late()))
}

/// Its addresses. Of a name, the first one is remembered: a server that does not answer yet has it all the same.
async fn look_up(host: &Host) -> Result<Vec<SocketAddr>, String> {
    let (name, port) = (host.config.host.as_str(), host.config.checked_port());
    if let Some(literal) = host.literal {
        return Ok(vec![(literal, port).into()]);
    }
    let found = lookup_host((name, port)).await.map_err(|error| format!("looking up {name}: {error}"))?;
    let addresses: Vec<_> = found.collect();
    let mut checks = host.checks();
    checks.address = checks.address.or(addresses.first().map(SocketAddr::ip));
    Ok(addresses)
}

/// Knows the addresses of names before the first login, as far as that takes no longer than a check.
pub(super) async fn look_up_names(hosts: &[Host]) {
    let names = hosts.iter().filter(|host| host.literal.is_none());
    // What fails is told by the first check.
    join_all(names.map(|host| timeout(PATIENCE, look_up(host)))).await;
}
