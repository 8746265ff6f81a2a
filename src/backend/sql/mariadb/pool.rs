//! The connections of this process to the server: one budget, of which logins always have most.
//!
//! The driver has a pool too, but it hands out the connection that was idle longest, so that every connection has to
//! prepare every statement; it keeps dead connections after a restart of the server; and it knows no two kinds of askers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use mysql_async::{Conn, Error as DriverError, Opts};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use super::servers::{Galera, connect};
use crate::backend::sql::session::Asker;

/// Connections that nobody used for so long are closed; idle ones may sit behind a firewall that forgets them.
const IDLE_LIMIT: Duration = Duration::from_secs(300);

/// Open connections that nobody uses, and permits to have one.
pub(super) struct ConnectionPool {
    /// The servers, in the order in which they are tried.
    servers: Vec<Opts>,
    /// The server to which all connections lead.
    current: AtomicUsize,
    connect_timeout: Duration,
    /// One for each connection that may be open.
    all: Semaphore,
    /// Those of them that jobs may have at once.
    of_jobs: Semaphore,
    /// The last used at the end.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: Conn,
    server: usize,
    since: Instant,
}

/// Why there is no connection.
pub(super) enum NoConnection {
    /// None was free, or the server did not greet, within `connect_timeout`.
    TooLate,
    /// The server's or the system's refusal.
    Refused(DriverError),
}

/// How many of so many connections jobs may have at once: a quarter, at least one.
const fn share_of_jobs(max: usize) -> usize {
    if max < 8 { 1 } else { max / 4 }
}

impl ConnectionPool {
    /// Opens nothing yet. `servers`: at least one, the preferred one first; several are nodes of a Galera cluster. `max`: at
    /// least 1.
    pub(super) fn new(servers: Vec<Opts>, max: usize, connect_timeout: Duration) -> Self {
        let max = max.min(Semaphore::MAX_PERMITS);
        Self {
            servers,
            current: AtomicUsize::new(0),
            connect_timeout,
            all: Semaphore::new(max),
            of_jobs: Semaphore::new(share_of_jobs(max)),
            idle: Mutex::default(),
        }
    }

    /// A connection: that which was used last, or a new one.
    pub(super) async fn lease(&self, asker: Asker) -> Result<Lease<'_>, NoConnection> {
        let leased = timeout(self.connect_timeout, self.wait_and_connect(asker)).await;
        leased.map_err(|_| NoConnection::TooLate)?.map_err(NoConnection::Refused)
    }

    async fn wait_and_connect(&self, asker: Asker) -> Result<Lease<'_>, DriverError> {
        // Jobs wait for each other first, so that few of them stand in the line of the logins.
        let of_job = match asker {
            Asker::Login => None,
            Asker::Job => self.of_jobs.acquire().await.ok(),
        };
        let permit = self.all.acquire().await.ok();
        let (connection, server) = match self.take_idle() {
            Some(idle) => (idle.connection, idle.server),
            None => self.connect().await?,
        };
        Ok(Lease { pool: self, connection: Some(connection), server, _permits: (permit, of_job) })
    }

    /// A new connection to the current server, or to the next one that is ready, which is the current one from then on.
    async fn connect(&self) -> Result<(Conn, usize), DriverError> {
        let first = self.current.load(Ordering::Relaxed);
        let [only] = self.servers.as_slice() else { return self.connect_in_turn(first).await };
        Ok((connect(only.clone(), Galera::May).await?, 0))
    }

    async fn connect_in_turn(&self, first: usize) -> Result<(Conn, usize), DriverError> {
        let count = self.servers.len();
        // One that says nothing must leave time for the others.
        let share = self.connect_timeout / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        let mut last = None;
        for server in (0..count).map(|step| (first + step) % count) {
            match timeout(share, connect(self.servers[server].clone(), Galera::Must)).await {
                Ok(Ok(connection)) => {
                    if server != first {
                        tracing::warn!(
                            server = self.servers[server].ip_or_hostname(),
                            port = self.servers[server].tcp_port(),
                            "another server of the database cluster is used from now on"
                        );
                        self.current.store(server, Ordering::Relaxed);
                        self.clear();
                    }
                    return Ok((connection, server));
                }
                Ok(Err(error)) => last = Some(error),
                Err(_) => {
                    last.get_or_insert_with(|| DriverError::Other("no server greeted in its time".into()));
                }
            }
        }
        Err(last.unwrap_or_else(|| DriverError::Other("no server is configured".into())))
    }

    /// Of connections to another server than the current one nobody takes any.
    fn take_idle(&self) -> Option<Idle> {
        let current = self.current.load(Ordering::Relaxed);
        let mut idle = self.idle();
        close_old(&mut idle);
        let (of_current, others) =
            std::mem::take(&mut *idle).into_iter().partition(|idle| idle.server == current);
        *idle = of_current;
        for other in others {
            close(other.connection);
        }
        idle.pop()
    }

    /// The servers, in the order in which they are tried.
    pub(super) fn servers(&self) -> &[Opts] {
        &self.servers
    }

    /// Whether another server can take over.
    pub(super) fn has_others(&self) -> bool {
        self.servers.len() > 1
    }

    /// Closes the idle connections: where one is dead, the others most likely are too.
    pub(super) fn clear(&self) {
        let idle = std::mem::take(&mut *self.idle());
        idle.into_iter().for_each(|idle| close(idle.connection));
    }

    /// Closes what is idle, and waits for it.
    pub(super) async fn disconnect(&self) {
        let idle = std::mem::take(&mut *self.idle());
        for idle in idle {
            // What does not close so, the server closes itself.
            let _ = idle.connection.disconnect().await;
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionPool {
    fn drop(&mut self) {
        self.clear();
    }
}

fn close_old(idle: &mut Vec<Idle>) {
    let fresh = idle.iter().position(|idle| idle.since.elapsed() < IDLE_LIMIT).unwrap_or(idle.len());
    idle.drain(..fresh).for_each(|idle| close(idle.connection));
}

/// Polled once, it sends the farewell if it can, and marks the connection as closed; nobody waits for more.
fn close(connection: Conn) {
    let _ = connection.disconnect().now_or_never();
}

/// A connection that goes back to the pool only when it is known to be idle.
///
/// Dropped in the middle of a question, it is thrown away: the late answer to one question must not be read as
/// the answer to the next. The driver guards against that too, but it may wait for the late answer meanwhile.
pub(super) struct Lease<'a> {
    pool: &'a ConnectionPool,
    connection: Option<Conn>,
    /// Where it leads.
    server: usize,
    /// Given back when the connection is closed or idle.
    _permits: (Option<SemaphorePermit<'a>>, Option<SemaphorePermit<'a>>),
}

impl Lease<'_> {
    pub(super) fn connection(&mut self) -> &mut Conn {
        self.connection.as_mut().expect("only `give_back` and `drop` take it, and both end the lease")
    }

    pub(super) fn give_back(mut self) {
        if let Some(connection) = self.connection.take() {
            let mut idle = self.pool.idle();
            close_old(&mut idle);
            idle.push(Idle { connection, server: self.server, since: Instant::now() });
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            close(connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_have_a_quarter_and_never_nothing() {
        let shares = [1, 2, 7, 8, 16, 100].map(share_of_jobs);
        assert_eq!(shares, [1, 1, 1, 2, 4, 25]);
    }
}
